"""Reports from synthetic stage folders: intervals against closed forms, verdicts in both directions, equal bytes."""

import csv
import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from math import inf
from pathlib import Path

import numpy as np
import pytest
from stage_folders import CURVES, record, write_cells

from pure_repro.report import About, Experiment, read_experiment, write_report
from pure_repro.report.claims import claim_verdict, collapses_early, fewer_steps, leads, outlives, saves
from pure_repro.report.milestones import steps_to_reach, way_it_broke
from pure_repro.report.results import Results, read_results
from pure_repro.score.intervals import Interval, crossed_bootstrap, mean_accuracy, over_seeds, paired_difference, wilson

ROOT = Path(__file__).parents[1]
TABLE1 = read_experiment(ROOT / "experiments" / "table1")
NEGATIVES = read_experiment(ROOT / "experiments" / "prm_negatives")
ROWS, GRID, EXPECTED = TABLE1.rows, NEGATIVES.rows, TABLE1.expected
ZERO_STEP = ("empty answers", "nothing but fillers", "early ends")
BEST = (0.3, 0.5, 0.7, 0.8, 0.86, 0.89, 0.9)
COLLAPSE = (0.3, 0.4, 0.02, 0.0, 0.0)


# Intervals


def test_bootstrap_width_is_that_of_a_binomial_when_only_problems_vary() -> None:
    right = (np.arange(400) < 240).astype(float)[None]
    estimate, low, high = crossed_bootstrap([right])
    assert estimate == 0.6
    assert high - low == pytest.approx(2 * 1.96 * (0.6 * 0.4 / 400) ** 0.5, rel=0.08)


def test_bootstrap_does_not_take_seeds_that_share_problems_for_more_problems() -> None:
    right = (np.arange(100) < 60).astype(float)[None]
    one = crossed_bootstrap([right])
    five = crossed_bootstrap([np.repeat(right, 5, axis=0)])
    assert five.high - five.low == pytest.approx(one.high - one.low, rel=0.08)


def test_bootstrap_sees_seeds_that_differ_where_problems_do_not() -> None:
    right = np.repeat([[1.0], [0.0]], 50, axis=1)
    assert crossed_bootstrap([right]) == Interval(0.5, 0.0, 1.0)


def test_average_gives_every_set_the_same_weight() -> None:
    assert crossed_bootstrap([np.ones((2, 10)), np.zeros((2, 90))]).estimate == 0.5


def test_wilson_against_published_values() -> None:
    # Newcombe 1998, Statistics in Medicine 17, Table I, method 3: 81 of 263 and 0 of 20.
    assert wilson(81, 263)[1:] == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0, 20)[1:] == pytest.approx((0.0, 0.1611), abs=5e-5)


def test_student_interval_of_paired_differences() -> None:
    # differences 1, 2, 3: mean 2, s = 1, t₂(0.975) = 4.3027
    assert paired_difference([2.0, 4.0, 6.0], [1.0, 2.0, 3.0]) == pytest.approx(
        (2, 2 - 4.3027 / 3**0.5, 2 + 4.3027 / 3**0.5), abs=1e-3
    )
    with pytest.raises(ValueError):
        paired_difference([1.0], [])


def test_one_seed_has_no_interval_and_decides_nothing() -> None:
    assert over_seeds([0.7])[1:] == (-inf, inf)
    assert claim_verdict(over_seeds([0.7]), 0.0) == "cannot tell"
    assert claim_verdict(wilson(1, 1), 0.5) == "cannot tell"


def covers(draw: Callable[[], list[np.ndarray]], truth: float, repetitions: int = 400) -> float:
    """The share of simulated scores whose interval holds the truth."""
    intervals = [mean_accuracy(draw()) for _ in range(repetitions)]
    return float(np.mean([low - 1e-9 <= truth <= high + 1e-9 for _, low, high in intervals]))


@pytest.mark.parametrize("problems", [3, 10, 40])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_the_interval_of_an_average_covers_whether_few_or_many_answers_are_right(problems: int, share: float) -> None:
    rng = np.random.default_rng(problems)
    assert covers(lambda: [(rng.random((1, problems)) < share) * 1.0 for _ in range(5)], share) >= 0.91


