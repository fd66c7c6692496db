r"""The embedded world: chains of clock arithmetic, with an exact checker of every reasoning step.

A problem is a start value and a few operations, applied left to right on a clock with a prime number of hours:

>>> problem = chain_problem("14-7+4*2", modulus=23)
>>> problem.answer
'22'

A solution does one operation per step, may say where it stands, and boxes the last value:

>>> solution = ["14-7=7", "next +4", "7+4=11", "11*2=22", r"\boxed{22}"]
>>> [judgement.right for judgement in check("14-7+4*2", solution, modulus=23)]
[True, True, True, True, True]

The modulus is prime so that no multiplication can erase an earlier error (modulo 20, ``*2`` erases an offset of 10).
"""

import hashlib
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from pure_repro.config import SPLITS, Difficulty
from pure_repro.types import Problem

TEST_SEED = 0  # the test problems are the same for every run and seed
OPERATIONS = (*(f"{sign}{n}" for sign in "+-" for n in range(1, 10)), "*2", "*3")


def apply(value: int, operation: str, modulus: int) -> int:
    """One operation on the clock.

    >>> apply(20, "+5", modulus=23), apply(2, "-5", modulus=23), apply(9, "*3", modulus=23)
    (2, 20, 4)
    """
    return unwrapped(value, operation) % modulus


def unwrapped(value: int, operation: str) -> int:
    """The operation before the clock goes round.

    >>> unwrapped(20, "+5")
    25
    """
    operand = int(operation[1:])
    match operation[0]:
        case "+":
            return value + operand
        case "-":
            return value - operand
        case _:
            return value * operand


@lru_cache(maxsize=200_000)
def parse_question(question: str) -> tuple[int, tuple[str, ...]]:
    """Start value and operations of a question.

    >>> parse_question("14-7+4*2")
    (14, ('-7', '+4', '*2'))
    """
    start, *operations = re.findall(r"^\d+|[+\-*]\d", question)
    return int(start), tuple(operations)


def chain_problem(question: str, modulus: int) -> Problem:
    """The problem with its true answer."""
    value, operations = parse_question(question)
    for operation in operations:
        value = apply(value, operation, modulus)
    return Problem(id=question, question=question, answer=str(value))


def split_of(question: str) -> str:
    """The split a question belongs to, by hash: the same in every run, and no problem is in two splits.

    >>> split_of("14-7+4*2") in SPLITS
    True
    """
    bucket = int.from_bytes(hashlib.sha256(question.encode()).digest()[:4], "big") % 100
    for split, percent in SPLITS.items():
        if bucket < percent:
            return split
        bucket -= percent
    raise AssertionError("SPLITS must add up to 100")


def draw_problems(split: str, count: int, difficulty: Difficulty, modulus: int, seed: int) -> list[Problem]:
    """``count`` different problems of one split; the same arguments give the same list.

    >>> easy = Difficulty(min_operations=3, max_operations=3, multiplications=0)
    >>> a = draw_problems("test", 5, easy, modulus=23, seed=1)
    >>> a == draw_problems("test", 5, easy, modulus=23, seed=1), len({p.id for p in a})
    (True, 5)
    """
    rng = random.Random(f"{split}-{seed}")
    additive, multiplicative = OPERATIONS[:18], OPERATIONS[18:]
    problems: dict[str, Problem] = {}
    while len(problems) < count:
        length = rng.randint(difficulty.min_operations, difficulty.max_operations)
        times = rng.randint(0, 1) if difficulty.multiplications is None else difficulty.multiplications
        operations = rng.sample(additive, length - times) + rng.sample(multiplicative, times)
        rng.shuffle(operations)
        question = f"{rng.randrange(modulus)}{''.join(operations)}"
        if question not in problems and split_of(question) == split:
            problems[question] = chain_problem(question, modulus)
    return list(problems.values())


