"""Advantages of a batch: credit for every stream, then less a baseline, or less what a critic had foretold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool
from torch import Tensor

from pure_repro.advantage.combine import Returns, as_one, compared, penalty_to_go, total, with_switches
from pure_repro.advantage.gae import rewards_of
from pure_repro.config import Compared, Config, Gae, MacroActions, PolicyGradient, TregWeights
from pure_repro.credit import credit_form
from pure_repro.credit.on_tokens import spread
from pure_repro.credit.treg_weights import treg_weights
from pure_repro.macro import macro_rule
from pure_repro.macro.actions import macro_gae
from pure_repro.models.companion import Companion
from pure_repro.models.context import Context
from pure_repro.models.finite import require_finite
from pure_repro.models.likelihoods import Likelihoods
from pure_repro.objective.kl import kl_estimate
from pure_repro.train.critic import ValueModel
from pure_repro.types import Batch, Columns, Stream


@runtime_checkable
class AdvantageEstimator(Protocol):
    """From what is still to come of every reward to the advantages of tokens."""

    def estimate(self, batch: Batch, returns: Sequence[Returns]) -> tuple[Tensor, dict[str, Columns]]:
        """Advantages, and what companions are to learn from the batch."""


@dataclass(frozen=True)
class BaselineEstimator:
    """Each reward, or the sum of all, less the baseline of its estimator, made of the other responses."""

    config: Config

    def estimate(self, batch: Batch, returns: Sequence[Returns]) -> tuple[Tensor, dict[str, Columns]]:
        """The sum of what each reward comes to."""
        limit, choice = self.config.rollout.max_new_tokens, self.config.advantage
        if isinstance(choice, Compared) and choice.streams == "sum":
            returns = [as_one(returns, choice.name)]
        return compared(returns, batch.rollouts, batch.units, max_tokens=limit), {}


@dataclass(frozen=True)
class CriticEstimator:
    """The sum of all rewards less what a critic had foretold (``advantage=gae``), action by action."""

    context: Context
    likelihoods: Likelihoods
    critic: ValueModel
    choice: Gae

    def estimate(self, batch: Batch, returns: Sequence[Returns]) -> tuple[Tensor, dict[str, Columns]]:
        """Generalised advantages; the critic is to learn the returns."""
        with self.context.clock.phase("values"):
            values = self.critic.values(batch.rollouts)
        mask = batch.rollouts.mask
        advantages, to_come = macro_gae(
            *(rewards_of(total(returns), mask), values, self.action_ends(batch), mask),
            gamma=self.choice.gamma,
            lam=self.choice.lam,
            **self.context.config.macro.model_dump(include=set(MacroActions.model_fields)),
        )
        return advantages, {"critic": {"values": values, "returns": to_come}}

    def action_ends(self, batch: Batch) -> Bool[Tensor, "batch token"]:
        """Which tokens end a macro action; what is drawn by lot depends on the seed and the step alone."""
        macro, surprise = self.context.config.macro, None
        keys = macro.model_dump(exclude={"name", *MacroActions.model_fields})
        if macro.name == "perplexity":
            with self.context.clock.phase("reference"):
                surprise = -self.likelihoods.of_base(batch.rollouts)
        chance = torch.Generator().manual_seed(self.context.config.seed * 1_000_003 + self.context.progress.step)
        return macro_rule(macro.name)(batch.rollouts.mask, batch.steps, surprise, chance, **keys)


@dataclass(frozen=True)
class PolicyAdvantages:
    """What the policy gradient follows."""

    context: Context
    likelihoods: Likelihoods
    estimator: AdvantageEstimator

    def of(self, batch: Batch) -> Batch:
        """The batch with the advantage of every token, and with what companions are to learn.

        Raises ``NotFinite`` for an advantage that is no number.
        """
        config, objective = self.context.config, self.context.config.objective
        assert isinstance(objective, PolicyGradient)
        if objective.penalised:
            with self.context.clock.phase("reference"):  # and nobody computes them again in this step
                batch = self.likelihoods.before_update(batch)
        advantages, columns = self.estimator.estimate(batch, self.returns(batch))
        if isinstance(config.credit, TregWeights):
            token_rewards = batch.streams["contrast"].rewards
            advantages = treg_weights(advantages, token_rewards, batch.rollouts.mask, kappa=config.credit.kappa)
        advantages = with_switches(advantages, batch.rollouts, batch.steps, batch.kept, config.advantage)
        require_finite("the advantages", advantages[batch.rollouts.mask])
        return replace(batch, advantages=advantages, columns={**batch.columns, **columns})

    def returns(self, batch: Batch) -> list[Returns]:
        """What is still to come of each paid reward at every token; a penalty on the policy's drift is one of them."""
        paid = [returns_of(stream, batch, self.context.config) for stream in batch.streams.values()]
        return [*(one for one in paid if one is not None), *self.penalty(batch)]

    def penalty(self, batch: Batch) -> list[Returns]:
        """The divergence from the base model, where it is part of the reward."""
        objective, choice = self.context.config.objective, self.context.config.advantage
        assert isinstance(objective, PolicyGradient)
        if not objective.penalised or batch.logprobs is None:
            return []
        kl, mask = objective.kl, batch.rollouts.mask
        with self.context.clock.phase("reference"):
            reference = self.likelihoods.of_base(batch.rollouts)
        penalty = kl.beta * kl_estimate(kl.estimator, batch.logprobs, reference, kl.clamp)
        estimator = "none" if isinstance(choice, Gae) else choice.penalty
        return [Returns(penalty_to_go(penalty, mask), mask.any(dim=1), 1.0, estimator)]


@dataclass(frozen=True)
class NoAdvantages:
    """Pairs of responses are compared with each other alone."""

    def of(self, batch: Batch) -> Batch:
        """The batch with advantages of 0."""
        return replace(batch, advantages=torch.zeros(batch.rollouts.tokens.shape))


Advantages = PolicyAdvantages | NoAdvantages


def returns_of(stream: Stream, batch: Batch, config: Config) -> Returns | None:
    """What is still to come of a paid stream; ``None`` of one that is not paid."""
    if stream.weight is None:
        return None
    choice, rewards, name = config.advantage, stream.rewards, "none"
    if stream.credited:
        keys = config.credit.model_dump()
        rewards = credit_form(keys.pop("name"))(rewards, stream.units.mask, **keys)
    if not isinstance(choice, Gae):
        name = choice.name if stream.credited else choice.outcome
    return Returns(spread(rewards, stream.units, batch.rollouts.mask), stream.known, stream.weight, name)


def open_advantages(context: Context, likelihoods: Likelihoods, companions: Mapping[str, Companion]) -> Advantages:
    """How the objective is told what was good, as the configuration says."""
    config, choice = context.config, context.config.advantage
    if not isinstance(config.objective, PolicyGradient):
        return NoAdvantages()
    estimator: AdvantageEstimator = BaselineEstimator(config)
    if isinstance(choice, Gae):
        critic = companions["critic"]
        assert isinstance(critic, ValueModel)
        estimator = CriticEstimator(context, likelihoods, critic, choice)
    return PolicyAdvantages(context, likelihoods, estimator)
