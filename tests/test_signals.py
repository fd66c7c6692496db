"""The repetition score against its definition, spelled out."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pure_repro.watch.signals import repetition


def spelled_out(text: str) -> float:
    """Sort all suffixes, count what neighbours share: the definition, in cubic time."""

    def shared(one: str, other: str) -> int:
        return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))

    suffixes = sorted(text[i:] for i in range(len(text)))
    return 2 * sum(shared(a, b) for a, b in pairwise(suffixes)) / (len(text) * (len(text) + 1)) if text else 0.0


@given(st.text("ab\né😀", max_size=40) | st.text(max_size=20))
def test_repetition_is_what_it_says(text):
    assert repetition(text) == pytest.approx(spelled_out(text), abs=1e-12)


def test_a_collapsed_response_costs_no_minute():
    """952 times the same sentence: 54 seconds by sorting whole suffixes."""
    text = "So we have it again. " * 952
    period, size = len("So we have it again. "), len(text)
    whole = sum(range(size - period + 1))  # of each suffix all but one period is shared with the one before it
    assert repetition(text) == pytest.approx(2 * whole / (size * (size + 1)), rel=1e-3)
