"""Any value for any key, and any words: a run is composed, or one sentence says why not."""

import copy
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

import pytest
from campaign import LONGEST
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from pure_repro.config import ConfigError
from pure_repro.launch.compose import composed, composed_tree, config_of
from pure_repro.launch.mistakes import dotted_keys

MORE = 20 if os.environ.get("FAULTS") == "all" else 1  # make test-faults
TREE = composed_tree(["reward=judge", "credit=sum"])
KEYS = dotted_keys(TREE)
TEXT = st.text(max_size=20).filter(lambda text: "$" not in text)  # ${…} asks for another key's value
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXT
VALUES = SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(TEXT, SCALARS, max_size=3)
NEIGHBOURS = st.sampled_from([0, 1, -1, 2, 0.0, 1.0, 0.5, -0.0, 1e-300, 1e300, 2**31, 2**63, "1", "", "none", "\u0663"])
PATIENT = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}


def put(tree: dict[str, Any], key: str, value: Any) -> None:
    *path, last = key.split(".")
    for part in path:
        tree = tree[part]
    tree[last] = value


@pytest.fixture(scope="module")
def seconds() -> Iterator[list[float]]:
    """Of the processor, for each example; the slowest is told, as it should be below one."""
    taken: list[float] = []
    yield taken
    said = f"one in {median(taken):.2f} s of a processor, the slowest in {max(taken):.2f}"
    print(f"\n{len(taken)} configurations, {said}")


@contextmanager
def timed(seconds: list[float]) -> Iterator[None]:
    start = time.process_time()
    yield
    seconds.append(time.process_time() - start)


def in_a_sentence(error: ConfigError) -> None:
    said = str(error)
    assert said and "\n" not in said and len(said) <= LONGEST, said


@pytest.mark.slow
@settings(max_examples=60 * MORE, **PATIENT)
@given(key=st.sampled_from(KEYS), value=NEIGHBOURS | VALUES)
def test_any_value_is_taken_or_refused_in_a_sentence(key: str, value: Any, seconds: list[float]) -> None:
    tree = copy.deepcopy(TREE)
    put(tree, key, value)
    with timed(seconds):
        try:
            config_of(OmegaConf.create(tree))
        except ConfigError as error:
            in_a_sentence(error)


@pytest.mark.slow
@settings(max_examples=5 * MORE, **PATIENT)
@given(
    words=st.lists(
        st.text(max_size=12) | st.builds("{}={}".format, st.sampled_from(KEYS), st.text(max_size=8)), max_size=2
    )
)
def test_any_words_are_taken_or_refused_in_a_sentence(words: list[str], seconds: list[float]) -> None:
    with timed(seconds):
        try:
            composed(words)
        except ConfigError as error:
            in_a_sentence(error)
