r"""Imperfect demonstrations of the embedded world: what the base model learns to imitate.

Every error is carried on: whoever says a wrong value goes on from it, whoever announces a wrong operation does it. So a
wrong step nearly always ends in a wrong answer, and a verifiable reward is a clean signal
(measured: share of right answers that hold a wrong step, :func:`clean_share`).
"""

import random
from collections.abc import Iterable

from pure_repro.config import ErrorRates
from pure_repro.data.world import OPERATIONS, check, parse_question, unwrapped
from pure_repro.types import Problem


def other(right: int, modulus: int, rng: random.Random) -> int:
    """A value other than the right one."""
    return (right + rng.randrange(1, modulus)) % modulus


def calculate(value: int, operation: str, rates: ErrorRates, modulus: int, rng: random.Random) -> int:
    """What the demonstrator says the result is: going round the clock is where it errs most, always one too far."""
    raw = unwrapped(value, operation)
    truth = raw % modulus
    if rng.random() < rates.slip:
        return other(truth, modulus, rng)
    if raw != truth:
        is_product = operation[0] == "*"
        small = rates.wrap_small if int(operation[1:]) < 6 else rates.wrap
        if rng.random() < (rates.times if is_product else small):
            return (truth + 1) % modulus
    return truth


def demonstrate(problem: Problem, rates: ErrorRates, modulus: int, rng: random.Random) -> str:
    r"""One demonstration, steps separated by a blank line.

    >>> from pure_repro.data.world import chain_problem
    >>> never = ErrorRates.model_validate(dict.fromkeys(ErrorRates.model_fields, 0.0))
    >>> demonstrate(chain_problem("14-7+4", modulus=23), never, modulus=23, rng=random.Random(0))
    '14-7=7\n\n7+4=11\n\n\\boxed{11}'
    """
    conduct = rng.random()
    if conduct < rates.empty:
        return ""
    if conduct < rates.empty + rates.thanks:
        return "thanks"
    value, operations = parse_question(problem.question)
    if conduct < rates.empty + rates.thanks + rates.box_only:
        return f"\\boxed{{{rng.randrange(modulus)}}}"
    steps: list[str] = []
    pending = list(operations)
    while pending:
        if steps and rng.random() < rates.early_stop:
            return "\n\n".join(steps)
        if steps and rng.random() < rates.early_box:
            break
        operation = pending.pop(0)
        if pending and rng.random() < rates.skip:
            operation = pending.pop(0)
        if rng.random() < rates.wrong_operation:
            operation = rng.choice(OPERATIONS)
        if rng.random() < rates.twice:
            pending.insert(0, operation)
        if rng.random() < rates.filler:
            if rng.random() < rates.wrong_filler:
                value = other(value, modulus, rng)
            steps.append(f"have {value}")
        if rng.random() < rates.filler:
            if rng.random() < rates.wrong_filler:
                operation = rng.choice(OPERATIONS)
            steps.append(f"next {operation}")
        if rng.random() < rates.filler:
            steps.append("wait")
        if rng.random() < rates.copy_slip:
            value = other(value, modulus, rng)
        result = calculate(value, operation, rates, modulus, rng)
        steps.append(f"{value}{operation}={result}")
        value = result
    if rng.random() < rates.box:
        value = other(value, modulus, rng)
    return "\n\n".join([*steps, f"\\boxed{{{value}}}"])


def clean_share(problems: Iterable[Problem], responses: Iterable[str], modulus: int) -> tuple[float, float]:
    """Accuracy, and the share of right answers whose every step is right.

    >>> from pure_repro.data.world import chain_problem
    >>> lucky = "1+1=3\\n\\n3-1=1\\n\\n\\\\boxed{1}"
    >>> clean_share([chain_problem("1+1-1", modulus=23)], [lucky], modulus=23)
    (1.0, 0.0)
    """
    total = right = clean = 0
    for problem, response in zip(problems, responses, strict=True):
        total += 1
        if response.endswith(f"\\boxed{{{problem.answer}}}"):
            right += 1
            clean += all(j.right for j in check(problem.question, response.split("\n\n"), modulus))
    return right / max(total, 1), clean / max(right, 1)
