"""Implicit rewards (PRIME): a language model that learns online which responses are right pays every token."""

from dataclasses import dataclass, replace
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from pure_repro.config import Implicit
from pure_repro.models.context import Context
from pure_repro.models.likelihoods import Likelihoods
from pure_repro.reward.implicit_rewards import by_largest_return, ranked_right
from pure_repro.reward.outcome_model import TEMPERATURE, OutcomeModel
from pure_repro.reward.source import Opening
from pure_repro.rollout.steps import token_steps
from pure_repro.types import Batch, Columns, Stream


@dataclass(frozen=True)
class ImplicitRewards:
    """A stream of one reward a token, ``β·log(π_φ/π_ref)``; φ learns from the outcomes of the same responses.

    It pays the responses that the policy learns from, so that both learn from the same. All are scored by one version
    of φ: as it is when they come, or, with ``update: before``, after it has learned from them.
    """

    phase: ClassVar[str] = "implicit"
    every_draw: ClassVar[bool] = False
    context: Context
    likelihoods: Likelihoods
    model: OutcomeModel
    choice: Implicit

    def pay(self, batch: Batch) -> Batch:
        """The reward of every token; what φ is to learn afterwards travels with the batch."""
        assert batch.outcomes is not None, "implicit rewards learn from outcomes"
        right, known = batch.outcomes.right, batch.outcomes.known
        reference = self.likelihoods.of_base(batch.rollouts, TEMPERATURE)
        columns: Columns = {"reference": reference, "outcome": right, "known": known & batch.kept}
        metrics = self.model.learn(batch.rollouts, columns) if self.choice.update == "before" else {}
        rewards = self.model.rewards(batch.rollouts, reference)
        ranks = ranked_right(rewards.sum(dim=1)[known], right[known], batch.rollouts.group[known])
        batch = batch.paid("process", self.stream(batch, rewards), metrics | {"implicit/ranked_right": ranks})
        return replace(batch, columns={"implicit": columns} if self.choice.update == "after" else {})

    def stream(self, batch: Batch, rewards: Float[Tensor, "batch token"]) -> Stream:
        """The rewards of tokens, scaled as the choice says."""
        mask, weight = batch.rollouts.mask, self.context.config.reward.process_weight
        if self.choice.scale == "largest_return":
            rewards = by_largest_return(rewards, mask)
        return Stream(rewards, token_steps(mask), mask.any(dim=1), weight, credited=True)


def open_source(opening: Opening) -> ImplicitRewards:
    """The companion that pays."""
    model, choice = opening.companions["implicit"], opening.context.config.reward.implicit
    assert isinstance(model, OutcomeModel) and choice is not None
    return ImplicitRewards(opening.context, opening.likelihoods, model, choice)
