"""Strict min-form credit as the verl release computes it: tokens without a reward enter the minimum as 0."""

from jaxtyping import Bool, Float
from torch import Tensor

from pure_repro.credit.min_strict import min_strict


def released_token_min(
    step_rewards: Float[Tensor, "batch step"], step_mask: Bool[Tensor, "batch step"]
) -> Float[Tensor, "batch step"]:
    """Suffix minimum capped at zero, ``Gₛ = min(0, min_{j≥s} rⱼ)``: no return is ever positive.

    The verl release of PURE (``credit_assignment: 'strict min-form'``) takes the reverse running minimum
    over the *tokens* of a row, ``G_t = min_{u≥t} x_u``, where x is the step's reward on its last token and
    0 on every other token and on the padding. Rows there are padded to the response limit, so a 0 follows
    every token, and the token form equals this step form everywhere. The one exception is a response cut at
    the limit: no 0 follows its last token, which keeps a positive reward there (as does a run of one-token
    steps right before it) and is 0 here. The release also lets the KL penalty and the verifiable reward
    enter the minimum; here streams stay apart.

    >>> import torch
    >>> released_token_min(torch.tensor([[0.5, -0.3, 0.4]]), torch.ones(1, 3, dtype=torch.bool))
    tensor([[-0.3000, -0.3000,  0.0000]])
    """
    return min_strict(step_rewards, step_mask).clamp(max=0)
