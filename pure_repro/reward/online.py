"""What a reward model that goes on learning is told of the responses that the policy learns from (``prm.online``)."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch

from pure_repro.models.context import Context
from pure_repro.reward.online_prm import OnlinePrm
from pure_repro.reward.source import Opening
from pure_repro.types import Batch, Columns


@dataclass(frozen=True)
class OnlineLessons:
    """It pays nothing: what is known of the responses travels with the batch to the model that learns after the policy.

    A problem whose answer the run is not told teaches nothing, whatever an exact checker might know of it.
    """

    phase: ClassVar[str] = "online"
    every_draw: ClassVar[bool] = False
    context: Context
    model: OnlinePrm

    def pay(self, batch: Batch) -> Batch:
        """The batch with a lesson for every response, and a row of the fit beside each."""
        assert batch.outcomes is not None, "an online reward model learns from outcomes"
        config, step = self.context.config, self.context.progress.step
        chance = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
        replay = torch.randint(len(self.model.replay), (len(batch),), generator=chance)
        lesson: Columns = {
            "end": batch.steps.end,
            "there": batch.steps.mask,
            "outcome": batch.outcomes.right,
            "known": batch.outcomes.known & batch.kept,
            "replay": replay,
        }
        return replace(batch, columns={**batch.columns, "online": lesson})


def open_source(opening: Opening) -> OnlineLessons:
    """The companion's lessons."""
    model = opening.companions["online"]
    assert isinstance(model, OnlinePrm)
    return OnlineLessons(opening.context, model)
