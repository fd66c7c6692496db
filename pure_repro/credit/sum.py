"""Sum-form credit: the ordinary discounted return over steps."""

from jaxtyping import Bool, Float
from torch import Tensor


def sum(
    step_rewards: Float[Tensor, "batch step"], step_mask: Bool[Tensor, "batch step"], *, gamma: float
) -> Float[Tensor, "batch step"]:
    """Discounted return-to-go, ``Gₛ = Σ_{j≥s} γ^{j−s} rⱼ``.

    The form that PURE (arXiv 2504.15275, Eq. 1) argues against. ``gamma`` discounts per step, not per
    token. Rewards are in the reward source's units (−1 … 1 for a process reward model); masked slots return
    0, whatever they hold.

    >>> import torch
    >>> rewards, mask = torch.tensor([[0.9, 0.8, -0.5, 0.7]]), torch.ones(1, 4, dtype=torch.bool)
    >>> sum(rewards, mask, gamma=1.0)
    tensor([[1.9000, 1.0000, 0.2000, 0.7000]])
    >>> sum(rewards, mask, gamma=0.5)
    tensor([[ 1.2625,  0.7250, -0.1500,  0.7000]])
    """
    returns = step_rewards.masked_fill(~step_mask, 0)
    for step in reversed(range(returns.shape[1] - 1)):
        returns[:, step] += gamma * returns[:, step + 1]
    return returns.masked_fill(~step_mask, 0)
