"""Models that learn beside the policy, from the same batches: a critic, say, or a reward model that is trained online.

A companion has an engine of its own, of the policy's kind, with weights, optimizer, learning rate and clipping of its
own. The run asks it what it says of a batch, tells it what to learn from it, and saves and takes up its state with that
of the policy: both are from the same step, however a run was ended.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from jaxtyping import Bool, Float
from torch import Tensor

from pure_repro.config import Config, Gae
from pure_repro.models.checkpoint import COMPANIONS, Progress
from pure_repro.models.engine import Engine
from pure_repro.models.ranks import Ranks
from pure_repro.types import Rollouts

Columns = dict[str, Tensor]  # a row per response


@runtime_checkable
class Companion(Protocol):
    """A model that learns beside the policy."""

    @property
    def engine(self) -> Engine:
        """What moves its weights."""

    def learn(self, rollouts: Rollouts, columns: Columns) -> dict[str, float]:
        """Change by a batch and what it is told of each response; returns numbers for the log. Every rank calls it."""


@dataclass(frozen=True)
class Lesson:
    """What a batch teaches: the policy by its advantages, each companion by columns that it knows how to read."""

    advantages: Float[Tensor, "batch token"]
    companions: Mapping[str, Columns]

    def rows(self, chosen: Bool[Tensor, " batch"]) -> "Lesson":
        """That of some of the responses."""
        told = {name: {key: column[chosen] for key, column in c.items()} for name, c in self.companions.items()}
        return Lesson(self.advantages[chosen], told)


def open_companions(config: Config, base: Path, ranks: Ranks, prm: Path | None = None) -> dict[str, Companion]:
    """The models that the configuration has beside the policy, by name.

    They start as the base model, or as the reward model of the folder ``prm`` where the configuration says so.
    """
    companions: dict[str, Companion] = {}
    if isinstance(config.advantage, Gae):
        from pure_repro.train.critic import ValueModel

        companions["critic"] = ValueModel.open(config, config.advantage.critic, base, ranks)
    if config.reward.implicit is not None:
        from pure_repro.train.outcome_model import OutcomeModel

        start = prm if prm is not None and config.reward.implicit.start == "prm" else base
        companions["implicit"] = OutcomeModel.open(config, config.reward.implicit, start, ranks)
    return companions


def save_companions(companions: Mapping[str, Companion], out: Path, progress: Progress) -> None:
    """Write their state under the step it belongs to; it counts once the policy's state names that step."""
    for name, companion in companions.items():
        folder = state_of(name, out, progress)
        folder.mkdir(parents=True, exist_ok=True)
        companion.engine.save(folder, progress)


def load_companions(companions: Mapping[str, Companion], out: Path, progress: Progress) -> None:
    """Take up their state of the step that the policy's state names; there is none where the run has not started."""
    for name, companion in companions.items():
        companion.engine.load(state_of(name, out, progress))


def drop_older_states(companions: Mapping[str, Companion], out: Path, progress: Progress) -> None:
    """Remove the states that the policy has left behind."""
    for name in companions:
        kept = state_of(name, out, progress)
        for folder in set(kept.parent.iterdir()) - {kept}:
            shutil.rmtree(folder)


def state_of(name: str, out: Path, progress: Progress) -> Path:
    """Where the state of a companion at a step lies."""
    return out / COMPANIONS / name / f"step{progress.step}"
