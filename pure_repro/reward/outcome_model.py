"""The reward model of implicit rewards: a language model that learns beside the policy which responses are right."""

from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from pure_repro.config import Config, Implicit, Train
from pure_repro.models.batches import total_lengths
from pure_repro.models.engine import Engine, open_engine
from pure_repro.models.logprobs import all_logprobs, token_logprobs
from pure_repro.models.optimize import Term, one_pass
from pure_repro.models.policy import load_policy
from pure_repro.models.ranks import Ranks
from pure_repro.reward.implicit_rewards import implicit_rewards, outcome_losses
from pure_repro.types import Columns, Rollouts

TEMPERATURE = 1.0  # nobody samples from it


@dataclass(frozen=True)
class OutcomeModel:
    """A causal language model φ; ``β·log(π_φ/π_ref)`` of a response is its logit of being right."""

    engine: Engine
    beta: float
    train: Train  # the policy's, with rate and clipping of its own

    @classmethod
    def open(cls, config: Config, plan: Implicit, start: Path, ranks: Ranks) -> "OutcomeModel":
        """The reward model as it is before the first step; the base itself pays nothing, until it has learned."""
        own = plan.model_dump(include={"learning_rate", "max_grad_norm"})
        train = config.train.model_copy(update=own)
        model, _ = load_policy(start, config.model, train.attention)
        return cls(open_engine(model, train, ranks), plan.beta, train)

    def rewards(self, rollouts: Rollouts, reference: Float[Tensor, "batch token"]) -> Float[Tensor, "batch token"]:
        """The implicit reward of every response token, without gradients."""
        budget, packing = self.train.tokens_per_microbatch, self.train.packing

        def of_rows(own: slice) -> Tensor:
            return all_logprobs(self.engine.sampler, rollouts.rows(own), TEMPERATURE, budget, packing=packing)

        logprobs = self.engine.ranks.shared(of_rows, len(rollouts.tokens))
        return implicit_rewards(logprobs, reference, rollouts.mask, beta=self.beta)

    def learn(self, rollouts: Rollouts, columns: Columns) -> dict[str, float]:
        """One pass by the cross-entropy of ``columns["outcome"]``, over the responses whose outcome is ``known``.

        Gradients reach this model alone: ``columns["reference"]``, the reference's log-probabilities, are numbers.
        """
        known = columns["known"]
        if not known.any():
            return {}
        rollouts, reference, outcome = rollouts.rows(known), columns["reference"][known], columns["outcome"][known]

        def loss_of(members: Tensor, local: Tensor) -> tuple[Tensor, dict[str, float]]:
            """A micro-batch's share of the mean loss, and nothing to log."""
            rows = members[local]
            logprobs, _ = token_logprobs(self.engine.policy, rollouts, rows, TEMPERATURE, packing=self.train.packing)
            width = logprobs.shape[1]
            rewards = implicit_rewards(logprobs, reference[rows, :width], rollouts.mask[rows, :width], beta=self.beta)
            return outcome_losses(rewards, outcome[rows]).sum() / len(members), {}

        return one_pass(
            self.engine, [Term("implicit", total_lengths(rollouts, self.train.packing), loss_of)], self.train
        )
