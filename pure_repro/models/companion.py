"""Models that learn beside the policy, from the same batches: a critic, say, or a reward model that is trained online.

A companion has an engine of its own, of the policy's kind, with weights, optimizer, learning rate and clipping of its
own. It says something of a batch, learns from what the batch holds for it, and its state is saved and taken up with
that of the policy: both are from the same step, however a run was ended.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

from pure_repro.models.checkpoint import COMPANIONS, Progress
from pure_repro.models.engine import Engine
from pure_repro.types import Columns, Rollouts


@runtime_checkable
class Companion(Protocol):
    """A model that learns beside the policy."""

    @property
    def engine(self) -> Engine:
        """What moves its weights."""

    def learn(self, rollouts: Rollouts, columns: Columns) -> dict[str, float]:
        """Change by a batch and what it is told of each response; returns numbers for the log. Every rank calls it."""


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
