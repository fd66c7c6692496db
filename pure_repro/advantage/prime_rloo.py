"""Leave-one-out with the others' mean reward per token: PRIME's estimator of implicit rewards."""

from jaxtyping import Bool, Float, Int
from torch import Tensor

from pure_repro.advantage.group_statistics import others_mean
from pure_repro.types import Steps


def prime_rloo(
    returns: Float[Tensor, "batch token"],
    mask: Bool[Tensor, "batch token"],
    group: Int[Tensor, " batch"],
    steps: Steps,
    *,
    max_tokens: int,
) -> Float[Tensor, "batch token"]:
    """``A_{i,t} = Σ_{s≥t} [r_{i,s} − b_i] = G_{i,t} − b_i (L_i − t)``, ``b_i = (1/(K−1)) Σ_{k≠i} R_k / L_k``.

    The implicit half of PRIME's Eq. 5 (arXiv 2502.01456) with γ = 1, as in its experiments: b is the mean of the
    others' mean rewards per token. The outcome half is ``rloo``, ``advantage.outcome`` of the yaml, and the two are
    added. The baseline is a rate times what is left: a constant added to every token's reward changes nothing.
    Advantages are in reward units, b in reward per token. Raises ``ValueError`` for a group of one.

    >>> import torch
    >>> rewards = torch.tensor([[0.9, 0.2, 0.8, 0.6], [0.1, 0.3, 0.0, 0.0], [-0.2, 0.0, 0.2, 0.0]])
    >>> mask = torch.arange(4) < torch.tensor([[4], [2], [3]])
    >>> tokens = Steps(end=torch.arange(4).expand(3, 4) * mask, mask=mask)
    >>> returns = rewards.flip(1).cumsum(dim=1).flip(1)
    >>> prime_rloo(returns, mask, torch.tensor([0, 0, 0]), tokens, max_tokens=4)
    tensor([[ 2.1000,  1.3000,  1.2000,  0.5000],
            [-0.2250, -0.0125,  0.0000,  0.0000],
            [-1.2375, -0.6250, -0.2125,  0.0000]])
    """
    rate = others_mean(returns[:, 0] / mask.sum(dim=1).clamp(min=1), group)
    return (returns - rate[:, None] * tokens_left(mask)).masked_fill(~mask, 0)


def tokens_left(mask: Bool[Tensor, "batch token"]) -> Int[Tensor, "batch token"]:
    """``L − t``, the token itself included.

    >>> import torch
    >>> tokens_left(torch.tensor([[True, True, True]]))
    tensor([[3, 2, 1]])
    """
    return mask.sum(dim=1, keepdim=True) - mask.cumsum(dim=1) + 1
