"""Who learns from a batch: the policy, by its advantages or by pairs, and the models beside it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Int
from torch import Tensor

from pure_repro.config import ExpoGrpo, PolicyGradient, Preference, Rollout, VllmRollout
from pure_repro.models.companion import Companion
from pure_repro.models.context import Context
from pure_repro.models.engine import Engine
from pure_repro.models.finite import require_finite
from pure_repro.models.likelihoods import Likelihoods
from pure_repro.models.optimize import one_pass
from pure_repro.rollout.fingerprint import StaleWeights
from pure_repro.rollout.join import join_rollouts
from pure_repro.train.terms import Side, likelihood, preference, preference_pairs
from pure_repro.train.update import sampler_gap, update
from pure_repro.types import Batch, Rollouts


@runtime_checkable
class Learner(Protocol):
    """It changes the policy by a batch."""

    def learn(self, batch: Batch) -> dict[str, float]:
        """One pass over the batch; returns numbers for the log, among them the gap between sampler and trainer."""


@dataclass(frozen=True)
class PolicyGradientLearner:
    """The policy gradient, over the responses whose prompts stay; beside it the likelihood of positives."""

    context: Context
    engine: Engine
    likelihoods: Likelihoods
    objective: PolicyGradient

    def learn(self, batch: Batch) -> dict[str, float]:
        """One pass of the policy gradient."""
        config, objective = self.context.config, self.objective
        if not batch.kept.all():
            batch = batch.rows(batch.kept)
        in_loss = objective.reads_reference and not objective.penalised
        single = config.train.rollouts_per_update >= len(batch)
        heated = config.rollout.temperature != objective.temperature
        if heated or not single:
            batch = self.likelihoods.before_update(batch)
        assert batch.advantages is not None, "advantages come first"
        beside = []
        if batch.positives is not None and isinstance(objective, ExpoGrpo):
            positives = batch.positives
            beside.append(likelihood(self.engine, positives.rollouts, positives.share, objective, config.train))
        return update(
            self.engine,
            batch.rollouts,
            batch.advantages,
            None if single else batch.logprobs,
            self.likelihoods.of_base(batch.rollouts) if in_loss else None,
            objective,
            config.train,
            temperature=objective.temperature,
            max_tokens=config.rollout.max_new_tokens,
            heated_logprobs=batch.heated_logprobs if heated else None,
            beside=beside,
        )


@dataclass(frozen=True)
class Candidates:
    """Responses among which pairs are made, and which of them are right."""

    rollouts: Rollouts
    right: list[float]
    token_rewards: Tensor | None


@dataclass(frozen=True)
class PreferenceLearner:
    """Pairs of a right and a wrong response to the same problem; where there are none, no update."""

    context: Context
    engine: Engine
    likelihoods: Likelihoods
    objective: Preference

    def learn(self, batch: Batch) -> dict[str, float]:
        """One pass over the pairs of a batch."""
        candidates, config = self.candidates(batch), self.context.config
        groups = candidates.rollouts.group.tolist()
        right, wrong = preference_pairs(candidates.right, groups, self.objective.pairs_per_prompt)
        logprobs = self.likelihoods.of_policy(batch.rollouts, config.rollout.temperature)
        metrics = {"pairs/count": float(len(right))}
        metrics |= sampler_gap(logprobs, batch.rollouts.logprobs, batch.rollouts.fresh)
        if len(right) == 0:
            return metrics
        sides = self.side(candidates, right), self.side(candidates, wrong)
        return metrics | one_pass(
            self.engine, [preference(self.engine, *sides, self.objective, config.train)], config.train
        )

    def candidates(self, batch: Batch) -> Candidates:
        """The responses that are known to be right or wrong; positives stand in for the policy's own right ones."""
        assert batch.outcomes is not None, "pairs are of right and wrong responses"
        some = batch.rows(batch.outcomes.known & batch.kept)
        assert some.outcomes is not None
        if (positives := batch.positives) is None:
            contrast = some.streams.get("contrast")
            token_rewards = None if contrast is None else contrast.rewards
            return Candidates(some.rollouts, some.outcomes.right.tolist(), token_rewards)
        wrong = some.outcomes.right < 0.5
        right = replace(positives.rollouts, group=torch.tensor(positives.problems))
        group = torch.cat([right.group, some.rollouts.group[wrong]])
        both = replace(join_rollouts([right, some.rollouts.rows(wrong)]), group=group)
        return Candidates(both, [1.0] * len(right.tokens) + [0.0] * int(wrong.sum()), None)

    def side(self, candidates: Candidates, rows: Int[Tensor, " pair"]) -> Side:
        """One response of every pair, as the loss reads it."""
        some, token_rewards = candidates.rollouts.rows(rows), candidates.token_rewards
        return Side(some, self.likelihoods.of_base(some), None if token_rewards is None else token_rewards[rows])


@dataclass(frozen=True)
class Learners:
    """The policy, and the models that learn beside it."""

    context: Context
    policy: Learner
    companions: Mapping[str, Companion]

    def learn(self, batch: Batch) -> dict[str, float]:
        """Each changes by the batch, the policy first; the step is done."""
        clock = self.context.clock
        with clock.phase("update"):
            metrics = self.policy.learn(batch)
        require_small(metrics["sampler/logprob_gap_mean"], self.context.config.rollout)
        some = batch.rows(batch.kept)
        for name, columns in some.columns.items():
            with clock.phase(name):
                metrics |= self.companions[name].learn(some.rollouts, columns)
        self.context.progress.step += 1
        return metrics


def open_learner(context: Context, engine: Engine, likelihoods: Likelihoods) -> Learner:
    """How the policy learns, as the objective says."""
    objective = context.config.objective
    if isinstance(objective, PolicyGradient):
        return PolicyGradientLearner(context, engine, likelihoods, objective)
    return PreferenceLearner(context, engine, likelihoods, objective)


def require_small(gap: float, rollout: Rollout) -> None:
    """Raises ``StaleWeights`` where the sampler's log-probabilities are too far off the trainer's.

    Raises ``NotFinite`` where they are no numbers, which are above no limit.
    """
    require_finite("the gap between the log-probabilities of sampler and trainer", gap)
    if isinstance(rollout, VllmRollout) and rollout.max_gap is not None and gap > rollout.max_gap:
        raise StaleWeights(
            f"the sampler's log-probabilities are off the trainer's by {gap:.3g} a token on average, above "
            f"rollout.max_gap={rollout.max_gap:g}: it samples from something else than the policy"
        )