@pytest.mark.parametrize(("a", "b"), [(0.05, 1.0), (0.5, 0.5), (3.0, 0.3)])
@pytest.mark.parametrize("problems", [3, 40])
def test_it_covers_for_the_mean_of_samples_of_problems_that_differ(problems: int, a: float, b: float) -> None:
    rng = np.random.default_rng(problems)

    def draw() -> list[np.ndarray]:
        return [rng.binomial(4, rng.beta(a, b, (1, problems))) / 4 for _ in range(5)]

    assert covers(draw, a / (a + b)) >= 0.91


@pytest.mark.parametrize("seeds", [2, 5])
def test_it_covers_over_seeds_that_differ_and_share_their_problems(seeds: int) -> None:
    rng = np.random.default_rng(seeds)

    def draw() -> list[np.ndarray]:
        effect = rng.normal(0, 0.1, (seeds, 1))  # of a training on every problem
        return [rng.binomial(4, np.clip(0.5 + effect + rng.normal(0, 0.1, (1, 40)), 0, 1)) / 4 for _ in range(5)]

    assert covers(draw, 0.5) >= 0.93


# Sets of different sizes of which some come out all alike: few problems of a small one beside many of others.
MIXED = {
    "a small set mostly right": ([0.95, 0.5], [5, 200]),
    "a small set mostly wrong": ([0.05, 0.5], [8, 200]),
    "one of five, the others nearly perfect": ([0.05, 0.99, 0.99, 0.99, 0.99], [3, 40, 40, 40, 40]),
    "one of five, the others hopeless": ([0.5, 0.0, 0.0, 0.0, 0.0], [3, 40, 40, 40, 40]),
    "one of five, the others at half": ([0.1, 0.5, 0.5, 0.5, 0.5], [3, 100, 100, 100, 100]),
    "both ends beside the middle": ([0.1, 0.9, 0.5], [3, 3, 100]),
    "all of three, most at an end": ([0.0, 0.0, 0.3, 1.0, 1.0], [3] * 5),
    "one problem beside many": ([0.3, 0.5], [1, 100]),
    "the paper's five sets": ([0.1, 0.5, 0.3, 0.7, 0.35], [30, 40, 272, 500, 675]),
}


@pytest.mark.parametrize("samples", [1, 4])
@pytest.mark.parametrize("case", MIXED)
def test_it_covers_where_some_sets_come_out_all_alike_and_others_do_not(case: str, samples: int) -> None:
    shares, sizes = MIXED[case]
    rng = np.random.default_rng(samples)

    def problems(share: float, size: int) -> np.ndarray:
        """The chance of each problem; of one answer to each only the mean counts."""
        ends = share in (0, 1) or samples == 1
        return np.full((1, size), share) if ends else rng.beta(share, 1 - share, (1, size))

    def draw() -> list[np.ndarray]:
        return [rng.binomial(samples, problems(*one)) / samples for one in zip(shares, sizes, strict=True)]

    assert covers(draw, float(np.mean(shares))) >= 0.91


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_an_average_of_answers_that_are_all_alike_has_an_interval_no_narrower_than_all_of_them_allow(value) -> None:
    average, one = (mean_accuracy([np.full((1, 3), value)] * sets) for sets in (5, 1))
    assert average.high - average.low == pytest.approx(wilson(0, 3).high / 5**0.5)
    assert average.high - average.low > wilson(0, 15).high
    assert one.high - one.low == pytest.approx(wilson(0, 3).high) and round(wilson(0, 3).high, 3) == 0.561


# Milestones


def test_first_crossing_counts_even_if_the_curve_falls_back() -> None:
    assert steps_to_reach([0, 10, 20, 30], [0.2, 0.6, 0.3, 0.7], 0.5) == 7.5


