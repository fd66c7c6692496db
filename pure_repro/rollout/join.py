"""Several batches of responses as one."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import pad

from pure_repro.types import Batch, Outcomes, Rollouts, Steps, Stream


def join_rollouts(parts: Sequence[Rollouts]) -> Rollouts:
    """The responses of all parts in order, padded to the longest prompt and response; groups stay apart.

    Added slots hold 0 and are masked.

    >>> def batch(prompt, tokens):
    ...     p, t = torch.tensor([prompt]), torch.tensor([tokens])
    ...     done, group, stale = torch.tensor([True]), torch.tensor([0]), torch.tensor([0])
    ...     return Rollouts(p, p > 0, t, t > 0, torch.zeros(t.shape), done, group, stale)
    >>> both = join_rollouts([batch([5, 6], [7]), batch([5], [8, 9])])
    >>> both.prompt.tolist(), both.tokens.tolist(), both.group.tolist()
    ([[5, 6], [0, 5]], [[7, 0], [8, 9]], [0, 1])
    """
    prompt, response = (max(getattr(part, name).shape[1] for part in parts) for name in ("prompt", "tokens"))

    def wide(part: Rollouts, name: str) -> Tensor:
        tensor: Tensor = getattr(part, name)
        if name.startswith("prompt"):
            return pad(tensor, (prompt - tensor.shape[1], 0))
        return pad(tensor, (0, response - tensor.shape[1])) if tensor.dim() == 2 else tensor

    columns = {name: torch.cat([wide(part, name) for part in parts]) for name in vars(parts[0]) if name != "group"}
    group, groups = [], 0
    for part in parts:
        group.append(part.group + groups)
        groups += int(part.group.max()) + 1
    return Rollouts(**columns, group=torch.cat(group))


def joined_batches(parts: Sequence[Batch]) -> Batch:
    """The draws of a step as one batch, with what each earned; their numbers for the log add up.

    Only what is there before the policy learns is joined: rewards and outcomes, of the same sources in every part.
    """
    outcomes = [part.outcomes for part in parts if part.outcomes is not None]
    metrics: Counter[str] = Counter()
    for part in parts:
        metrics.update(part.metrics)
    return Batch(
        problems=[problem for part in parts for problem in part.problems],
        rollouts=join_rollouts([part.rollouts for part in parts]),
        steps=joined_steps([part.steps for part in parts]),
        responses=[response for part in parts for response in part.responses],
        verdicts=[verdict for part in parts for verdict in part.verdicts],
        kept=torch.cat([part.kept for part in parts]),
        streams={name: joined_streams([part.streams[name] for part in parts]) for name in parts[0].streams},
        outcomes=Outcomes(torch.cat([o.right for o in outcomes]), torch.cat([o.known for o in outcomes]))
        if outcomes
        else None,
        metrics=metrics,
    )


def joined_streams(parts: Sequence[Stream]) -> Stream:
    """What one source has paid in all parts."""
    return replace(
        parts[0],
        rewards=stacked([part.rewards for part in parts]),
        units=joined_steps([part.units for part in parts]),
        known=torch.cat([part.known for part in parts]),
    )


def joined_steps(parts: Sequence[Steps]) -> Steps:
    """The steps of all parts."""
    return Steps(stacked([part.end for part in parts]), stacked([part.mask for part in parts]))


def stacked(parts: Sequence[Tensor]) -> Tensor:
    """The rows of all parts in order, padded on the right with 0 to the widest.

    >>> stacked([torch.tensor([[1, 2]]), torch.tensor([[3], [4]])]).tolist()
    [[1, 2], [3, 0], [4, 0]]
    """
    width = max(part.shape[1] for part in parts)
    return torch.cat([pad(part, (0, width - part.shape[1])) for part in parts])
