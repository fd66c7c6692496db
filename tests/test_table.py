"""Tables of any runs: of a sweep with a job that failed, and of whatever a store holds, told apart by what varies."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from project import ROOT
from stage_folders import write_cells

from pure_repro.config import ConfigError
from pure_repro.report import Report
from pure_repro.table import by_keys, by_sweep, table_request

RISES, FALLS = (0.3, 0.5, 0.7, 0.8, 0.86, 0.89, 0.9), (0.3, 0.4, 0.02, 0.0, 0.0)
FORMS = {"min": RISES, "sum": FALLS}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two credit forms at two seeds, and a sweep of them in which a third form failed."""
    store: Path = tmp_path_factory.mktemp("runs") / "store"
    cells = write_cells(store, [1, 2], FORMS, base=False)
    jobs = [job({"credit": c.row, "seed": str(c.seed)}, {s: path.name for s, path in c.stages.items()}) for c in cells]
    jobs.append(job({"credit": "mean", "seed": "2"}, {}) | {"status": "failed", "reason": "its gate is closed"})
    record = {"name": "credit-1", "words": [], "varies": ["credit", "seed"], "store": "../..", "jobs": jobs}
    folder = store / "sweeps" / "credit-1"
    folder.mkdir(parents=True)
    (folder / "sweep.json").write_text(json.dumps(record))
    for cell in cells:  # the stages in the shape of the real ones: what made them, and from what
        assert cell.train and cell.score
        credit = {"credit": {"name": cell.row}} | ({"macro": {"name": "token"}} if cell.row == "sum" else {})
        change(cell.train, config={"seed": cell.seed, **credit}, inputs={"base": f"base{cell.seed}"})
        change(cell.score, config={"score": {"samples": 4}}, inputs={"train": cell.train.name})
    return store


def job(combination: dict[str, str], stages: dict[str, str]) -> dict[str, Any]:
    return {"combination": combination, "stages": stages, "status": "done", "reason": ""}


def change(folder: Path, **changes: Any) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def column(report: Report, name: str) -> dict[str, str]:
    return {line["arm"]: line[name] for line in report.table}


def test_a_sweep_in_one_table_whose_failed_job_says_so(store: Path) -> None:
    report, out = by_sweep(table_request(["sweep=credit-1", f"store={store}"]))
    assert out == store / "sweeps" / "credit-1" / "table"
    assert column(report, "seeds") == {"credit=min": "2", "credit=sum": "2", "credit=mean": "0 of 1"}
    assert column(report, "collapsed (at step)") == {"credit=min": "0/2", "credit=sum": "2/2 (20)", "credit=mean": "–"}
    assert column(report, "reached the level (at step)")["credit=min"].startswith("2/2 (")
    assert {path.name for path in out.iterdir()} == {"table.md", "table.csv", "curves.png", "manifest.json"}
    assert "- credit=mean, seed 2: its gate is closed" in (out / "table.md").read_text()


def test_finished_runs_are_the_same_table_without_a_sweep(store: Path, tmp_path: Path) -> None:
    words = [f"store={store}", f"out={tmp_path}"]
    of_sweep, _ = by_sweep(table_request(["sweep=credit-1", *words]))
    report, _ = by_keys(table_request(["where=credit=min,sum", "by=credit", *words]))
    assert report.table == of_sweep.table[:2]
    alone, _ = by_keys(table_request(["where=credit=sum seed=2", *words]))
    assert [line["seeds"] for line in alone.table] == ["1"]
    guessed, _ = by_keys(table_request(["where=score.samples=4", *words]))
    assert guessed.table == report.table, "what varies is found, and macro, which goes with the credit form, is no more"


def test_runs_of_two_stores_stand_in_one_table(store: Path, tmp_path: Path) -> None:
    third = next(c for c in write_cells(tmp_path / "other", [3], {"min": RISES}, base=False))
    assert third.train and third.score
    change(third.train, config={"seed": 3, "credit": {"name": "min"}}, inputs={"base": "base3"})
    change(third.score, config={"score": {"samples": 4}}, inputs={"train": third.train.name})
    report, _ = by_keys(table_request(["by=credit", f"store={store},{tmp_path / 'other'}", f"out={tmp_path / 'out'}"]))
    assert column(report, "seeds") == {"credit=min": "3", "credit=sum": "2"}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "name the runs by sweep=<name>"),
        (["sweeps=x"], "sweeps=x is nothing to make a table of"),
        (["sweep=x"], "there are credit-1"),
        (["where=credit=mean"], "none of 4 finished runs"),
        (["by=score.samples"], "differ in credit: add it to by="),
        (["by=credit", "level=high"], "level=high must be a share"),
    ],
)
def test_a_mistake_is_one_sentence(store: Path, tmp_path: Path, words: list[str], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence.replace("(", r"\(")):
        request = table_request([*words, f"store={store}", f"out={tmp_path}"])
        by_sweep(request) if request.sweep else by_keys(request)


def test_the_command_prints_the_table_without_torch(store: Path, tmp_path: Path) -> None:
    program = (
        "import sys; sys.argv = ['table', *sys.argv[1:]]; from pure_repro.table import main; "
        "assert main() == 0; print('torch' in sys.modules)"
    )
    words = ["sweep=credit-1", f"store={store}", f"out={tmp_path}"]
    run = subprocess.run(
        [sys.executable, "-c", program, *words], env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[-1] == "False" and f"{tmp_path}/table.csv" in run.stdout


def test_a_grid_of_ones_own_is_read_from_anywhere(tmp_path: Path) -> None:
    from pure_repro.report import read_experiment

    cells = {"min": {"overrides": ["credit=min"]}, "sum": {"label": "the sum", "overrides": ["credit=sum"]}}
    (tmp_path / "cells.yaml").write_text(yaml.safe_dump(cells))
    experiment = read_experiment(tmp_path)
    assert (experiment.name, experiment.about.claims, experiment.expected) == (tmp_path.name, (), {})
    claim = {"statement": "It is higher", "measure": "sampled_last", "row": "min", "than": "mean"}
    for change, sentence in (
        ({"refrence": "min"}, "refrence: Extra inputs are not permitted: take some of title, reference"),
        ({"reference": "mean"}, "mean is no row: take one of min, sum"),
        ({"claims": [claim]}, "is decided by rule compare, whose keys are measure, row, than, side, by"),
        ({"claims": [claim | {"side": "higher", "by": 0}]}, "speaks of mean, which is no row"),
    ):
        (tmp_path / "claims.yaml").write_text(yaml.safe_dump(change))
        with pytest.raises(ConfigError, match=sentence):
            read_experiment(tmp_path)
    (tmp_path / "cells.yaml").write_text("min: credit=min")
    with pytest.raises(ConfigError, match="min needs overrides, a list of key=value"):
        read_experiment(tmp_path)
