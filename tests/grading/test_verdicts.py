"""The tables of verdicts, the references of six benchmarks, and what every rule of the normaliser is for."""

import re
from functools import cache
from itertools import pairwise

import pytest

from pure_repro.grading import answers_match, extract_answer, grade, grade_many, normalise
from pure_repro.grading.parse import parse
from pure_repro.grading.strict import judge
from pure_repro.grading.sympy_algebra import SympyAlgebra
from pure_repro.grading.tex import Unparsable
from tests.grading.conftest import references, table

VERDICTS = table("verdicts.tsv")
RESPONSES = table("responses.tsv")
ALGEBRA = SympyAlgebra()


def test_table_is_large() -> None:
    assert len(VERDICTS) >= 600
    assert len({(row["answer"], row["reference"]) for row in VERDICTS}) == len(VERDICTS)


def test_verdicts_in_workers() -> None:
    """The public way: what text and fractions do not decide goes to the worker processes."""
    rows = [row for row in VERDICTS if balanced(row["answer"])]
    responses = [rf"\boxed{{{row['answer']}}}" for row in rows]
    verdicts = grade_many(responses, [row["reference"] for row in rows], deadline=300.0)  # a busy machine may be slow
    differing = [
        (row, verdict) for row, verdict in zip(rows, verdicts, strict=True) if row["verdict"] != verdict.status
    ]
    assert not differing, differing[:10]


def balanced(text: str) -> bool:
    """Whether a box around a text closes where it should."""
    return extract_answer(rf"\boxed{{{text}}}") == text and "boxed" not in text and "fbox" not in text


def test_verdicts_and_symmetry() -> None:
    differing = []
    for row in VERDICTS:
        there = judge(row["answer"], row["reference"], algebra=ALGEBRA)
        back = judge(row["reference"], row["answer"], algebra=ALGEBRA)
        if there.status != row["verdict"] or there.correct != back.correct:
            differing.append((row, there, back))
    assert not differing, differing[:10]


@pytest.mark.parametrize("row", RESPONSES, ids=lambda row: row["why"])
def test_responses(row: dict[str, str]) -> None:
    assert grade(row["response"].replace(r"\n", "\n"), row["reference"]).status == row["status"]


def respelled(reference: str) -> str:
    """A reference as somebody else would typeset it."""
    if "$" in reference:
        return reference
    text = reference.replace(r"\left", "").replace(r"\right", "").replace(r"\frac", r"\dfrac")
    text = text.replace("(", r"\left( ").replace(")", r" \right)").replace("+", " + ").replace("=", r" =\;")
    return f"${text}$."


def test_every_reference_equals_itself_and_its_boxed_solution() -> None:
    counts, failing = {}, []
    for benchmark, rows in references().items():
        counts[benchmark] = len(rows)
        for reference, solution in rows:
            reference = extract_answer(reference) or reference
            answers = [reference, respelled(reference), *([extract_answer(solution)] if solution else [])]
            for answer in answers:
                verdict = judge(answer or "", reference, algebra=ALGEBRA)
                if not verdict.correct:
                    failing.append((benchmark, answer, reference, verdict))
    assert not failing, failing[:10]
    assert counts == {
        "math500": 500,
        "aime24": 30,
        "amc23": 40,
        "minerva_math": 272,
        "olympiadbench": 675,
        "gsm8k": 1319,
    }


def test_neighbouring_references_differ() -> None:
    """Different answers that look alike are told apart: neighbours in the sorted list of all references."""
    texts = sorted({reference for rows in references().values() for reference, _ in rows if "boxed" not in reference})
    equal = [
        (one, other)
        for one, other in pairwise(texts)
        if not (re.search(r"\d", one) and plain(one) == plain(other)) and judge(one, other, algebra=ALGEBRA).correct
    ]
    assert equal == [("2,3,4", "2,4,3")]  # one list in two orders


def plain(text: str) -> str:
    """Digits, signs and letters of an answer, without layout, units and trailing zeros."""
    text = re.sub(r"\\text\s*\{[^{}]*\}|\^\{?\\circ\}?|\\[!%$,]|[\s$%{}]|(?<=\d),(?=\d{3})", "", text)
    return re.sub(r"(\.\d*?)0+$", r"\1", text).rstrip(".")


@pytest.mark.parametrize("i", range(len(normalise.RULES)), ids=[rule.__name__ for rule in normalise.RULES])
def test_every_rule_is_needed(i: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With any rule switched off, rows of the table fail."""
    rows = [row for row, rules in zip(VERDICTS, rules_that_act(), strict=True) if i in rules]
    monkeypatch.setattr(normalise, "RULES", normalise.RULES[:i] + normalise.RULES[i + 1 :])
    clear_caches()
    failing = (row for row in rows if judge(row["answer"], row["reference"], algebra=ALGEBRA).status != row["verdict"])
    first = next(failing, None)
    monkeypatch.undo()
    clear_caches()
    assert first is not None


@cache
def rules_that_act() -> list[set[int]]:
    """For every row the rules that change its answer or its reference, or refuse it. Without another one it stays."""
    return [acting(row["answer"]) | acting(row["reference"]) for row in VERDICTS]


def acting(text: str) -> set[int]:
    rules = set()
    for i, rule in enumerate(normalise.RULES):
        try:
            before, text = text, rule(text)
        except Unparsable:
            return rules | {i}
        if text != before:
            rules.add(i)
    return rules


def clear_caches() -> None:
    normalise.normalise.cache_clear()
    parse.cache_clear()


def test_tolerance_is_asked_for() -> None:
    assert not answers_match("1.57", "1.6")
    assert answers_match("1.57", "1.6", rel_tol=0.05)
    assert answers_match(r"\frac{\pi}{2}", "1.6", rel_tol=0.05)
    assert answers_match("4.25", "4.2", abs_tol=0.1)
    assert not answers_match(r"\sqrt{20}", "4.2", abs_tol=0.1)