@pytest.mark.parametrize(
    ("last", "way"),
    [
        ({"sampled": 0.2}, "unbroken"),
        ({"sampled": 0.1, "empty": 0.9, "no_answer": 0.9}, "empty answers"),
        ({"sampled": 0.0, "filler": 0.6, "truncated": 0.9, "steps": 40.0, "no_answer": 1.0}, "endless fillers"),
        ({"sampled": 0.0, "filler": 1.0, "steps": 1.0, "no_answer": 1.0}, "nothing but fillers"),
        ({"sampled": 0.1, "skipped": 0.9}, "skipped steps"),
        ({"sampled": 0.0, "no_answer": 0.99, "skipped": 1.0, "steps": 1.0}, "early ends"),  # 1 % answer, and skip
        ({"sampled": 0.0, "no_answer": 0.99, "truncated": 0.97}, "endless fillers"),
        ({"sampled": 0.0}, "wrong answers"),
    ],
)
def test_way_it_broke(last: dict[str, float], way: str) -> None:
    assert way_it_broke([record(0, 0.3), record(10, 0.4), record(20, 0.3) | last]) == way


# Claims: each decided both ways, and left open by one seed


def arms(tmp_path: Path, seeds: int, **curves: tuple[float, ...]) -> Results:
    return read_results(write_cells(tmp_path, range(1, seeds + 1), CURVES | curves), TABLE1)


@pytest.mark.parametrize(("curve", "verdict"), [(COLLAPSE, "holds"), (BEST, "does not hold here")])
def test_sum_collapses_early(tmp_path: Path, curve: tuple[float, ...], verdict: str) -> None:
    assert collapses_early(arms(tmp_path, 5, prm_sum=curve), row="prm_sum").verdict == verdict


def test_a_late_collapse_is_not_early(tmp_path: Path) -> None:
    results = arms(tmp_path, 5, prm_sum=(0.3, 0.4, 0.5, 0.5, 0.4, 0.0, 0.0))
    claim = collapses_early(results, row="prm_sum")
    assert claim.verdict == "does not hold here"
    assert "50, 50, 50, 50, 50" in claim.figures


@pytest.mark.parametrize(
    ("min_curve", "sum_curve", "verdict"),
    [(BEST, COLLAPSE, "holds"), (COLLAPSE, BEST, "does not hold here"), (BEST, BEST, "cannot tell")],
)
def test_min_lasts_longer(tmp_path: Path, min_curve, sum_curve, verdict: str) -> None:
    results = arms(tmp_path, 5, pure_prm=min_curve, prm_sum=sum_curve)
    assert outlives(results, row="pure_prm", than="prm_sum").verdict == verdict


def test_min_that_collapses_with_sum_does_not_last_longer(tmp_path: Path) -> None:
    claim = outlives(arms(tmp_path, 5, pure_prm=COLLAPSE, prm_sum=COLLAPSE), row="pure_prm", than="prm_sum")
    assert claim.verdict == "cannot tell" and claim.evidence.leaning == "neither"
    assert "outlived *PRM, sum* in 0 of 5 seeds, the other way round in 0" in claim.figures


@pytest.mark.parametrize(
    ("curve", "verdict"),
    [(BEST, "holds"), (tuple(0.6 * a for a in BEST), "does not hold here"), (CURVES["pure_vr"], "cannot tell")],
)
def test_fewer_steps(tmp_path: Path, curve: tuple[float, ...], verdict: str) -> None:
    claim = fewer_steps(arms(tmp_path, 5, pure_prm=curve), row="pure_prm", than="pure_vr")
    assert claim.verdict == verdict
    assert ("not reached" in claim.figures) == (verdict != "holds")


def test_equal_ratios_of_three_seeds_decide_though_three_of_three_seeds_would_not(tmp_path: Path) -> None:
    assert claim_verdict(wilson(3, 3), 0.5) == "cannot tell"
    assert fewer_steps(arms(tmp_path, 3), row="pure_prm", than="pure_vr").verdict == "holds"


def rescored(results: Results, row: str, share: float) -> None:
    """Make every answer of a row right with this share, spread evenly, and a little different by seed."""
    for cell in results.cells[row]:
        assert cell.score is not None
        path = cell.score / "scores.json"
        scores = json.loads(path.read_text())
        for sets in scores["checkpoints"].values():
            for one in sets.values():
                flat = [int((i * 0.618 + 0.01 * cell.seed) % 1 < share) for i in range(160)]
                one["sampled"] = [flat[i : i + 4] for i in range(0, 160, 4)]
        path.write_text(json.dumps(scores))


