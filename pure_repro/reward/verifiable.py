"""Verifiable reward: whether the answer is right, where the run is told the right answer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from pure_repro.config import Reward
from pure_repro.models.context import Context
from pure_repro.reward.keep_groups import keep_groups
from pure_repro.reward.overlong import overlong
from pure_repro.reward.source import Opening
from pure_repro.rollout.steps import whole_response
from pure_repro.types import Batch, Outcomes, Problem, Stream


def outcomes_of(problems: Sequence[Problem], verdicts: Sequence[str], on_timeout: str) -> Outcomes:
    """1 for a right answer and 0 for any other, and whether the outcome of the response is known.

    ``problems`` is one per response. A problem without an answer yields no outcome: it is not a wrong one. Neither does
    an answer that the checker could not decide in its time, where ``on_timeout`` is ``unknown``; else it is wrong.

    >>> asked = [Problem("a", "1+1", "2"), Problem("b", "1+2", None), Problem("a", "1+1", "2")]
    >>> outcomes_of(asked, ["correct", "correct", "timeout"], "wrong")
    Outcomes(right=tensor([1., 0., 0.]), known=tensor([ True, False,  True]))
    >>> outcomes_of(asked, ["correct", "correct", "timeout"], "unknown").known
    tensor([ True, False, False])
    """
    undecided = "timeout" if on_timeout == "unknown" else None
    known = torch.tensor(
        [
            problem.answer is not None and verdict != undecided
            for problem, verdict in zip(problems, verdicts, strict=True)
        ]
    )
    right = torch.tensor([float(verdict == "correct") for verdict in verdicts])
    return Outcomes(right * known, known)


def earned(outcomes: Outcomes, lengths: Tensor, reward: Reward, max_tokens: int) -> Float[Tensor, " batch"]:
    """``wrong + (right − wrong)·o``, less what a long response loses (``reward.overlong``)."""
    paid = reward.wrong + (reward.right - reward.wrong) * outcomes.right
    if reward.overlong is None:
        return paid
    return paid + overlong(lengths, max_tokens=max_tokens, **reward.overlong.model_dump())


@dataclass(frozen=True)
class Verifiable:
    """A stream of one reward a response, by the verdict of the checker; it also says whose prompt stays."""

    phase: ClassVar[str] = "grade"
    every_draw: ClassVar[bool] = True
    context: Context

    def pay(self, batch: Batch) -> Batch:
        """What every response with a known answer earns."""
        config, mask = self.context.config, batch.rollouts.mask
        outcomes = outcomes_of(batch.asked, batch.verdicts, config.reward.on_timeout)
        rewards = earned(outcomes, mask.sum(dim=1), config.reward, config.rollout.max_new_tokens)
        kept = keep_groups(outcomes.right, outcomes.known, batch.rollouts.group, config.reward.keep_groups)
        weight = config.reward.verifiable_weight
        stream = Stream(rewards[:, None], whole_response(mask), outcomes.known, weight, credited=False)
        return replace(batch.paid("verifiable", stream), outcomes=outcomes, kept=kept)


def open_source(opening: Opening) -> Verifiable:
    """The checker that scores by the same rules."""
    return Verifiable(opening.context)
