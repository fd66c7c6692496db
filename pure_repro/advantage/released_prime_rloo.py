"""Leave-one-out with a mean reward per token, as the releases of PRIME compute it."""

from jaxtyping import Bool, Float, Int
from torch import Tensor

from pure_repro.advantage.group_statistics import group_sizes, group_sum
from pure_repro.advantage.prime_rloo import tokens_left
from pure_repro.types import Steps


def released_prime_rloo(
    returns: Float[Tensor, "batch token"],
    mask: Bool[Tensor, "batch token"],
    group: Int[Tensor, " batch"],
    steps: Steps,
    *,
    max_tokens: int,
) -> Float[Tensor, "batch token"]:
    """``A_{i,t} = Σ_{s≥t} [K r_{i,s} − Σ_k R_k / L_k] / (K−1)``, the sum over the whole group.

    Source: PRIME's repository at 18ad596 and ``recipe/prime`` of verl, before their whitening (the yaml's
    ``advantage.whiten``). They leave the response out by K/(K−1) of the difference from the group's mean, which
    is exact for one number a response. For tokens it adds ``(r_{i,s} − R_i/L_i)/(K−1)`` to each reward of
    ``prime_rloo``: a response's mean is the same, what its tokens differ by grows by K/(K−1). Advantages are in
    reward units. Raises ``ValueError`` for a group of one.

    >>> import torch
    >>> rewards = torch.tensor([[0.9, 0.2, 0.8, 0.6], [0.1, 0.3, 0.0, 0.0], [-0.2, 0.0, 0.2, 0.0]])
    >>> mask = torch.arange(4) < torch.tensor([[4], [2], [3]])
    >>> tokens = Steps(end=torch.arange(4).expand(3, 4) * mask, mask=mask)
    >>> returns = rewards.flip(1).cumsum(dim=1).flip(1)
    >>> released_prime_rloo(returns, mask, torch.tensor([0, 0, 0]), tokens, max_tokens=4)
    tensor([[ 2.1000,  1.1625,  1.2750,  0.4875],
            [-0.2250,  0.0375,  0.0000,  0.0000],
            [-1.2375, -0.5250, -0.1125,  0.0000]])
    """
    size = group_sizes(group)[:, None].to(returns.dtype)
    rate = group_sum(returns[:, 0] / mask.sum(dim=1).clamp(min=1), group)[:, None].to(returns.dtype)
    return ((size * returns - rate * tokens_left(mask)) / (size - 1)).masked_fill(~mask, 0)
