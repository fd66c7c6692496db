"""Every rule over references made here and real ones: equal variants are accepted, near misses are refused."""

import random
from itertools import islice

import pytest

from pure_repro.grading.strict import judge
from pure_repro.grading.sympy_algebra import SympyAlgebra
from tests.grading.conftest import all_references
from tests.grading.variants import EQUAL, NEAR, Transformation, made

ALGEBRA = SympyAlgebra()
MADE, REAL = 60, 40  # pairs of a transformation; make test-slow takes all of them


def mistaken(transformation: Transformation, texts: list[str], accepted: bool, most: int | None) -> tuple[list, int]:
    """The pairs with another verdict than they should have, and how many there were."""
    pairs = list(islice((pair for text in texts for pair in transformation(text)), most))
    verdicts = [(pair, judge(*pair, algebra=ALGEBRA)) for pair in pairs]
    return [(pair, verdict) for pair, verdict in verdicts if verdict.correct != accepted], len(pairs)


CASES = [(name, f, True) for name, f in EQUAL.items()] + [(name, f, False) for name, f in NEAR.items()]
IDS = [f"{'equal' if accepted else 'near'}-{name}" for name, _, accepted in CASES]


@pytest.mark.parametrize(("name", "transformation", "accepted"), CASES, ids=IDS)
def test_made_references(name: str, transformation: Transformation, accepted: bool) -> None:
    wrong, count = mistaken(transformation, made(30), accepted, MADE)
    assert count and not wrong, wrong[:5]


def test_real_references() -> None:
    texts = all_references()
    random.Random(0).shuffle(texts)
    failing = {}
    for name, transformation, accepted in CASES:
        wrong, _ = mistaken(transformation, texts, accepted, REAL)
        if wrong:
            failing[name] = wrong[:3]
    assert not failing


@pytest.mark.slow
def test_all_real_references() -> None:
    """The whole table: ``make test-slow`` prints it."""
    texts = all_references()
    failing = {}
    print(f"\n{len(texts)} references")
    for name, transformation, accepted in CASES:
        wrong, count = mistaken(transformation, texts, accepted, None)
        print(
            f"{'equal' if accepted else 'near miss'}, {name}: {count - len(wrong)} of {count} as they should be",
            flush=True,
        )
        if wrong:
            failing[name] = wrong[:3]
    assert not failing
