"""Which training problems have an answer: the 10 % of PURE-PRM+VR."""

import random
from collections.abc import Sequence
from dataclasses import replace

from pure_repro.types import Problem


def hide_answers(problems: Sequence[Problem], answered_share: float, seed: int) -> list[Problem]:
    """The problems, of which a random ``answered_share`` (rounded to whole problems) keep their answer.

    PURE drew its 879 of 8,523 by an unseeded coin; here the draw depends on ``seed`` alone.

    >>> problems = [Problem(str(i), "?", "0") for i in range(20)]
    >>> [p.id for p in hide_answers(problems, 0.1, seed=0) if p.answer is not None]
    ['12', '13']
    """
    kept = set(random.Random(seed).sample(range(len(problems)), round(answered_share * len(problems))))
    return [p if i in kept else replace(p, answer=None) for i, p in enumerate(problems)]
