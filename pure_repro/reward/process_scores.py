"""Process scores: a reward model scores every step."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from pure_repro.models.context import Context
from pure_repro.models.offload import at_work
from pure_repro.prm.open import online_scorer, open_scorer
from pure_repro.prm.scorer import Scorer
from pure_repro.reward.source import Opening
from pure_repro.types import Batch, Stream


@dataclass(frozen=True)
class ProcessScores:
    """A stream of one score a step, ``P(right) − P(wrong)`` ∈ [−1, 1]."""

    phase: ClassVar[str] = "prm"
    every_draw: ClassVar[bool] = True
    context: Context
    scorer: Scorer

    def pay(self, batch: Batch) -> Batch:
        """The score of every step."""
        return batch.paid("process", self.stream(batch, self.scores(batch)))

    def scores(self, batch: Batch) -> Float[Tensor, "batch step"]:
        """What the reward model says of every step; 0 where no step is."""
        asked, score = batch.asked, self.scorer
        with at_work(score.model, self.context.config.train.offload):
            return self.context.ranks.shared(
                lambda own: score(asked[own], batch.rollouts.rows(own), batch.steps.rows(own)), len(batch)
            )

    def stream(self, batch: Batch, scores: Float[Tensor, "batch step"]) -> Stream:
        """Scores as rewards of steps."""
        known = batch.steps.mask.any(dim=1)  # every response has a last step
        weight = self.context.config.reward.process_weight or None  # None: they are filtered by, and not paid
        return Stream(scores, batch.steps, known, weight, credited=weight is not None)


def open_source(opening: Opening) -> ProcessScores:
    """The reward model of stage ``prm``, or one that is named."""
    assert opening.reward_model is not None, "a run that is paid by a reward model has one"
    if (online := opening.companions.get("online")) is not None:
        return ProcessScores(opening.context, online_scorer(online.engine.sampler, opening.context))
    return ProcessScores(opening.context, open_scorer(opening.reward_model, opening.context))
