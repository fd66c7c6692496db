"""Prompts whose responses take more than a step: which of them are done, and those that go on (partial rollouts)."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from pure_repro.types import Rollouts


def done(rollouts: Rollouts, limit: int) -> Bool[Tensor, " prompt"]:
    """Which prompts have no response that goes on: all have ended, or are as long as they may be.

    >>> group, ended = torch.tensor([0, 0, 1, 1]), torch.tensor([True, False, False, True])
    >>> mask = torch.tensor([[1, 0, 0], [1, 1, 1], [1, 1, 0], [1, 1, 0]]).bool()
    >>> tokens, stale = mask.long(), torch.zeros(4, dtype=torch.long)
    >>> done(Rollouts(tokens, mask, tokens, mask, tokens.float(), ended, group, stale), limit=3).tolist()
    [True, False]
    """
    going_on = ~rollouts.finished & (rollouts.mask.sum(dim=1) < limit)
    whole = torch.ones(int(rollouts.group.max()) + 1, dtype=torch.bool)
    whole[rollouts.group[going_on]] = False
    return whole


def renumbered(group: Int[Tensor, " batch"], prompts: Sequence[int]) -> tuple[Int[Tensor, " row"], Int[Tensor, " row"]]:
    """The rows of some prompts, in their order, and the numbers of the prompts among those.

    >>> rows, numbers = renumbered(torch.tensor([0, 0, 1, 2, 2]), [2, 0])
    >>> rows.tolist(), numbers.tolist()
    ([3, 4, 0, 1], [0, 0, 1, 1])
    """
    rows = [(group == prompt).nonzero().squeeze(1) for prompt in prompts]
    sizes = torch.tensor([len(own) for own in rows])
    return torch.cat(rows), torch.arange(len(prompts)).repeat_interleave(sizes)


def of_prompts(rollouts: Rollouts, prompts: Sequence[int]) -> Rollouts:
    """The responses to some prompts, which are numbered anew."""
    rows, group = renumbered(rollouts.group, prompts)
    return replace(rollouts.rows(rows), group=group)


def kept(rollouts: Rollouts) -> Rollouts:
    """The responses as the next step finds them: all their tokens are of earlier weights."""
    return replace(rollouts, stale=rollouts.mask.sum(dim=1))
