"""Choosing among kept responses: estimates against enumeration, real outputs by hand, the command."""

import json
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest
from reward_models import SHARED, Pooling, pooling, served

from pure_repro.credit.min import min as softmin_form
from pure_repro.launch.commands import composed_for
from pure_repro.score.__main__ import main
from pure_repro.score.choose import letter_by_letter
from pure_repro.score.choosing import aggregated, best_of, groups_of, vote
from pure_repro.score.estimators import pass_at
from pure_repro.score.generations import write_lines

SCORES, RIGHT = [0.9, 0.1, 0.5, 0.5, -0.3], [False, True, True, False, True]


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_the_best_of_n_is_the_mean_over_all_ways_to_draw_n(n):
    def of(drawn: tuple[int, ...]) -> float:
        top = max(SCORES[i] for i in drawn)
        best = [RIGHT[i] for i in drawn if SCORES[i] == top]
        return sum(best) / len(best)

    every = [of(drawn) for drawn in combinations(range(5), n)]
    assert best_of(n, SCORES, RIGHT) == pytest.approx(sum(every) / len(every))


def test_a_vote_among_some_is_near_the_mean_over_all_ways():
    groups, weights = [0, 1, 1, 0, 2], [1.0] * 5
    right = [True, False, False, True, False]

    def of(drawn: tuple[int, ...]) -> bool:
        counted = Counter(groups[i] for i in drawn)
        most = max(counted.values())
        return next(right[i] for i in drawn if counted[groups[i]] == most)

    every = [of(drawn) for drawn in combinations(range(5), 3)]
    assert vote(3, groups, weights, right, orders=2000) == pytest.approx(sum(every) / len(every), abs=0.04)
    assert vote(5, groups, weights, right, orders=1) == 1.0, "of equally many the one that was said first"
    assert vote(5, groups, [0.1, 0.9, 0.9, 0.1, 0.0], right, orders=1) == 0.0


def test_the_minimum_is_the_credit_forms_own():
    scores = [0.9, 0.8, -0.5, 0.7]
    import torch

    returns = softmin_form(torch.tensor([scores]), torch.ones(1, 4, dtype=torch.bool), temperature=0.1)
    assert aggregated(scores, "min", 0.1) == pytest.approx(returns[0, 0].item(), abs=1e-6)


def test_fifty_real_problems_by_hand():
    """Eight outputs of a real model to each of fifty problems of MATH, scored by a real outcome reward model."""
    file = SHARED / "rm_outputs_first50.jsonl"
    if not file.exists():
        pytest.skip(f"{file} is not here: nothing was chosen among real outputs")
    problems = [json.loads(line) for line in file.read_text().splitlines()]
    by_hand = {"best": 0, "majority": 0, "pass": 0}
    found = {"best": 0.0, "majority": 0.0, "pass": 0.0}
    for problem in problems:
        right, scores = problem["score"], [score for [score] in problem["pred_score"]]
        by_hand["best"] += right[scores.index(max(scores))]
        by_hand["majority"] += right[problem["pred"].index(Counter(problem["pred"]).most_common(1)[0][0])]
        by_hand["pass"] += any(right)
        found["best"] += best_of(8, scores, right)
        found["majority"] += vote(8, groups_of(problem["pred"], letter_by_letter), [1.0] * 8, right, orders=1)
        found["pass"] += pass_at(8, sum(right), 8)
    assert by_hand == {"best": 48, "majority": 48, "pass": 49} and len(problems) == 50
    assert found == pytest.approx(by_hand)


# Four responses to each of two problems: what is answered, and the probabilities that the served model gives the steps.
RESPONSES = {
    "2 + 3?": [("5", [0.9, 0.8]), ("6", [0.9, 0.6]), ("6", [0.9, 0.7]), ("5.0", [0.2, 0.9])],
    "1 + 1?": [("3", [0.9, 0.9]), ("2", [0.8, 0.8]), ("2", [0.4, 0.4]), (None, [0.9])],
}
ANSWERS = {"2 + 3?": "5", "1 + 1?": "2"}


