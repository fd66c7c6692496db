"""Who answers: the policy, through the sampler; each rank samples and grades its own share of the problems."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from pure_repro.data.prompts import prompts_of
from pure_repro.grading import grade_many
from pure_repro.models.context import Context
from pure_repro.models.engine import Engine
from pure_repro.models.precision import sampling_copy
from pure_repro.rollout.hf import SamplingPlan
from pure_repro.rollout.join import join_rollouts
from pure_repro.rollout.sampler import Sampler
from pure_repro.rollout.steps import StepReader
from pure_repro.rollout.text import texts
from pure_repro.types import Batch, Problem, Rollouts


@dataclass(frozen=True)
class Responder:
    """Samples responses of the policy as it is, and says what they are."""

    context: Context
    engine: Engine
    sampler: Sampler
    reader: StepReader
    answers: dict[str, str]  # of all training problems, for the log alone: a hidden answer is never rewarded

    def sample(self, problems: Sequence[Problem]) -> Batch:
        """Training responses: their steps, their texts, and how each is graded."""
        context, rollout = self.context, self.context.config.rollout
        samples = context.config.train.samples_per_prompt
        plan = SamplingPlan(samples, rollout.temperature, rollout.top_p, rollout.max_new_tokens)
        with context.clock.phase("sync"):
            self.push()
        with context.clock.phase("sample"):
            rollouts = self.generate(problems, plan, context.progress.step)
            self.sampler.rest()
        with context.clock.phase("text"):
            responses = texts(context.tokenizer, rollouts)
            steps = self.reader.steps(rollouts)
        with context.clock.phase("grade"):
            answers = [self.answers[problems[number].id] for number in rollouts.group.tolist()]
            verdicts = self.graded(responses, answers)
        return Batch(problems, rollouts, steps, responses, verdicts, torch.ones(len(responses), dtype=torch.bool))

    def push(self) -> None:
        """Give the sampler the policy as it is, in the arithmetic of ``rollout``."""
        self.sampler.push(sampling_copy(self.engine.sampler, compiled=self.context.config.train.compile))

    def respond(self, problems: Sequence[Problem], plan: SamplingPlan) -> Rollouts:
        """Responses of the policy at this step to problems besides those that it trains on."""
        self.push()
        rollouts = self.generate(problems, plan, self.context.progress.step)
        self.sampler.rest()
        return rollouts

    def generate(self, problems: Sequence[Problem], plan: SamplingPlan, step: int) -> Rollouts:
        """Responses of the weights that the sampler holds.

        So groups stay whole, and noise belongs to the problem: the responses do not depend on who samples them.
        """
        config = self.context.config

        def own(share: slice) -> Rollouts:
            some = problems[share]
            return self.sampler.generate(some, prompts_of(config, some), plan, seed=config.seed, step=step)

        return join_rollouts(self.context.ranks.parts(own, len(problems)))

    def graded(self, responses: Sequence[str], answers: Sequence[str]) -> list[str]:
        """How each response is graded, by the rules that pay the verifiable reward (``Verdict.status``)."""
        rules: dict[str, Any] = self.context.config.grading.model_dump()

        def own(share: slice) -> list[str]:
            return [verdict.status for verdict in grade_many(responses[share], answers[share], **rules)]

        return [status for part in self.context.ranks.parts(own, len(responses)) for status in part]
