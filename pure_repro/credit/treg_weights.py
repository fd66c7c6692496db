"""Contrastive token rewards as credit: which tokens of a response have earned its advantage. Ours, after T-REG."""

from jaxtyping import Bool, Float
from torch import Tensor


def treg_weights(
    advantages: Float[Tensor, "batch token"],
    token_rewards: Float[Tensor, "batch token"],
    mask: Bool[Tensor, "batch token"],
    *,
    kappa: float,
) -> Float[Tensor, "batch token"]:
    """``A_t·(1 + κ·sign(A_t)·(r̂_t − mean_t r̂))``: good tokens are praised more, and blamed less.

    Not in the paper (arXiv 2412.02685), which uses r̂ as a regulariser alone. Where all tokens of a response have the
    same advantage, their mean stays what it was; with κ ≤ 1 no advantage changes its sign, as ``|r̂ − mean| < 1``.

    >>> import torch
    >>> rewards, mask = torch.tensor([[0.4, -0.2, 0.1, 9.0]]), torch.tensor([[True, True, True, False]])
    >>> treg_weights(torch.tensor([[1.0, 1.0, 1.0, 0.0]]), rewards, mask, kappa=1.0)
    tensor([[1.3000, 0.7000, 1.0000, 0.0000]])
    >>> treg_weights(torch.tensor([[-1.0, -1.0, -1.0, 0.0]]), rewards, mask, kappa=1.0)
    tensor([[-0.7000, -1.3000, -1.0000,  0.0000]])
    """
    kept = token_rewards.masked_fill(~mask, 0)
    centred = kept - kept.sum(dim=1, keepdim=True) / mask.sum(dim=1, keepdim=True).clamp(min=1)
    return (advantages * (1 + kappa * advantages.sign() * centred)).masked_fill(~mask, 0)
