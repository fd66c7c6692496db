"""Right answers in a run: explanations that the policy gives when it is told the answer, or an expert's chains."""

from dataclasses import dataclass, replace

import torch

from pure_repro.config import Embedded
from pure_repro.config import Positives as Choice
from pure_repro.data.prompts import prompts_of
from pure_repro.models.likelihoods import Likelihoods
from pure_repro.rollout.hf import SamplingPlan
from pure_repro.rollout.reprompt import given, reprompted
from pure_repro.rollout.text import texts
from pure_repro.train.positives import answer_after, asked_with_answer, expert_chains, first_right, without_right
from pure_repro.train.responder import Responder
from pure_repro.types import Batch, Problem, RightResponses, Rollouts


@dataclass(frozen=True)
class Explainer:
    """Finds a right response to each problem of a batch that wants one, under the plain prompt."""

    responder: Responder
    likelihoods: Likelihoods
    choice: Choice

    def explained(self, batch: Batch) -> Batch:
        """The batch with right responses to the problems that want one, and with what those are worth."""
        assert batch.outcomes is not None, "who wants an explanation is known by outcomes"
        wanted = without_right(
            batch.problems, batch.rollouts.group.tolist(), batch.outcomes.right.tolist(), self.choice.when
        )
        metrics = {**batch.metrics, "positives/wanted": len(wanted) / len(batch.problems)}
        if not wanted:
            return replace(batch, metrics=metrics)
        with self.responder.context.clock.phase("positives"):
            asked = [batch.problems[number] for number in wanted]
            rollouts, numbers = (
                self.expert(asked, wanted) if self.choice.source == "expert" else self.own(asked, wanted)
            )
            metrics["positives/found"] = len(numbers) / len(wanted)
            if not numbers:
                return replace(batch, metrics=metrics)
            positives = RightResponses(rollouts, numbers, share=len(numbers) / len(batch.problems))
            return replace(batch, positives=positives, metrics=metrics | self.worth(batch, positives))

    def expert(self, asked: list[Problem], numbers: list[int]) -> tuple[Rollouts, list[int]]:
        """A faultless chain to each problem."""
        config, tokenizer = self.responder.context.config, self.responder.context.tokenizer
        assert isinstance(config.data, Embedded)
        chains = expert_chains(tokenizer, config.data, asked, self.choice.expert_filler, config.seed)
        return given(tokenizer, prompts_of(config, asked), chains), numbers

    def own(self, asked: list[Problem], numbers: list[int]) -> tuple[Rollouts, list[int]]:
        """The policy's first right explanation of each problem; of some there is none."""
        config, tokenizer = self.responder.context.config, self.responder.context.tokenizer
        rollout = config.rollout
        plan = SamplingPlan(self.choice.samples, rollout.temperature, rollout.top_p, rollout.max_new_tokens)
        sampled = self.responder.respond([asked_with_answer(problem, self.choice.prompt) for problem in asked], plan)
        answers = [str(asked[number].answer) for number in sampled.group.tolist()]
        verdicts = self.responder.graded(texts(tokenizer, sampled), answers)
        rows = first_right([verdict == "correct" for verdict in verdicts], self.choice.samples)
        right = sampled.rows(torch.tensor(rows, dtype=torch.long))
        explained = right.group.tolist()
        if not explained:
            return right, []
        plain = prompts_of(config, [asked[number] for number in explained])
        return reprompted(right, tokenizer, plain), [numbers[number] for number in explained]

    def worth(self, batch: Batch, positives: RightResponses) -> dict[str, float]:
        """The two properties of a good positive (arXiv 2507.02834): it is likely, and the answer is likelier after it.

        Means over problems: ``likelihood`` in nats a token, beside that of the policy's own wrong response; ``answer``,
        the log-probability of the answer after the positive's reasoning, and after that of the wrong response.
        """
        assert batch.outcomes is not None
        context, group = self.responder.context, batch.rollouts.group
        wrong = batch.outcomes.known & (batch.outcomes.right < 0.5)
        own = {n: int(((group == n) & wrong).nonzero()[0]) for n in positives.problems if ((group == n) & wrong).any()}
        if not own:
            return {}
        right = positives.rollouts.rows(torch.tensor([number in own for number in positives.problems]))
        right_steps = self.responder.reader.steps(right)
        beside = batch.rows(torch.tensor([*own.values()]))
        prompts = prompts_of(context.config, beside.asked)
        metrics = {}
        for name, reasoning in (
            ("answer", (right, right_steps)),
            ("answer_after_own", (beside.rollouts, beside.steps)),
        ):
            spliced, starts = answer_after(context.tokenizer, prompts, reasoning, (right, right_steps))
            logprobs = self.likelihoods.of_policy(spliced, 1.0)
            last = torch.arange(logprobs.shape[1]) >= torch.tensor(starts)[:, None]
            metrics[f"positives/{name}"] = (logprobs * last).sum(dim=1).mean().item()
        for name, responses in (("likelihood", right), ("own_likelihood", beside.rollouts)):
            logprobs = self.likelihoods.of_policy(responses, 1.0)
            metrics[f"positives/{name}"] = (logprobs.sum(dim=1) / responses.mask.sum(dim=1)).mean().item()
        return metrics
