"""Which training problems have an answer: the 10 % of PURE-PRM+VR."""

import random
from collections.abc import Sequence
from dataclasses import replace

from pure_repro.config import ConfigError
from pure_repro.data.source import TrainingSet
from pure_repro.types import Problem

NEAR = 0.01  # how far a file's share of answers may be from the one asked for


def with_known_answers(training: TrainingSet, answered_share: float, seed: int) -> list[Problem]:
    """The problems as the run is told them: with the answers of the file, or with a drawn share of all answers.

    ``answered_share`` 0 and 1 are nobody's choice: no answer, every answer. In between a file that says which problems
    are answered is taken at its word. Raises ``ConfigError`` where its share is another than the one asked for.

    >>> both = [Problem("a", "1+1", "2"), Problem("b", "1+2", "3")]
    >>> [p.answer for p in with_known_answers(TrainingSet(both, frozenset({"b"})), 0.5, seed=0)]
    [None, '3']
    >>> [p.answer for p in with_known_answers(TrainingSet(both, frozenset({"b"})), 1.0, seed=0)]
    ['2', '3']
    """
    if training.answered is None or answered_share in (0, 1):
        return hide_answers(training.problems, answered_share, seed)
    share = len(training.answered) / len(training.problems)
    if abs(share - answered_share) > NEAR:
        raise ConfigError(
            f"reward.answered_share={answered_share:g}, and the file of data.path answers {share:.3f} of its problems: "
            "take data.answered_by=draw"
        )
    return [p if p.id in training.answered else replace(p, answer=None) for p in training.problems]


def hide_answers(problems: Sequence[Problem], answered_share: float, seed: int) -> list[Problem]:
    """The problems, of which a random ``answered_share`` (rounded to whole problems) keep their answer.

    PURE drew its 879 of 8,523 by an unseeded coin; here the draw depends on ``seed`` alone.

    >>> problems = [Problem(str(i), "?", "0") for i in range(20)]
    >>> [p.id for p in hide_answers(problems, 0.1, seed=0) if p.answer is not None]
    ['12', '13']
    """
    kept = set(random.Random(seed).sample(range(len(problems)), round(answered_share * len(problems))))
    return [p if i in kept else replace(p, answer=None) for i, p in enumerate(problems)]
