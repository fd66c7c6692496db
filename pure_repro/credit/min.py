"""Min-form credit, the paper's: rewards weighted towards the worst step, then summed."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pure_repro.credit.sum import sum as return_to_go


def min(
    step_rewards: Float[Tensor, "batch step"], step_mask: Bool[Tensor, "batch step"], *, temperature: float
) -> Float[Tensor, "batch step"]:
    """Return-to-go of softmin-weighted rewards, ``Gₛ = Σ_{j≥s} softmaxⱼ(−r/T)·rⱼ``.

    PURE, arXiv 2504.15275, Eq. 5. As ``T → 0⁺`` the whole weight falls on the worst step w, so that ``Gₛ =
    r_w`` for s ≤ w and 0 after it (Eq. 3); as ``T → ∞`` the form becomes ``mean``. ``temperature`` (> 0)
    and the rewards share their units; masked slots return 0, whatever they hold.

    >>> rewards, mask = torch.tensor([[0.9, 0.8, -0.5, 0.7]]), torch.ones(1, 4, dtype=torch.bool)
    >>> min(rewards, mask, temperature=1.0)
    tensor([[ 0.0828, -0.0391, -0.1589,  0.1158]])
    """
    weights = (-step_rewards / temperature).masked_fill(~step_mask, -torch.inf).softmax(dim=1)
    return return_to_go(weights * step_rewards, step_mask, gamma=1.0)