def digest(problems: Sequence[Problem]) -> str:
    """A short hash of questions and answers, in order: two sets with the same digest are the same set.

    >>> digest([chain_problem("14-7+4", modulus=23)])
    '8f75dc03a8ce'
    """
    text = "\n".join(f"{p.question}={p.answer}" for p in problems)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Judgement:
    """What the checker says of one step.

    ``kind`` names the error (``""`` when right). ``wrong_at`` is the offset, in tokens of the step, of the first wrong
    token. ``correct`` pairs token offsets with the token that should stand there, given what the chain said before.
    ``derails`` marks an error after which the rest of the chain cannot be judged.
    """

    right: bool
    kind: str = ""
    wrong_at: int | None = None
    correct: tuple[tuple[int, str], ...] = ()
    derails: bool = False


def check(question: str, steps: list[str], modulus: int) -> list[Judgement]:
    r"""Judge every step against the chain's own running value, not against the ideal solution.

    So a wrong sum is one wrong step, and what follows from it correctly is right (and useless: the answer is wrong).

    >>> [j.kind for j in check("5+9+9", ["5+9=14", "14+9=1", r"\boxed{1}"], modulus=23)]
    ['', 'compute', '']
    >>> [j.kind for j in check("5+9*2", ["next *2", "5*2=10", "thanks", r"\boxed{3}"], modulus=23)]
    ['operand', 'operand', 'other', 'box']
    >>> [j.kind for j in check("5+9*2", [""], modulus=23)], [j.kind for j in check("5+9*2", ["have 514"], modulus=23)]
    (['empty'], ['other'])
    """
    value, operations = parse_question(question)
    done, boxed = 0, False
    judgements = []
    for step in steps:
        due = operations[done] if done < len(operations) else None
        if boxed or any(int(number) >= modulus for number in re.findall(r"\d+", step)):
            judgement = Judgement(False, "other", 0, derails=True)
        elif match := re.fullmatch(r"(\d+)([+\-*]\d)=(\d+)", step):
            said, operation, result = int(match[1]), match[2], int(match[3])
            truth = apply(said, operation, modulus)
            correct = ((0, str(value)), *(((1, due),) if due else ()), (3, str(truth)))
            if operation != due:
                judgement = Judgement(False, "operand", 1 if said == value else 0, correct, derails=True)
            elif said != value:
                judgement = Judgement(False, "copied", 0, correct)
            elif result != truth:
                judgement = Judgement(False, "compute", 3, correct)
            else:
                judgement = Judgement(True, correct=correct)
            value, done = result, done + 1
        elif match := re.fullmatch(r"have (\d+)", step):
            said, correct = int(match[1]), ((1, str(value)),)
            right = said == value
            judgement = Judgement(right, "" if right else "copied", None if right else 1, correct)
            value = said
        elif match := re.fullmatch(r"next ([+\-*]\d)", step):
            right = match[1] == due
            correct = ((1, due),) if due else ()
            judgement = Judgement(right, "" if right else "operand", None if right else 1, correct, derails=not right)
        elif step == "wait":
            judgement = Judgement(True)
        elif match := re.fullmatch(r"\\boxed\{(\d+)\}", step):
            if due is not None:
                judgement = Judgement(False, "box", 0, derails=True)
            else:
                right = int(match[1]) == value
                judgement = Judgement(right, "" if right else "box", None if right else 1, ((1, str(value)),))
            boxed = True
        else:
            judgement = Judgement(False, "other" if step else "empty", 0, derails=True)
        judgements.append(judgement)
    return judgements


def judgeable(judgements: Sequence[Judgement]) -> list[Judgement]:
    """Those up to the first that derails, which is the last one that says something of the response.

    >>> [j.kind for j in judgeable(check("5+9*2", ["5+9=14", "next *3", "14*2=5"], modulus=23))]
    ['', 'operand']
    """
    first = next((i for i, judgement in enumerate(judgements) if judgement.derails), len(judgements))
    return [*judgements[: first + 1]]
