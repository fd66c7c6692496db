"""Outcome scores: a reward model reads the whole response and pays once, on its last step."""

from jaxtyping import Bool, Float
from torch import Tensor

from pure_repro.prm.open import open_scorer
from pure_repro.reward.process_scores import ProcessScores
from pure_repro.reward.source import Opening
from pure_repro.types import Batch


def at_end(
    step_scores: Float[Tensor, "batch step"], step_mask: Bool[Tensor, "batch step"]
) -> Float[Tensor, "batch step"]:
    """The last step's score where it is, 0 on the steps before: an outcome reward model reads the whole response there.

    >>> import torch
    >>> at_end(torch.tensor([[0.9, 0.2, -0.5]]), torch.tensor([[True, True, False]]))
    tensor([[0.0000, 0.2000, 0.0000]])
    """
    followed = step_mask.roll(-1, dims=1)  # by another step
    followed[:, -1] = False
    return step_scores.masked_fill(~step_mask | followed, 0)


class OutcomeScores(ProcessScores):
    """A stream of scores that are 0 but for the last step's."""

    def pay(self, batch: Batch) -> Batch:
        """The score of the whole response, on its last step."""
        return batch.paid("process", self.stream(batch, at_end(self.scores(batch), batch.steps.mask)))


def open_source(opening: Opening) -> OutcomeScores:
    """The reward model of stage ``prm``, which judges responses."""
    assert opening.reward_model is not None, "a run that is paid by a reward model has one"
    return OutcomeScores(opening.context, open_scorer(opening.reward_model, opening.context))
