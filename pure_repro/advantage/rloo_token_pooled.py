"""Leave-one-out with a pooled reward rate per token, as the OpenRLHF release of PURE computes it."""

from jaxtyping import Bool, Float, Int
from torch import Tensor

from pure_repro.advantage.group_statistics import group_sizes, others_sum
from pure_repro.credit.on_tokens import spread
from pure_repro.credit.sum import sum as return_to_go
from pure_repro.types import Steps


def rloo_token_pooled(
    returns: Float[Tensor, "batch token"],
    mask: Bool[Tensor, "batch token"],
    group: Int[Tensor, " batch"],
    steps: Steps,
    *,
    max_tokens: int,
) -> Float[Tensor, "batch token"]:
    """``A_{i,t} = G_{i,t} − b_i Σ_{j≥s(t)} n_{i,j}``, with the rate ``b_i = Σ_{k≠i} R_k / Σ_{k≠i} L_k``.

    n_{i,j} is the number of tokens of step j without its last one (separator or EOS): each step's reward
    loses ``b_i n_{i,j}``, the reward that the others earned on as many tokens. The rate pools lengths, it
    is no mean of ratios. Source: OpenRLHF branch of PURE, ``--rloo_baseline token``, commit 41f9363.
    Advantages are in reward units, the rate in reward per token. Raises ``ValueError`` for a group of one.

    >>> import torch
    >>> returns = torch.tensor([[1.0, 1.0, 1.0], [0.5, 0.5, 0.0]])
    >>> steps = Steps(end=torch.tensor([[0, 2], [1, 0]]), mask=torch.tensor([[True, True], [True, False]]))
    >>> rloo_token_pooled(returns, returns > 0, torch.tensor([0, 0]), steps, max_tokens=3)
    tensor([[0.7500, 0.7500, 0.7500],
            [0.1667, 0.1667, 0.0000]])
    """
    group_sizes(group)
    rate = others_sum(returns[:, 0], group) / others_sum(mask.sum(dim=1).to(returns.dtype), group).clamp(min=1)
    before_first = steps.end.new_full((len(steps.end), 1), -1)
    tokens = (steps.end.diff(dim=1, prepend=before_first) - 1).to(returns.dtype)
    tokens_left = spread(return_to_go(tokens, steps.mask, gamma=1.0), steps, mask)
    return returns - rate[:, None].to(returns.dtype) * tokens_left