@pytest.mark.parametrize(
    ("mixed", "verdict"), [(0.95, "holds"), (0.7, "does not hold here"), (0.8, "does not hold here")]
)
def test_tenth_makes_it_best(tmp_path: Path, mixed: float, verdict: str) -> None:
    results = arms(tmp_path, 5)
    for row, share in {"pure_prm_vr": mixed, "pure_prm": 0.8, "pure_vr": 0.75}.items():
        rescored(results, row, share)
    assert leads(results, row="pure_prm_vr", over=["pure_prm", "pure_vr"], by=0.01).verdict == verdict


def test_tenth_prevents_zero_steps(tmp_path: Path) -> None:
    results = arms(tmp_path, 5, pure_prm=COLLAPSE)

    def verdict() -> str:
        return saves(results, row="pure_prm_vr", than="pure_prm", ways=ZERO_STEP).verdict

    assert verdict() == "cannot tell"  # collapsed, but by endless fillers
    for run in results.trainings["pure_prm"]:
        run.validation[-1] |= {"empty": 1.0}
    assert verdict() == "holds"
    for run in results.trainings["pure_prm_vr"]:
        run.validation[-1] |= {"sampled": 0.0, "empty": 1.0}
    assert verdict() == "does not hold here"


# Whole reports


def test_table1_is_complete_and_the_same_bytes_again(tmp_path: Path) -> None:
    cells = write_cells(tmp_path / "store", [1, 2, 3])
    glance = write_report(cells, TABLE1, tmp_path / "a").table
    write_report(list(reversed(cells)), TABLE1, tmp_path / "b")
    names = {"table.md", "table.csv", "claims.md", "curves.png", "manifest.json"}
    assert {file.name for file in (tmp_path / "a").iterdir()} == names
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name

    assert [line["arm"] for line in glance] == [row["label"] for row in ROWS.values()]
    table = (tmp_path / "a/table.md").read_text()
    assert "| never |" in table and "| 3/3 (20) | 0/3 |" in table and "| 48.28 |" in table and "48 of the 83" in table
    assert str(tmp_path) not in table + (tmp_path / "a/manifest.json").read_text()

    with (tmp_path / "a/table.csv").open() as file:
        rows = list(csv.DictReader(file))
    pooled = next(r for r in rows if (r["row"], r["measure"], r["seed"]) == ("prm_sum", "sampled_last", "all"))
    assert pooled["value"] == "0"
    never = [r["value"] for r in rows if r["row"] == "pure_prm" and r["measure"] == "collapsed_at"]
    assert never == ["", "", "", ""], "in three seeds, and over them"

    manifest = json.loads((tmp_path / "a/manifest.json").read_text())
    assert len(manifest["cells"]) == 21
    assert manifest["cells"][0] == {"row": "base", "seed": 1, "base": "base1", "score": "base1"}
    assert len(manifest["environments"]) == 1
    assert manifest["seconds"] == 12.5 * len(manifest["stages"]) == 12.5 * (3 + 3 + 18 + 21)  # shared stages count once


def test_scores_are_read_as_they_were_written(tmp_path: Path) -> None:
    cell = next(c for c in write_cells(tmp_path, [4]) if c.row == "pure_vr")
    scores = json.loads((cell.score / "scores.json").read_text())["checkpoints"]["last"]
    mean = np.mean([np.mean(one["sampled"]) for one in scores.values()])
    assert cell.average("last", "sampled") == pytest.approx(mean)


def test_a_right_answer_with_a_wrong_step_is_counted(tmp_path: Path) -> None:
    cells = write_cells(tmp_path, [1], {"pure_vr": (0.3, 0.5)})
    assert [cell.flawed("chosen") for cell in cells] == [[False, True], [False, True]]


