"""Right answers in a run: explanations that the policy gives when it is told the answer, or an expert's chains."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from pure_repro.config import Embedded
from pure_repro.config import Positives as Choice
from pure_repro.models.precision import sampling_copy
from pure_repro.rollout.hf import SamplingPlan
from pure_repro.rollout.reprompt import given, reprompted
from pure_repro.rollout.text import texts
from pure_repro.train.draws import Experience
from pure_repro.train.positives import Positives, answer_after, asked_with_answer, expert_chains, first_right, wanting
from pure_repro.train.run import Rewards, Run
from pure_repro.types import Problem, Rollouts, Steps


def explained(run: Run, found: Experience) -> Experience:
    """The experience with right responses to the problems that want one, where the objective learns from them."""
    choice, outcome = run.config.positives, found.rewards.outcome
    if choice is None or outcome is None:
        return found
    problems, rollouts, told = found.problems, found.rollouts, found.drawn
    wanted = wanting(problems, rollouts.group.tolist(), outcome.tolist(), choice.when)
    told = told | {"positives/wanted": len(wanted) / len(problems)}
    if not wanted:
        return found._replace(drawn=told)
    with run.timed("positives"):
        asked = [problems[number] for number in wanted]
        if choice.source == "expert":
            assert isinstance(run.config.data, Embedded)
            chains = expert_chains(run.tokenizer, run.config.data, asked, choice.expert_filler, run.config.seed)
            responses, numbers = given(run.tokenizer, run.prompts(asked), chains), wanted
        else:
            responses, numbers = explain(run, asked, wanted, choice)
        told = told | {"positives/found": len(numbers) / len(wanted)}
        if not numbers:
            return found._replace(drawn=told)
        told = told | worth(run, responses, numbers, problems, rollouts, found.steps, found.rewards)
    positives = Positives(responses, numbers, share=len(numbers) / len(problems))
    return found._replace(rewards=replace(found.rewards, positives=positives), drawn=told)


def explain(run: Run, asked: list[Problem], numbers: list[int], choice: Choice) -> tuple[Rollouts, list[int]]:
    """The first right explanation of each problem by the policy, under the plain prompt; of some there is none."""
    rollout = run.config.rollout
    plan = SamplingPlan(choice.samples, rollout.temperature, rollout.top_p, rollout.max_new_tokens)
    ways = [asked_with_answer(problem, choice.prompt) for problem in asked]
    run.sampler.push(sampling_copy(run.engine.sampler, compiled=run.config.train.compile))
    made = run.respond(ways, plan, run.progress.step)
    run.sampler.rest()
    answers = [str(asked[row].answer) for row in made.group.tolist()]
    rows = first_right(run.graded(texts(run.tokenizer, made), answers), choice.samples)
    some = made.rows(torch.tensor(rows, dtype=torch.long))
    kept = some.group.tolist()
    if not kept:
        return some, []
    plain = reprompted(some, run.tokenizer, run.prompts([asked[row] for row in kept]))
    return plain, [numbers[row] for row in kept]


def worth(
    run: Run,
    found: Rollouts,
    numbers: list[int],
    problems: Sequence[Problem],
    rollouts: Rollouts,
    steps: Steps,
    rewards: Rewards,
) -> dict[str, float]:
    """The two properties of a good positive (arXiv 2507.02834): it is likely, and the answer is likelier after it.

    Means over problems: ``likelihood`` in nats a token, beside that of the policy's own wrong response; ``answer``,
    the log-probability of the answer after the positive's reasoning, and after that of the wrong response.
    """
    assert rewards.outcome is not None
    own = [
        int(((rollouts.group == number) & (rewards.outcome < 0.5)).nonzero()[0])
        for number in numbers
        if bool(((rollouts.group == number) & (rewards.outcome < 0.5)).any())
    ]
    with_own = {int(rollouts.group[row]) for row in own}
    some = found.rows(torch.tensor([number in with_own for number in numbers]))
    if not own:
        return {}
    wrong, wrong_steps = rollouts.rows(torch.tensor(own)), steps.rows(torch.tensor(own))
    prompts = run.prompts([problems[int(rollouts.group[row])] for row in own])
    answers = (some, run.steps_of(some))
    told = {}
    for name, reasoning in (("answer", answers), ("answer_after_own", (wrong, wrong_steps))):
        spliced, starts = answer_after(run.tokenizer, prompts, reasoning, answers)
        logprobs = run.logprobs(run.engine.sampler, spliced, 1.0)
        last = torch.arange(logprobs.shape[1]) >= torch.tensor(starts)[:, None]
        told[f"positives/{name}"] = (logprobs * last).sum(dim=1).mean().item()
    for name, responses in (("likelihood", some), ("own_likelihood", wrong)):
        logprobs = run.logprobs(run.engine.sampler, responses, 1.0)
        told[f"positives/{name}"] = (logprobs.sum(dim=1) / responses.mask.sum(dim=1)).mean().item()
    return told
