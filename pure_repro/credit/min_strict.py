"""Strict min-form credit: the exact minimum over the steps still to come."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def min_strict(
    step_rewards: Float[Tensor, "batch step"], step_mask: Bool[Tensor, "batch step"]
) -> Float[Tensor, "batch step"]:
    """Suffix minimum, ``Gₛ = min_{j≥s} rⱼ`` over steps.

    It agrees with the limit ``T → 0⁺`` of ``min`` up to the worst step and parts from it afterwards: there
    ``min`` gives 0, this form the later steps' own minimum (PURE, arXiv 2504.15275, Eq. 3–4 set those steps
    to 0). Returns are in the rewards' units; masked slots return 0, whatever they hold.

    >>> min_strict(torch.tensor([[0.5, -0.3, 0.4]]), torch.ones(1, 3, dtype=torch.bool))
    tensor([[-0.3000, -0.3000,  0.4000]])
    """
    from_the_right = step_rewards.masked_fill(~step_mask, torch.inf).flip(1).cummin(dim=1).values
    return from_the_right.flip(1).masked_fill(~step_mask, 0)
