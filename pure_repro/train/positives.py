"""Right answers that the policy did not find by itself: which problems want one, and what makes a good one."""

import random
from collections.abc import Sequence
from dataclasses import replace

from transformers import PreTrainedTokenizerBase

from pure_repro.config import Embedded
from pure_repro.data.demonstrations import demonstrate
from pure_repro.rollout.reprompt import given
from pure_repro.train.base import faultless
from pure_repro.types import Problem, Rollouts, Steps


def without_right(problems: Sequence[Problem], group: Sequence[int], outcome: Sequence[float], when: str) -> list[int]:
    """Numbers of the problems that want a right response: all with a known answer, or those that got no right one.

    >>> asked = [Problem("a", "1+1", "2"), Problem("b", "1+2", "3"), Problem("c", "1+3", None)]
    >>> without_right(asked, [0, 0, 1, 1, 2, 2], [0.0, 1.0, 0.0, 0.0, 0.0, 0.0], "all_wrong")
    [1]
    """
    solved = {number for number, right in zip(group, outcome, strict=True) if right > 0.5}
    known = [number for number, problem in enumerate(problems) if problem.answer is not None]
    return [number for number in known if when == "always" or number not in solved]


def asked_with_answer(problem: Problem, prompt: str) -> Problem:
    """The problem that asks how its answer is reached; another problem, so that it has noise of its own.

    >>> asked_with_answer(Problem("a", "1+1", "2"), "{question}={answer}").question
    '1+1=2'
    """
    question = prompt.replace("{answer}", str(problem.answer)).replace("{question}", problem.question)
    return replace(problem, id=f"{problem.id}, explained", question=question)


def first_right(right: Sequence[bool], samples: int) -> list[int]:
    """The row of the first right response of every run of ``samples`` that has one.

    >>> first_right([False, True, True, False, False, False, True, False], samples=2)
    [1, 2, 6]
    """
    runs = (range(start, start + samples) for start in range(0, len(right), samples))
    firsts = (next((row for row in run if right[row]), None) for run in runs)
    return [row for row in firsts if row is not None]


def expert_chains(
    tokenizer: PreTrainedTokenizerBase, data: Embedded, problems: Sequence[Problem], filler: float, seed: int
) -> list[list[int]]:
    """Faultless demonstrations as token ids; who writes them says with probability ``filler`` where he stands."""
    rates = faultless(data.errors).model_copy(update={"filler": filler})
    texts = [demonstrate(p, rates, data.modulus, random.Random(f"expert-{seed}-{p.id}")) for p in problems]
    return [[*ids, tokenizer.eos_token_id] for ids in tokenizer(texts)["input_ids"]]


def answer_after(
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    reasoning: tuple[Rollouts, Steps],
    answers: tuple[Rollouts, Steps],
) -> tuple[Rollouts, list[int]]:
    """Each response with its last step replaced by that of another one, and where that step begins."""
    rows, starts = [], []
    for (said, _), (_, last) in zip(halves(*reasoning), halves(*answers), strict=True):
        rows.append([*said, *last])
        starts.append(len(said))
    return given(tokenizer, prompts, rows), starts


def halves(rollouts: Rollouts, steps: Steps) -> list[tuple[list[int], list[int]]]:
    """The tokens of every response before its last step, and those of its last step."""
    parts = []
    for tokens, mask, end, there in zip(rollouts.tokens, rollouts.mask, steps.end, steps.mask, strict=True):
        ids, ends = tokens[mask].tolist(), end[there].tolist()
        start = ends[-2] + 1 if len(ends) > 1 else 0
        parts.append((ids[:start], ids[start:]))
    return parts
