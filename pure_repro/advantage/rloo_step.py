"""Leave-one-out with a mean reward per step: the baseline the paper rejects."""

from jaxtyping import Bool, Float, Int
from torch import Tensor

from pure_repro.advantage.group_statistics import others_mean
from pure_repro.credit.on_tokens import spread
from pure_repro.credit.sum import sum as return_to_go
from pure_repro.types import Steps


def rloo_step(
    returns: Float[Tensor, "batch token"],
    mask: Bool[Tensor, "batch token"],
    group: Int[Tensor, " batch"],
    steps: Steps,
    *,
    max_tokens: int,
) -> Float[Tensor, "batch token"]:
    """``A_{i,t} = Σ_{j≥s(t)} [r*_{i,j} − b_i] = G_{i,t} − b_i (n_i − s(t))``.

    The rate is ``b_i = (1/(K−1)) Σ_{k≠i} R_k / n_k``, n the number of steps and s(t) the step of token t,
    counted from 0. PURE Eq. 8 (arXiv 2504.15275; §5.1, case 2): at equal outcome reward it penalises more
    steps, and answers shrink to a single huge step.
    Advantages are in reward units, b in reward per step. Raises ``ValueError`` for a group of one.

    >>> import torch
    >>> returns = torch.tensor([[0.9, 0.5, 0.5], [0.3, 0.3, 0.0]])
    >>> steps = Steps(end=torch.tensor([[0, 2], [1, 0]]), mask=torch.tensor([[True, True], [True, False]]))
    >>> rloo_step(returns, returns > 0, torch.tensor([0, 0]), steps, max_tokens=3)
    tensor([[ 0.3000,  0.2000,  0.2000],
            [-0.1500, -0.1500,  0.0000]])
    """
    rate = others_mean(returns[:, 0] / steps.mask.sum(dim=1).clamp(min=1), group)
    steps_left = return_to_go(steps.mask.to(returns.dtype), steps.mask, gamma=1.0)
    return returns - rate[:, None] * spread(steps_left, steps, mask)
