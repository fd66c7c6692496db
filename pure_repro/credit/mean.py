"""Mean-form credit: the sum form with every reward divided by the number of steps."""

from jaxtyping import Bool, Float
from torch import Tensor

from pure_repro.credit.sum import sum as return_to_go


def mean(
    step_rewards: Float[Tensor, "batch step"], step_mask: Bool[Tensor, "batch step"]
) -> Float[Tensor, "batch step"]:
    """Return-to-go of uniformly weighted rewards, ``Gₛ = (1/n) Σ_{j≥s} rⱼ``, n the number of steps.

    This is what the OpenRLHF release of PURE computes under ``--disable_weighted_reward`` (since commit
    3dbeeb6) and calls its sum control. Masked slots return 0, whatever they hold.

    >>> import torch
    >>> mean(torch.tensor([[0.9, 0.8, -0.5, 0.7]]), torch.ones(1, 4, dtype=torch.bool))
    tensor([[0.4750, 0.2500, 0.0500, 0.1750]])
    """
    num_steps = step_mask.sum(dim=1, keepdim=True)
    return return_to_go(step_rewards / num_steps, step_mask, gamma=1.0)
