"""Validation: how the policy does on problems that it does not train on; the best policy so far is kept."""

from dataclasses import dataclass

from pure_repro.config import Embedded
from pure_repro.models.checkpoint import candidate_of
from pure_repro.models.context import Context
from pure_repro.models.likelihoods import Likelihoods
from pure_repro.models.policy import save_policy
from pure_repro.rollout.hf import SamplingPlan
from pure_repro.rollout.text import texts
from pure_repro.track.follow import follow
from pure_repro.train.journal import Journal
from pure_repro.train.responder import Responder
from pure_repro.types import Problem, Rollouts
from pure_repro.watch.collapse import collapsed_at
from pure_repro.watch.signals import mean_or_zero, shape_signals, skipped_share, text_signals

NOISE_STEP = -1  # noise is drawn as if before the first step, so every validation has the same noise
SAMPLES = 4
PLANS = {"greedy": (1, 0.0), "sampled": (SAMPLES, 1.0)}  # samples of a problem, temperature


@dataclass(frozen=True)
class Validator:
    """Validates every ``train.validate_every`` steps, and knows from its journal whether the run has collapsed."""

    context: Context
    responder: Responder
    likelihoods: Likelihoods
    problems: list[Problem]
    journal: Journal

    def validate(self) -> None:
        """Accuracy on the validation problems, where it is due.

        Without validation problems there is nothing to say, and no policy is better than another.
        """
        context = self.context
        if not self.problems or not self.due():
            return
        self.responder.sampler.push(self.responder.engine.sampler)
        row: dict = {"step": context.progress.step}
        for name, (samples, temperature) in PLANS.items():
            plan = SamplingPlan(samples, temperature, 1.0, context.config.rollout.max_new_tokens)
            rollouts = self.responder.generate(self.problems, plan, NOISE_STEP)
            responses = texts(context.tokenizer, rollouts)
            asked = [self.problems[number] for number in rollouts.group.tolist()]
            verdicts = self.responder.graded(responses, [str(problem.answer) for problem in asked])
            row[name] = mean_or_zero(verdict == "correct" for verdict in verdicts)
        self.responder.sampler.rest()
        divergence = self.likelihoods.divergence(rollouts.rows(slice(0, None, SAMPLES)))
        if context.ranks.first:
            self.keep(row | self.signals(asked, rollouts, responses) | {"kl": divergence})

    def due(self) -> bool:
        """Whether this step is validated and has not been; the rank that writes the journal knows."""
        step = self.context.progress.step
        if step % self.context.config.train.validate_every:
            return False
        return not self.context.ranks.agree(step in [row["step"] for row in self.journal.rows()])

    def signals(self, asked: list[Problem], rollouts: Rollouts, responses: list[str]) -> dict[str, float]:
        """What the sampled responses look like."""
        steps = self.responder.reader.steps(rollouts)
        signals = shape_signals(rollouts, steps) | text_signals(responses)
        if isinstance(self.context.config.data, Embedded):
            signals["skipped"] = skipped_share([problem.question for problem in asked], responses)
        return signals

    def keep(self, row: dict) -> None:
        """Write a validation down; keep the policy where it is the best so far."""
        context, progress = self.context, self.context.progress
        self.journal.append(row)
        if row["sampled"] > progress.best:
            progress.best, progress.chosen_step = row["sampled"], progress.step
            save_policy(self.responder.engine.sampler, context.tokenizer, candidate_of(context.out, progress))
        follow(context.out, context.config.track)

    def collapse_step(self) -> int | None:
        """The step at which validated accuracy broke down, if it did."""
        accuracies = [(row["step"], row["sampled"]) for row in self.journal.rows()]
        watch = self.context.config.watch
        return collapsed_at(accuracies, watch.collapse_below, watch.collapse_validations)

    def stopped(self) -> bool:
        """Whether the run ends before its last step."""
        return (
            self.context.config.watch.on_collapse == "stop"
            and self.context.ranks.agree(self.collapse_step()) is not None
        )
