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
from pure_repro.rollout.unfinished import done, kept, of_prompts
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
        """Training responses: their steps, their texts, and how each is graded.

        With ``rollout.max_tokens_per_step`` they are those that are done, some of them to problems of earlier steps.
        """
        context = self.context
        with context.clock.phase("sync"):
            self.push()
        with context.clock.phase("sample"):
            problems, rollouts = self.finished(problems)
            self.sampler.rest()
        with context.clock.phase("text"):
            responses = texts(context.tokenizer, rollouts)
            steps = self.reader.steps(rollouts)
        with context.clock.phase("grade"):
            answers = [self.answers[problems[number].id] for number in rollouts.group.tolist()]
            verdicts = self.graded(responses, answers)
        return Batch(problems, rollouts, steps, responses, verdicts, torch.ones(len(responses), dtype=torch.bool))

    def finished(self, problems: Sequence[Problem]) -> tuple[Sequence[Problem], Rollouts]:
        """The oldest problems whose responses are done, as many as a step takes; the others wait, or go on."""
        config, progress, rollout = self.context.config, self.context.progress, self.context.config.rollout
        plan = SamplingPlan(
            config.train.samples_per_prompt,
            rollout.temperature,
            rollout.top_p,
            rollout.max_new_tokens,
            rollout.max_tokens_per_step,
        )
        if rollout.max_tokens_per_step is None:
            return problems, self.generate(problems, plan, progress.step)
        problems = [*(Problem(**one["problem"]) for one in progress.unfinished), *problems]
        begun = [Rollouts(**one["rollouts"]) for one in progress.unfinished]
        numbers = list[int]()
        while not numbers:  # with few tokens a step, until something is done
            rollouts = self.generate(problems, plan, progress.step, begun)
            begun = [of_prompts(rollouts, [number]) for number in range(len(problems))]
            numbers = done(rollouts, plan.max_new_tokens).nonzero().squeeze(1).tolist()[: config.train.prompts_per_step]
        waiting = [number for number in range(len(problems)) if number not in numbers]
        progress.unfinished = [
            {"problem": vars(problems[number]), "rollouts": vars(kept(begun[number]))} for number in waiting
        ]
        return [problems[number] for number in numbers], of_prompts(rollouts, numbers)

    def push(self) -> None:
        """Give the sampler the policy as it is, in the arithmetic of ``rollout``."""
        self.sampler.push(sampling_copy(self.engine.sampler, compiled=self.context.config.train.compile))

    def respond(self, problems: Sequence[Problem], plan: SamplingPlan) -> Rollouts:
        """Responses of the policy at this step to problems besides those that it trains on."""
        self.push()
        rollouts = self.generate(problems, plan, self.context.progress.step)
        self.sampler.rest()
        return rollouts

    def generate(
        self, problems: Sequence[Problem], plan: SamplingPlan, step: int, begun: Sequence[Rollouts] = ()
    ) -> Rollouts:
        """Responses of the weights that the sampler holds; those to the first problems have been ``begun``.

        So groups stay whole, and noise belongs to the problem: the responses do not depend on who samples them.
        """
        config = self.context.config

        def own(share: slice) -> Rollouts:
            some = problems[share]
            prompts = prompts_of(config, some)
            return self.sampler.generate(some, prompts, plan, seed=config.seed, step=step, begun=begun[share])

        return join_rollouts(self.context.ranks.parts(own, len(problems)))

    def graded(self, responses: Sequence[str], answers: Sequence[str]) -> list[str]:
        """How each response is graded, by the rules that pay the verifiable reward (``Verdict.status``)."""
        rules: dict[str, Any] = self.context.config.grading.model_dump()

        def own(share: slice) -> list[str]:
            return [verdict.status for verdict in grade_many(responses[share], answers[share], **rules)]

        return [status for part in self.context.ranks.parts(own, len(responses)) for status in part]