def test_one_seed_says_so(tmp_path: Path) -> None:
    write_report(write_cells(tmp_path / "store", [7]), TABLE1, tmp_path)
    assert "one seed says nothing about other seeds" in (tmp_path / "table.md").read_text()
    claims = (tmp_path / "claims.md").read_text()
    assert "**holds**" not in claims and "**does not hold here**" not in claims


def test_prm_negatives(tmp_path: Path) -> None:
    curves = {row: COLLAPSE if row in ("none_min", "zero_step_sum") else BEST for row in GRID}
    cells = write_cells(tmp_path / "store", [1, 2, 3], curves, base=False)
    table = write_report(cells, NEGATIVES, tmp_path / "a").table
    write_report(cells, NEGATIVES, tmp_path / "b")
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()
    assert (tmp_path / "a" / "grid.png").exists()
    broken = {line["arm"] for line in table if "unbroken" not in line["how it broke"]}
    assert broken == {"no negatives, min", "zero-step negatives, sum"}
    claims = (tmp_path / "a/claims.md").read_text()
    said = [line.split("|")[2].strip() for line in claims.splitlines() if "ends higher than sum |" in line]
    assert said == ["**does not hold here**", "**holds**", "**cannot tell**"]


# The committed cells and expectations


def test_readme_shows_the_committed_table() -> None:
    table = (ROOT / "results" / "table1" / "table.md").read_text()
    glance = table[table.index("| arm |") : table.index("## Every set")].strip()
    assert glance in (ROOT / "README.md").read_text()


def test_published_averages() -> None:
    slips = []
    for row in EXPECTED["rows"]:
        *scores, average, recomputed = row["values"]
        assert recomputed == pytest.approx(sum(scores) / 5, abs=0.005)
        if abs(average - sum(scores) / 5) > 0.0501:
            slips.append(row["label"])
    assert slips == ["Qwen2.5-Math-7B, PURE-PRM"]


def test_published_scores_are_counts_of_problems() -> None:
    odd = [
        (row["label"], name)
        for row in EXPECTED["rows"]
        for (name, count), score in zip(EXPECTED["problems"].items(), row["values"], strict=False)
        if abs(round(score * count / 100) * 100 / count - score) > 0.051
    ]
    assert odd == [("Qwen2.5-Math-7B, Eurus-2-7B-PRIME", "AMC23")]


def test_zero_step_cells_are_those_of_table1() -> None:
    of_table1 = {tuple(row["overrides"]) for row in ROWS.values()}
    for row in GRID.values():
        assert (tuple(row["overrides"]) in of_table1) == (row["negatives"] == "zero_step")


@pytest.mark.parametrize("rows", [ROWS, GRID], ids=["table1", "prm_negatives"])
def test_every_cell_composes_to_what_it_says(rows: dict) -> None:
    from pure_repro.launch.compose import composed

    for name, row in rows.items():
        config = composed(row["overrides"])
        if rows is GRID:
            assert (config.prm.negatives, config.credit.name) == (row["negatives"], row["credit"])
            assert config.reward.name == "prm"
        elif name != "base":
            reward = {"pure_vr": "verifiable", "pure_prm_vr": "mixed_10", "prm_vr_sum": "mixed_10"}.get(name, "prm")
            assert config.reward.name == reward
            assert name == "pure_vr" or config.credit.name in name or (config.credit.name == "min" and "pure" in name)


# Any experiment

ABOUT = {
    "title": "A test",
    "reference": "pure_vr",
    "figures": {"steps": "steps per response", "reward/process": "process reward"},
    "claims": [
        {"statement": "Sum is worse", "paper": "so", "measure": "sampled_last", "row": "prm_sum", "than": "pure_vr"}
        | {"side": "lower", "by": 0.1},
        {"statement": "Sum is better", "paper": "so", "measure": "sampled_last", "row": "prm_sum", "than": "pure_vr"}
        | {"side": "higher", "by": 0},
        {"statement": "Min is faster", "paper": "so", "measure": "steps_to_level", "row": "pure_prm", "than": "pure_vr"}
        | {"side": "lower", "by": 0},
        {"statement": "Sum is faster", "paper": "so", "measure": "steps_to_level", "row": "prm_sum", "than": "pure_vr"}
        | {"side": "lower", "by": 0},
    ],
}
PUBLISHED = {"source": "A paper", "protocol": "greedy", "verified": "Read", "columns": ["x"], "notes": ["A note."]}
PUBLISHED["rows"] = [{"label": "base", "values": [1.5]}, {"label": "ours", "values": [None]}]
ANY = Experiment("any", ROWS, About.model_validate(ABOUT), PUBLISHED)