@pytest.fixture
def scored(tmp_path: Path) -> Path:
    """A folder as stage ``score`` leaves it, with four responses to each problem."""
    rows, verdicts = [], []
    for question, responses in RESPONSES.items():
        for sample, (said, steps) in enumerate([(None, [0.1]), *responses]):
            text = "\n\n".join(f"so [{p}]" for p in steps)
            plan = "sampled" if sample else "greedy"
            rows.append({"checkpoint": "last", "set": "sums", "plan": plan, "problem": question, "question": question})
            rows[-1] |= {"answer": ANSWERS[question], "response": text, "sample": sample}
            right = said is not None and float(said) == float(ANSWERS[question])
            verdicts.append({"status": "correct" if right else "wrong", "answer": said, "reason": ""})
    write_lines(tmp_path / "generations.jsonl.gz", rows)
    write_lines(tmp_path / "verdicts.jsonl.gz", verdicts)
    grading = composed_for_grading()
    (tmp_path / "config.yaml").write_text(json.dumps({"grading": grading, "score": {"benchmarks": []}}))
    return tmp_path


def composed_for_grading() -> dict:
    from pure_repro.launch.compose import composed

    return composed([]).grading.model_dump(exclude={"workers"})


def test_the_command_chooses_and_asks_the_model_once(scored, capsys):
    with pooling() as url:
        assert main(["choose", str(scored), *served(url)]) == 0, capsys.readouterr().err
        asked = len(Pooling.seen)
        assert main(["choose", str(scored), *served(url), "aggregates=[min_strict,last]", "same=string"]) == 0
        assert len(Pooling.seen) == asked == 8, "step scores are kept: another aggregate costs nothing"
    [folder] = (scored / "choose").iterdir()
    at = {one["way"]: one["at"] for one in json.loads((folder / "curves.json").read_text())}
    # by the lowest step: the first response to 2 + 3 is best and right; to 1 + 1 two are equal, and neither is
    assert at["best by min_strict"]["4"][0] == pytest.approx((1 + 0) / 2)
    # by the last step: the fourth to 2 + 3 is right, and to 1 + 1 the same two are equal
    assert at["best by last"]["4"][0] == pytest.approx((1 + 0) / 2)
    assert at["best by last"]["1"][0] == pytest.approx((2 / 4 + 2 / 4) / 2), "one of one is the mean"
    # letter by letter 6 leads with two votes, and 2 with two
    assert at["majority"]["4"][0] == pytest.approx((0 + 1) / 2)
    assert at["pass"]["4"][0] == 1
    assert "letter by letter" in capsys.readouterr().out


def test_votes_by_the_rules_of_the_score(scored, capsys):
    with pooling() as url:
        assert main(["choose", str(scored), *served(url), "aggregates=[min_strict]"]) == 0, capsys.readouterr().err
    [folder] = (scored / "choose").iterdir()
    at = {one["way"]: one["at"] for one in json.loads((folder / "curves.json").read_text())}
    assert at["majority"]["4"][0] == 1, "5 and 5.0 are one answer, said first"
    # weights are the lowest P: 0.8 + 0.2 for 5 against 0.6 + 0.7 for 6; 0.9 for 3 against 0.8 + 0.4 for 2
    assert at["majority, weighed by min_strict"]["4"][0] == pytest.approx((0 + 1) / 2)


def test_mistakes_are_one_sentence(scored, tmp_path, capsys):
    words = ["prm=endpoint", "prm.url=http://127.0.0.1:1/", "prm.model=m"]
    assert main(["choose", str(scored), *words, "aggregates=[median]"]) == 2
    assert "aggregates" in capsys.readouterr().err
    assert main(["choose", str(tmp_path / "nowhere"), *words]) == 2
    assert "is missing: name the folder of a finished stage score" in capsys.readouterr().err


def test_every_aggregate_is_in_the_yaml():
    from typing import get_args

    from pure_repro.config import Aggregate, Chosen

    assert set(composed_for("choose", Chosen, ["prm.path=x"]).aggregates) == set(get_args(Aggregate))
