"""Leave-one-out over mean token returns, as the verl release of PURE computes it."""

from jaxtyping import Bool, Float, Int
from torch import Tensor

from pure_repro.advantage.group_statistics import others_mean
from pure_repro.types import Steps


def rloo_return_mean(
    returns: Float[Tensor, "batch token"],
    mask: Bool[Tensor, "batch token"],
    group: Int[Tensor, " batch"],
    steps: Steps,
    *,
    max_tokens: int,
) -> Float[Tensor, "batch token"]:
    """``A_{i,t} = G_{i,t} − (1/((K−1)·N)) Σ_{k≠i} Σ_l G_{k,l}``.

    One baseline for all tokens, N = ``max_tokens``. The sum runs over a response's own tokens but is
    divided by the response limit, so short answers have almost no baseline (a verifiable reward's is scaled
    by L_k / N) and the centring is left to whitening. Source: verl branch of PURE, commit 0628af60; also
    one reading of PURE Eq. 7. Advantages are in reward units. Raises ``ValueError`` for a group of one.

    >>> import torch
    >>> returns = torch.tensor([[1.0, 1.0, 1.0], [0.5, 0.5, 0.0]])
    >>> one_step = Steps(end=torch.tensor([[2], [1]]), mask=torch.ones(2, 1, dtype=torch.bool))
    >>> rloo_return_mean(returns, returns > 0, torch.tensor([0, 0]), one_step, max_tokens=10)
    tensor([[0.9000, 0.9000, 0.9000],
            [0.2000, 0.2000, 0.0000]])
    """
    baseline = others_mean(returns.sum(dim=1), group) / max_tokens
    return (returns - baseline[:, None]).masked_fill(~mask, 0)