def test_a_level_of_nothing_is_reached_by_nobody(tmp_path: Path) -> None:
    cells = write_cells(tmp_path / "store", [1])
    steps = {
        level: read_results(
            cells, Experiment("any", ROWS, ANY.about.model_copy(update={"level": level}), PUBLISHED)
        ).measure("steps_to_level")["pure_vr"][1]
        for level in (0.0, 0.01)
    }
    assert steps[0.0] == math.inf and steps[0.01] < math.inf


def test_an_experiment_is_reported_the_same_way_whatever_it_is(tmp_path: Path) -> None:
    cells = write_cells(tmp_path / "store", range(1, 5))
    table = write_report(cells, ANY, tmp_path / "one").table
    assert [line["arm"] for line in table] == [row["label"] for row in ROWS.values()]
    assert table[0]["collapsed (at step)"] == "–" and table[4]["collapsed (at step)"] == "4/4 (20)"
    claims = (tmp_path / "one" / "claims.md").read_text()
    said = [line.split("|")[2].strip() for line in claims.splitlines() if line.startswith(("| Sum", "| Min"))]
    assert said == ["**holds**", "**does not hold here**", "**holds**", "**does not hold here**"]
    assert "Lower in 0 of 4 seeds." in claims, "a mark that is never reached has no mean"
    with (tmp_path / "one" / "table.csv").open() as file:
        lines = {(one["row"], one["measure"], one["seed"]): one["value"] for one in csv.DictReader(file)}
    assert lines["prm_sum", "steps_to_level", "1"] == "" and lines["base", "sampled_last", "all"]
    write_report(cells[::-1], ANY, tmp_path / "two")
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


def test_a_judge_is_reported_by_its_examination_and_reward_models_by_their_gates(tmp_path: Path) -> None:
    cells = write_cells(tmp_path / "store", [1])
    folder = next(cell.prm for cell in cells if cell.row == "prm_sum")
    assert folder is not None
    shutil.copytree(folder, tmp_path / "judge")
    examined = {"precision": 0.625, "recall": 0.75, "f1": 0.6818, "steps": 1360.0, "judge/asked": 200.0}
    (tmp_path / "judge" / "gate.json").write_text(json.dumps(examined | {"judge/malformed": 21.0}))
    cells = [replace(cell, prm=tmp_path / "judge") if cell.row == "prm_sum" else cell for cell in cells]
    write_report(cells, ANY, tmp_path / "out")
    written = (tmp_path / "out" / "table.md").read_text()
    assert "| seed 1, prm_sum | 62.5 % | 75.0 % | 68.2 % | 1360 | 21 of 200 |" in written
    assert written.count("| passed |") == 1, "the reward model that the other rows share"


def test_one_seed_of_an_experiment_decides_nothing(tmp_path: Path) -> None:
    write_report(write_cells(tmp_path / "store", [1]), ANY, tmp_path / "out")
    assert (tmp_path / "out" / "claims.md").read_text().count("| **cannot tell** |") == len(ABOUT["claims"])


@pytest.mark.parametrize("name", sorted(path.parent.name for path in (ROOT / "experiments").glob("*/claims.yaml")))
def test_an_experiment_speaks_of_its_own_rows(name: str, tmp_path: Path) -> None:
    experiment = read_experiment(ROOT / "experiments" / name)
    curves = {row: BEST for row in experiment.rows if row != "base"}
    cells = write_cells(tmp_path / "store", (1, 2), curves, base="base" in experiment.rows)
    write_report(cells, experiment, tmp_path / "out")
    assert (tmp_path / "out" / "claims.md").read_text().count("*Paper:*") == len(experiment.about.claims)
