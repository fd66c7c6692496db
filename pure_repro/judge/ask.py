r"""What a judge is asked, and how its answer is read: strict JSON, looked at as data and never evaluated.

An answer names pairs of a step and a subgoal, both counted from 1: ``{"achieved": [[1, 1], [3, 2]]}``. Whatever else it
is, is malformed.
"""

import json
from collections.abc import Sequence

from pure_repro.config import Judge
from pure_repro.data.world import apply, check, parse_question

Pairs = tuple[tuple[int, int], ...]  # of a step and a subgoal that it achieves, counted from 0


def asked(judge: Judge, question: str, subgoals: Sequence[str], steps: Sequence[str]) -> str:
    """The prompt: problem, numbered subgoals and numbered steps, of which the judge is shown the first so many."""
    lines = (
        "".join(pattern.replace("{number}", str(n)).replace("{text}", text) for n, text in enumerate(texts, start=1))
        for pattern, texts in ((judge.subgoal, subgoals), (judge.step, steps[: judge.max_steps]))
    )
    goals, said = lines
    return judge.prompt.replace("{subgoals}", goals).replace("{question}", question).replace("{steps}", said)


def judge_reply(pairs: Sequence[tuple[int, int]]) -> str:
    """What a judge says.

    >>> judge_reply([(0, 0), (2, 1)])
    '{"achieved": [[1, 1], [3, 2]]}'
    """
    return json.dumps({"achieved": [[step + 1, goal + 1] for step, goal in pairs]})


def parse_reply(reply: str, steps: int, subgoals: int) -> Pairs | None:
    """The pairs that an answer names; ``None`` for one that is malformed.

    >>> parse_reply('{"achieved": [[1, 1], [3, 2]]}', steps=3, subgoals=2)
    ((0, 0), (2, 1))
    >>> [parse_reply(reply, steps=3, subgoals=2) for reply in ('{"achieved": [[4, 1]]}', "achieved: [[1, 1]]")]
    [None, None]
    """
    try:
        said = json.loads(reply)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict) or set(said) != {"achieved"} or not isinstance(said["achieved"], list):
        return None
    pairs = []
    for pair in said["achieved"]:
        whole = isinstance(pair, list) and len(pair) == 2 and all(type(number) is int for number in pair)
        if not whole or not (1 <= pair[0] <= steps and 1 <= pair[1] <= subgoals):
            return None
        pairs.append((pair[0] - 1, pair[1] - 1))
    return tuple(pairs)


def world_subgoals(question: str, modulus: int) -> list[str]:
    """The values that a chain of the embedded world goes through.

    >>> world_subgoals("14-7+4*2", modulus=23)
    ['7', '11', '22']
    """
    value, operations = parse_question(question)
    return [str(value := apply(value, operation, modulus)) for operation in operations]


def world_truth(question: str, steps: list[str], modulus: int) -> list[tuple[int, int]]:
    """Which step reaches which value in its turn, by the exact checker; nothing after a derailing step.

    >>> world_truth("14-7+4", ["next -7", "14-7=7", "7+4=12"], modulus=23)
    [(1, 0)]
    """
    goals, done, achieved = world_subgoals(question, modulus), 0, []
    for number, (step, judgement) in enumerate(zip(steps, check(question, steps, modulus), strict=True)):
        if judgement.derails:
            break
        if "=" in step:
            if step.rpartition("=")[2] == goals[done]:
                achieved.append((number, done))
            done += 1
    return achieved
