"""Process advantages moved to the outcome's place (PRPO)."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pure_repro.advantage.group_statistics import group_sizes, group_sum
from pure_repro.types import Steps

PRIOR_DEVIATION = (1 / 24) ** 0.5  # of P(right), around 1/2, whatever the model says: of the released code


def prpo(
    returns: Float[Tensor, "batch token"],
    mask: Bool[Tensor, "batch token"],
    group: Int[Tensor, " batch"],
    steps: Steps,
    *,
    max_tokens: int,
) -> Float[Tensor, "batch token"]:
    """``A_{i,t} = (p_{i,s(t)} − ½)/√(1/24) + p̄_i − mean_k p̄_k``, with p = (1 + r)/2 of the step that t is in.

    PRPO (arXiv 2601.07182): scores of steps are standardised by a fixed mean and deviation, so that they do not depend
    on the group, and shifted by what tells the response from the others of its prompt: here the mean score ``p̄_i`` over
    its tokens less the group's. The outcome's part of that shift, ``o_i − mean_k o_k`` of ±1, is the estimator
    ``dr_grpo`` of the verifiable reward; ``method=prpo`` puts both together. ``returns`` are sums of scores still to
    come (``credit=sum``, undiscounted), which are taken apart again. A response's own segments are its steps here; the
    paper cuts where the entropy of the next token peaks.

    How far verified: the formula read in the released code (SchumiDing/srpocode, ``srpo3.py``); of the paper the
    abstract, which speaks of a location shift. The code averages p̄ over padding too, which is not followed.

    >>> r = torch.tensor([[0.8, 0.8, -0.6], [0.2, 0.2, 0.2]])
    >>> ends = Steps(end=torch.tensor([[1, 2], [2, 0]]), mask=torch.tensor([[True, True], [True, False]]))
    >>> returns = torch.tensor([[0.2, 0.2, -0.6], [0.2, 0.2, 0.2]])
    >>> everywhere = torch.ones(2, 3, dtype=torch.bool)
    >>> prpo(returns, everywhere, torch.tensor([0, 0]), ends, max_tokens=3).round(decimals=3)
    tensor([[ 1.9930,  1.9930, -1.4360],
            [ 0.4570,  0.4570,  0.4570]])
    """
    own = returns - after_the_step(returns, mask, steps)
    right = ((1 + own) / 2).double() * mask
    mean = right.sum(dim=1) / mask.sum(dim=1).clamp(min=1)  # a row without tokens has none
    shift = mean - group_sum(mean, group) / group_sizes(group)
    return (((right - 0.5) / PRIOR_DEVIATION + shift[:, None]) * mask).to(returns.dtype)


def after_the_step(
    returns: Float[Tensor, "batch token"], mask: Bool[Tensor, "batch token"], steps: Steps
) -> Float[Tensor, "batch token"]:
    """The return of the step after the one that each token is in; 0 after the last.

    >>> ends = Steps(end=torch.tensor([[1, 2]]), mask=torch.tensor([[True, True]]))
    >>> after_the_step(torch.tensor([[0.2, 0.2, -0.6]]), torch.ones(1, 3, dtype=torch.bool), ends)
    tensor([[-0.6000, -0.6000,  0.0000]])
    """
    width = returns.shape[1]
    place = torch.arange(width).expand(len(returns), -1).contiguous()
    ends = steps.end.masked_fill(~steps.mask, width).sort(dim=1).values
    own_end = ends.gather(1, torch.searchsorted(ends.contiguous(), place).clamp(max=ends.shape[1] - 1))
    following = torch.nn.functional.pad(returns * mask, (0, 1))
    return following.gather(1, (own_end + 1).clamp(max=width)) * mask
