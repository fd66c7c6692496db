"""Experience: problems, answered and rewarded; drawn again until enough of them pass the prompt filter."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from pure_repro.config import Config, Filter, Prof, Unfiltered
from pure_repro.data.order import indices_at
from pure_repro.filter import prompt_filter
from pure_repro.filter.prof import prof
from pure_repro.models.context import Context
from pure_repro.models.finite import require_finite
from pure_repro.reward.source import RewardSource
from pure_repro.rollout.join import joined_batches
from pure_repro.rollout.unfinished import renumbered
from pure_repro.train.explanations import Explainer
from pure_repro.train.responder import Responder
from pure_repro.types import Batch, Problem


@dataclass(frozen=True)
class Experience:
    """Draws the batches that the policy learns from."""

    context: Context
    responder: Responder
    problems: list[Problem]
    sources: Sequence[RewardSource]
    explainer: Explainer | None  # where the objective learns from right answers besides

    def batch(self) -> Batch:
        """The next step's responses with what they earned. Raises ``NotFinite`` for a reward that is no number."""
        config, draws = self.context.config, list[Batch]()
        while needs_more(draws, config):
            draws.append(self.rewarded(self.responder.sample(self.next_problems(len(draws))), every_draw=True))
        self.context.progress.redraws += len(draws) - 1
        batch = self.rewarded(consistent(fill_batch(draws, config), config.filter), every_draw=False)
        for name, stream in batch.streams.items():
            require_finite(f"the rewards {name!r}", stream.rewards[stream.units.mask])
        return self.explainer.explained(batch) if self.explainer else batch

    def next_problems(self, draws: int) -> list[Problem]:
        """The next problems in order, after so many draws of this step."""
        size, progress = self.context.config.train.prompts_per_step, self.context.progress
        position = progress.step + progress.redraws + draws
        return [self.problems[i] for i in indices_at(position, size, len(self.problems), self.context.config.seed)]

    def rewarded(self, batch: Batch, *, every_draw: bool) -> Batch:
        """The batch with what those sources pay whose turn it is."""
        for source in self.sources:
            if source.every_draw == every_draw:
                with self.context.clock.phase(source.phase):
                    batch = source.pay(batch)
        return batch


def passes(draw: Batch, choice: Filter) -> list[bool]:
    """Which problems of a draw pass the filter, by the outcomes that are known. One without any passes.

    ``prof`` lets every problem pass: it keeps some of the responses to each.
    """
    outcomes = draw.outcomes
    if outcomes is None or isinstance(choice, Prof):
        return [True] * len(draw.problems)
    keys = choice.model_dump(exclude={"name", "max_rounds"})
    right, group = outcomes.right[outcomes.known], draw.rollouts.group[outcomes.known]
    keep = prompt_filter(choice.name)(right, group, **keys)
    return [bool(keep[group == number].all()) for number in range(len(draw.problems))]


def needs_more(draws: Sequence[Batch], config: Config) -> bool:
    """Whether a step needs another draw: too few problems have passed so far, and it may draw again."""
    choice = config.filter
    passed = sum(sum(passes(draw, choice)) for draw in draws)
    if isinstance(choice, Unfiltered | Prof):  # every prompt stays
        return not draws
    return passed < config.train.prompts_per_step and len(draws) < choice.max_rounds


def fill_batch(draws: Sequence[Batch], config: Config) -> Batch:
    """The first ``prompts_per_step`` problems that passed; where they are too few, the first of the others besides.

    So every update sees as many responses as the others, whatever passes.
    """
    if isinstance(config.filter, Unfiltered | Prof):
        [only] = draws
        return only
    passed = [one for draw in draws for one in passes(draw, config.filter)]
    numbers = sorted(range(len(passed)), key=lambda i: not passed[i])[: config.train.prompts_per_step]
    batch = joined_batches(draws)
    rows, group = renumbered(batch.rollouts.group, numbers)
    some = batch.rows(rows)
    return replace(
        some,
        problems=[batch.problems[number] for number in numbers],
        rollouts=replace(some.rollouts, group=group),
        metrics={**batch.metrics, **draw_metrics(draws, passed)},
    )


def consistent(batch: Batch, choice: Filter) -> Batch:
    """The responses that a filter by steps and outcome keeps; of every prompt as many."""
    if not isinstance(choice, Prof):
        return batch
    assert batch.outcomes is not None, "steps are to agree with outcomes"
    scores = batch.streams["process"]
    keep = prof(
        batch.outcomes.right,
        batch.rollouts.group,
        scores.rewards,
        scores.units.mask,
        **choice.model_dump(exclude={"name"}),
    )
    return batch.rows(keep)


def draw_metrics(draws: Sequence[Batch], passed: Sequence[bool]) -> dict[str, float]:
    """How many draws a step took, the share of problems that passed, and the accuracy before the filter."""
    right = torch.cat([d.outcomes.right[d.outcomes.known] for d in draws if d.outcomes is not None])
    accuracy = {"drawn/accuracy": right.mean().item()} if len(right) else {}
    return {"drawn/rounds": float(len(draws)), "drawn/passed": sum(passed) / len(passed)} | accuracy
