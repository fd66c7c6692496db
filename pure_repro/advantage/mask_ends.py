"""The separator mask: no gradient on the tokens that end a step."""

from jaxtyping import Bool, Float
from torch import Tensor

from pure_repro.types import Steps


def is_step_end(steps: Steps, num_tokens: int) -> Bool[Tensor, "batch token"]:
    """True on the last token of each step: its separator, EOS, or the last token of a truncated response.

    >>> import torch
    >>> steps = Steps(end=torch.tensor([[1, 3, 0]]), mask=torch.tensor([[True, True, False]]))
    >>> is_step_end(steps, num_tokens=5)
    tensor([[False,  True, False,  True, False]])
    """
    ends_here = steps.end.new_zeros(steps.end.shape[0], num_tokens)
    return ends_here.scatter_add(1, steps.end, steps.mask.to(steps.end.dtype)) > 0


def mask_step_ends(advantages: Float[Tensor, "batch token"], steps: Steps) -> Float[Tensor, "batch token"]:
    """Advantages, 0 at step ends: the policy is neither pushed to end a step nor kept from it.

    Source: OpenRLHF branch of PURE (on unless ``--nomask_separator_adv``); the paper and the verl branch
    have no such mask.

    >>> import torch
    >>> steps = Steps(end=torch.tensor([[1, 3]]), mask=torch.tensor([[True, True]]))
    >>> mask_step_ends(torch.tensor([[0.5, 0.5, 0.2, 0.2]]), steps)
    tensor([[0.5000, 0.0000, 0.2000, 0.0000]])
    """
    return advantages.masked_fill(is_step_end(steps, advantages.shape[1]), 0)
