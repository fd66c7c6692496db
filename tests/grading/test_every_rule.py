"""What every reader, comparison and rule of extraction is for: with any of them off, rows of the tables fail.

The rules of the normaliser have such a test in ``test_verdicts``; this one takes two minutes (``make test-slow``).
"""

import re
from collections.abc import Callable
from functools import cached_property

import pytest

from pure_repro.grading import extract, normalise, parse, strict
from pure_repro.grading.compare import Algebra, Comparison
from pure_repro.grading.sympy_algebra import SympyAlgebra
from tests.grading.conftest import table

pytestmark = pytest.mark.slow

VERDICTS, RESPONSES = table("verdicts.tsv"), table("responses.tsv")
ALGEBRA = SympyAlgebra()
RULES = Comparison(Algebra()).rules
NEVER = re.compile(r"(?!)")

Patch = Callable[[pytest.MonkeyPatch], None]


def without_reader(i: int) -> Patch:
    """One form of answers is not known."""
    return lambda patch: patch.setattr(parse, "READERS", parse.READERS[:i] + parse.READERS[i + 1 :])


def without_comparison(kinds: tuple[type, type]) -> Patch:
    """Two kinds are never equal."""
    usual = Comparison.__dict__["rules"].func

    def left(self: Comparison) -> dict:
        return {pair: rule for pair, rule in usual(self).items() if pair != kinds}

    def switch(patch: pytest.MonkeyPatch) -> None:
        fewer = cached_property(left)
        fewer.__set_name__(Comparison, "rules")
        patch.setattr(Comparison, "rules", fewer)

    return switch


def instead(module: object, name: str, value: object) -> Patch:
    """Another function, pattern or table in the place of one."""
    return lambda patch: patch.setattr(module, name, value)


OFF: dict[str, Patch] = {
    **{f"reader {reader.__name__}": without_reader(i) for i, reader in enumerate(parse.READERS)},
    **{f"comparison {a.__name__} {b.__name__}": without_comparison((a, b)) for a, b in RULES},
    "choices of a question": instead(parse, "choice_readings", lambda latex: []),
    "thousands": instead(parse, "thousands", lambda latex: []),
    "a letter over the integers": instead(parse, "with_own_parameter", lambda pieces: pieces),
    "excluded values": instead(parse, "excluded", lambda pieces: pieces),
    "numbers in words": instead(parse, "number_in_words", lambda spoken: None),
    "phrases": instead(parse, "PHRASES", {}),
    "short words": instead(parse, "SHORT_WORDS", ()),
    "a sign before a box": instead(extract, "SIGN", NEVER),
    "what follows a box": instead(extract, "SUFFIX", NEVER),
    "a unit behind a box": instead(extract, "UNIT", NEVER),
    "boxes as one list": instead(extract, "JOINED", NEVER),
    "names of boxes": instead(extract, "NAME", NEVER),
    "one answer in two spellings": instead(extract, "distinct", lambda answers: answers),
}


def rows_that_fail() -> int:
    """How many rows of the tables have another verdict than theirs; counting ends at the first."""
    for row in RESPONSES:
        answer = strict.extract(row["response"].replace(r"\n", "\n"))
        status = strict.judge(answer, row["reference"], algebra=ALGEBRA).status if answer is not None else "no_answer"
        if status != row["status"]:
            return 1
    return any(judged(row) != row["verdict"] for row in VERDICTS)


def judged(row: dict[str, str]) -> str:
    return strict.judge(row["answer"], row["reference"], algebra=ALGEBRA).status


def test_every_row_holds() -> None:
    assert not rows_that_fail()


@pytest.mark.parametrize("name", OFF)
def test_a_rule_is_needed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    OFF[name](monkeypatch)
    clear_caches()
    failing = rows_that_fail()
    monkeypatch.undo()
    clear_caches()
    assert failing, f"no row of the tables is about it: {name}"


def clear_caches() -> None:
    normalise.normalise.cache_clear()
    parse.parse.cache_clear()
