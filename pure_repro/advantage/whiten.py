"""Whitening: advantages of a whole batch brought to mean 0 and standard deviation 1."""

from jaxtyping import Bool, Float
from torch import Tensor


def whiten(
    advantages: Float[Tensor, "batch token"], mask: Bool[Tensor, "batch token"], *, eps: float
) -> Float[Tensor, "batch token"]:
    """``(A − μ) / √(σ² + eps)``, with mean and unbiased variance over the tokens in ``mask``; 0 outside it.

    Both releases of PURE whiten and the paper does not say so; ``eps`` is the verl release's. Where all
    advantages are equal the result is 0, and so it is of one token, which has no deviation. To leave step ends out of
    the statistics, as the OpenRLHF release does, take them out of ``mask``.

    >>> import torch
    >>> whiten(torch.tensor([[1.0, 2.0, 3.0, 9.0]]), torch.tensor([[True, True, True, False]]), eps=1e-8)
    tensor([[-1.,  0.,  1.,  0.]])
    """
    kept = advantages[mask].double()  # in double the mean of equal single-precision numbers is exact
    if len(kept) < 2:
        return advantages.new_zeros(advantages.shape)
    whitened = (advantages - kept.mean()) / (kept.var() + eps).sqrt()
    return whitened.to(advantages.dtype).masked_fill(~mask, 0)
