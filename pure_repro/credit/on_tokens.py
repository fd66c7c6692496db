"""From steps to tokens: which step a token belongs to, and the return it sees.

A step's reward sits on its last token and nothing else is rewarded, so every token of a step has the step's
return.
"""

from jaxtyping import Bool, Float, Int
from torch import Tensor

from pure_repro.types import Steps


def step_index(
    end: Int[Tensor, "batch step"], mask: Bool[Tensor, "batch step"], num_tokens: int
) -> Int[Tensor, "batch token"]:
    """The step of each token: ``#{s : endₛ < t}``, the number of steps that ended before token t.

    Tokens after the last step's end (padding) get the number of steps, which is no step's index.

    >>> import torch
    >>> step_index(torch.tensor([[1, 4]]), torch.tensor([[True, True]]), num_tokens=6)
    tensor([[0, 0, 1, 1, 1, 2]])
    """
    ends_here = end.new_zeros(end.shape[0], num_tokens).scatter_add(1, end, mask.to(end.dtype))
    return ends_here.cumsum(dim=1) - ends_here


def spread(
    step_returns: Float[Tensor, "batch step"], steps: Steps, token_mask: Bool[Tensor, "batch token"]
) -> Float[Tensor, "batch token"]:
    """The return of each token, ``G_t = G_{step(t)}``; 0 outside ``token_mask``.

    >>> import torch
    >>> steps = Steps(end=torch.tensor([[1, 4]]), mask=torch.tensor([[True, True]]))
    >>> spread(torch.tensor([[0.7, 0.2]]), steps, torch.tensor([[True, True, True, True, True, False]]))
    tensor([[0.7000, 0.7000, 0.2000, 0.2000, 0.2000, 0.0000]])
    """
    index = step_index(steps.end, steps.mask, token_mask.shape[1])
    last_slot = step_returns.shape[1] - 1
    return step_returns.gather(1, index.clamp(max=last_slot)).masked_fill(~token_mask, 0)
