"""The three profiles, the command that compares them, and the yaml of each."""

import importlib.util
import inspect
import json
from pathlib import Path

import pytest
import yaml

from pure_repro.grading import PROFILES, answers_match, extract_answer, grade, grade_many
from pure_repro.grading.__main__ import main

ROOT = Path(__file__).parents[2]

PUBLISHED = [  # response, reference, accepted, what the harness does
    (r"so \boxed{27}", "27.0", True, "box"),
    ("The answer is 27.", "27.0", True, "a phrase instead of a box"),
    ("We get 3 and then 27", "27.0", True, "the last number"),
    ("We get 27 in 3 steps", "27.0", False, "the last number, even a wrong one"),
    ("The total is 1,450", "1450", True, "commas removed"),
    (r"\boxed{27", "27", True, "an unclosed box"),
    (r"\boxed{0.5}", "50", True, "a hundredth"),
    (r"\boxed{5000}", "50", True, "a hundredfold"),
    (r"\boxed{5}", "50", False, "a tenth"),
    (r"\boxed{0.33333}", r"\frac{1}{3}", True, "within 1e-4 of the value"),
    (r"\boxed{0.333}", r"\frac{1}{3}", False, "not within 1e-4"),
    (r"\boxed{3.14159}", r"\pi", True, "a decimal of pi"),
    (r"\boxed{[1,2]}", "(1,2)", True, "lists one by one, brackets of any kind"),
    (r"\boxed{(1,2)}", "1,2", True, "brackets ignored"),
    (r"\boxed{12 cm}", "12", True, "unit words taken out"),
    (r"\boxed{12\text{ miles}}", "12", True, "text at the end taken out"),
    (r"\boxed{90^\circ}", "90", True, "degrees taken out"),
    (r"\boxed{x=5}", "5", True, "names taken out"),
    (r"\boxed{(C)}", "C", True, "a letter"),
    (r"\boxed{\frac12}", r"\frac{1}{2}", True, "fractions braced"),
    (r"\boxed{1/2}", r"\frac{1}{2}", True, "slashes as fractions"),
    (r"\boxed{2a+b=0}", "b+2a=0", True, "equations by their difference"),
    (r"\boxed{2x+1=0}", "1+2x=0", False, "x= is taken out of an equation, too"),
    (r"\boxed{\begin{pmatrix}1\\2\end{pmatrix}}", r"\begin{bmatrix}1\\2\end{bmatrix}", True, "matrices entry by entry"),
    (r"\boxed{\sqrt{8}}", r"2\sqrt{2}", True, "sympy"),
    ("nothing", "1", False, "no number at all"),
]


@pytest.mark.parametrize("response, reference, accepted, why", PUBLISHED, ids=[row[3] for row in PUBLISHED])
def test_published(response: str, reference: str, accepted: bool, why: str) -> None:
    assert grade(response, reference, "published").correct == accepted


def test_profiles_part_where_they_should() -> None:
    """What makes published numbers higher: no box needed, percent leniency, tolerance."""
    responses = ["The answer is 27.", r"\boxed{0.5}", r"\boxed{0.33333}", r"\boxed{7}"]
    references = ["27", "50", r"\frac{1}{3}", "7"]
    strict = [verdict.correct for verdict in grade_many(responses, references)]
    published = [verdict.correct for verdict in grade_many(responses, references, "published")]
    assert (strict, published) == ([False, False, False, True], [True] * 4)


def test_an_unknown_profile_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"grading.profile: 'loose' is none of strict, published, math_verify\."):
        grade("1", "1", "loose")


def test_math_verify_is_a_second_opinion() -> None:
    pytest.importorskip("math_verify", reason="Math-Verify is not installed: pip install math-verify --no-deps")
    verdicts = grade_many([r"\boxed{\frac{2}{4}}", r"\boxed{3}", "none"], ["0.5", "4", "4"], "math_verify")
    assert [verdict.status for verdict in verdicts] == ["correct", "wrong", "no_answer"]


def test_disagree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [("The answer is 27.", "27"), (r"\boxed{7}", "7"), (r"\boxed{0.5}", "50")]
    path = tmp_path / "responses.jsonl"
    path.write_text("\n".join(json.dumps({"response": a, "reference": b}) for a, b in rows))
    assert main(["disagree", str(path), "--profiles", "strict", "published"]) == 0
    printed = capsys.readouterr().out
    assert "line 1: reference 27" in printed and "line 3: reference 50" in printed and "line 2" not in printed
    assert "2 of 3 responses differ." in printed


@pytest.mark.parametrize("line", ["not json", "[]", '{"response": "1"}', '{"response": 1, "reference": "1"}'])
def test_a_malformed_line_is_named(line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "responses.jsonl"
    path.write_text('{"response": "1", "reference": "1"}\n' + line)
    assert main(["disagree", str(path)]) == 1
    assert f"{path}:2:" in capsys.readouterr().err


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_has_a_yaml_that_the_functions_take(profile: str) -> None:
    settings = yaml.safe_load((ROOT / "conf" / "grading" / f"{profile}.yaml").read_text())
    assert settings["profile"] == profile
    if profile != "math_verify" or importlib.util.find_spec("math_verify"):
        assert answers_match("$1$", "1", **settings)
    assert settings.keys() <= inspect.signature(grade_many).parameters.keys()
    if profile == "strict":  # the defaults of the functions are this yaml
        defaults = {name: inspect.signature(grade_many).parameters[name].default for name in settings}
        assert settings == defaults
    assert {path.stem for path in (ROOT / "conf" / "grading").glob("*.yaml")} == set(PROFILES)


def test_extraction_differs_by_profile() -> None:
    response = "First 12, then 13."
    assert extract_answer(response) is None
    assert extract_answer(response, "published") == "13"
