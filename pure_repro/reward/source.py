"""What a reward source is, and which of them a run has: decided once, from the configuration, when the run opens."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

from pure_repro.models.companion import Companion
from pure_repro.models.context import Context
from pure_repro.models.likelihoods import Likelihoods
from pure_repro.types import Batch


@runtime_checkable
class RewardSource(Protocol):
    """It pays for responses. Every rank calls it with the whole batch; they share the work and all hold the outcome."""

    phase: ClassVar[str]  # under which its time is counted
    every_draw: ClassVar[bool]  # True: before the prompt filter looks; False: the responses that the policy learns from

    def pay(self, batch: Batch) -> Batch:
        """The batch with a stream of rewards (``Batch.paid``), and with numbers for the log."""


@dataclass(frozen=True)
class Opening:
    """What a source is opened with: the run, its models, those that learn beside the policy, the stage ``prm``."""

    context: Context
    likelihoods: Likelihoods
    companions: Mapping[str, Companion]
    reward_model: Path | None


def open_sources(opening: Opening) -> list[RewardSource]:
    """The sources of a run, in the order in which they are asked."""
    return [import_module(f"pure_repro.reward.{name}").open_source(opening) for name in opening.context.config.sources]
