"""Plain REINFORCE leave-one-out: the others' mean total return as baseline."""

from jaxtyping import Bool, Float, Int
from torch import Tensor

from pure_repro.advantage.group_statistics import others_mean
from pure_repro.types import Steps


def rloo(
    returns: Float[Tensor, "batch token"],
    mask: Bool[Tensor, "batch token"],
    group: Int[Tensor, " batch"],
    steps: Steps,
    *,
    max_tokens: int,
) -> Float[Tensor, "batch token"]:
    """``A_{i,t} = G_{i,t} − (1/(K−1)) Σ_{k≠i} R_k``, with ``R_k = G_{k,0}``.

    RLOO (arXiv 2402.14740), PURE's estimator for the verifiable reward (§3.4, arXiv 2504.15275): there
    every token gets ``v_i`` minus the others' mean, and a group of equal outcomes gets zeros. Advantages
    are in reward units. Raises ``ValueError`` for a group of one.

    >>> import torch
    >>> outcome = torch.tensor([[1.0, 1.0], [0.0, 0.0], [0.0, 0.0]])
    >>> one_step = Steps(end=torch.ones(3, 1, dtype=torch.long), mask=torch.ones(3, 1, dtype=torch.bool))
    >>> rloo(outcome, outcome >= 0, torch.tensor([0, 0, 0]), one_step, max_tokens=2)
    tensor([[ 1.0000,  1.0000],
            [-0.5000, -0.5000],
            [-0.5000, -0.5000]])
    """
    baseline = others_mean(returns[:, 0], group)
    return (returns - baseline[:, None]).masked_fill(~mask, 0)
