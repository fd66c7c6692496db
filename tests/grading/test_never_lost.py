"""No input loses a batch: whatever is graded gets a verdict, from however deep in the caller's stack."""

import json
from pathlib import Path

import pytest

from pure_repro.grading import answers_match, extract_answer, grade, grade_many
from pure_repro.grading.__main__ import main
from tests.grading.conftest import DATA

NESTED = {  # what each recursion of the normaliser, the parser and the whitelist follows
    "carets": "^" * 500,
    "underscores": "_" * 500,
    "scripts": "x^_" * 200,
    "roots": "\\sqrt" * 300 + "2",
    "fractions": "\\frac" * 300,
    "braced fractions": "\\frac{" * 300 + "1" + "}" * 300,
    "functions": "\\sin" * 300 + "x",
    "minus signs": "-" * 1500 + "1",
    "powers": "2^{" * 39 + "2" + "}" * 39,
    "sets": "\\{" * 39 + "1" + "\\}" * 39,
    "points": "(1," * 39 + "1" + ")" * 39,
    "braces": "{" * 39 + "1" + "}" * 39,
    "memberships": "x\\in" * 400 + "2",
    "equations": "x=" * 900 + "2",
    "choices": "(A)" * 600,
    "bars": "|" * 1999,
    "signs": "\\pm" * 600,
    "text": "\\text{" * 39 + "a" + "}" * 39,
    "accents": "\\hat" * 400 + "x",
    "primes": "f" + "'" * 1900,
}
NO_TEXT = [None, 5, 2.5, b"5", [], {}, object()]


def at_depth(frames: int, statuses: list[str]) -> None:
    """Grade every nested answer from ``frames`` deeper."""
    if frames:
        return at_depth(frames - 1, statuses)
    responses = [r"\boxed{7}", *(rf"\boxed{{{text}}}" for text in NESTED.values()), r"\boxed{\sqrt{8}}"]
    references = ["7", *["5"] * len(NESTED), r"2\sqrt{2}"]
    statuses += [verdict.status for verdict in grade_many(responses, references)]
    for text in NESTED.values():
        assert not answers_match(text, "5") and not answers_match("5", text)
    return None


@pytest.mark.parametrize("frames", [0, 150, 500])
def test_nested_answers_cost_only_themselves(frames: int) -> None:
    statuses: list[str] = []
    at_depth(frames, statuses)
    assert statuses[0] == statuses[-1] == "correct"
    assert set(statuses[1:-1]) <= {"wrong", "unparsable", "no_answer"}, dict(zip(NESTED, statuses[1:], strict=False))


def test_what_is_no_text_gets_a_verdict() -> None:
    for thing in NO_TEXT:
        assert grade(thing, "5").status == "no_answer"
        assert extract_answer(thing) is None and not answers_match(thing, "x")
    assert [grade(r"\boxed{5}", thing).status for thing in NO_TEXT] == [
        "bad_reference", "correct", "wrong", "bad_reference", "bad_reference", "bad_reference", "bad_reference",
    ]  # fmt: skip
    verdicts = grade_many([None, r"\boxed{5}", r"\boxed{5}"], ["5", 5, None])
    assert [verdict.status for verdict in verdicts] == ["no_answer", "correct", "bad_reference"]


def test_huge_and_broken_text_gets_a_verdict() -> None:
    for text in ("7" * 10_000_000, "\ud800", "5\udfff"):
        assert not grade(rf"\boxed{{{text}}}", "5").correct and not answers_match("5", text)
    for text in ("7" * 50_000, "{" * 50_000, "x+" * 20_000, "\ud800", "5\udfff"):
        assert not grade(rf"\boxed{{{text}}}", "5", "published").correct
        assert not answers_match("5", text, "published")


@pytest.mark.parametrize(
    "reference", [r"\sum_{k=1}^n k", "???", "(5", r"\frac{1}{0}", r"\int_0^1 x\,dx", "", r"\{1, \lim x\}", "5_4_3"]
)
def test_an_unreadable_reference_has_a_status_of_its_own(reference: str) -> None:
    verdict = grade(r"\boxed{5x}", reference)
    assert (verdict.status, verdict.correct) == ("bad_reference", False)
    if reference:
        assert answers_match(reference, reference), "its own text is still right"


@pytest.mark.parametrize("answer", [r"\sum_{k=1}^n k", "???", "(5", r"\frac{1}{0}"])
@pytest.mark.parametrize("reference", ["5", r"\sqrt{2}", "(1,2)", r"\text{east}"])
def test_an_unreadable_answer_is_not_the_references_fault(answer: str, reference: str) -> None:
    assert grade(rf"\boxed{{{answer}}}", reference).status in ("unparsable", "wrong")


def test_check_references(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "set.jsonl"
    rows = [{"answer": "5"}, {"answer": r"\sum_k k"}, {"answer": ["1", "(2"]}, {"reference": 7}, {"answer": None}]
    path.write_text("\n".join(map(json.dumps, rows)))
    assert main(["check-references", str(path)]) == 1
    printed = capsys.readouterr().out
    assert r"line 2: \sum_k k (\sum is not in an answer's vocabulary)" in printed
    assert "line 3: (2 (a bracket is not closed)" in printed and "line 5: None (no text)" in printed
    assert "3 of 6 references cannot be read." in printed and "line 1" not in printed
    path.write_text('[{"ref": "5"}]')
    assert main(["check-references", str(path)]) == 1
    assert f"{path}:1: no reference or answer or final_answer" in capsys.readouterr().err
    assert main(["check-references", str(path), "--column", "ref"]) == 0


def test_the_benchmarks_references_can_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    folder = DATA / "benchmarks"
    if not folder.is_dir():
        pytest.skip(f"no benchmark files in {folder}: set PURE_REPRO_DATA to the folder that holds benchmarks/")
    for name in ("math500", "aime24", "amc23", "olympiadbench", "gsm8k"):
        main(["check-references", str(folder / f"{name}.jsonl")])
    unreadable = [line for line in capsys.readouterr().out.splitlines() if line.startswith("line")]
    assert [line.rpartition("(")[2] for line in unreadable] == [
        r"\mho is not in an answer's vocabulary)",  # a function defined in the problem
        "',' is not in an answer's vocabulary)",  # an interval times t
    ]
