"""How likely a response is: the term that learns from answers which the policy did not sample under this prompt."""

from jaxtyping import Bool, Float
from torch import Tensor


def negative_likelihood(
    logprobs: Float[Tensor, "batch token"], mask: Bool[Tensor, "batch token"], *, reduce: str
) -> Float[Tensor, " batch"]:
    """``−log π(c̃, a*|q)`` of every response: summed over its tokens (``sum``), or their mean (``token_mean``).

    The term that ExP-GRPO adds (arXiv 2507.02834). The paper's reduction is not known; with ``token_mean`` the weight
    of the term does not grow with the length of an explanation.

    >>> import torch
    >>> logprobs, mask = torch.tensor([[-1.0, -3.0, -9.0]]), torch.tensor([[True, True, False]])
    >>> negative_likelihood(logprobs, mask, reduce="token_mean"), negative_likelihood(logprobs, mask, reduce="sum")
    (tensor([2.]), tensor([4.]))
    """
    total = -logprobs.masked_fill(~mask, 0).sum(dim=1)
    return total / mask.sum(dim=1).clamp(min=1) if reduce == "token_mean" else total
