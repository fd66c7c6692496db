"""A grid of one's own, outside the checkout: a row whose reward model fails its gate leaves the others their table."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import yaml
from project import SMOKE

from pure_repro.config import ConfigError
from pure_repro.launch.compose import composed
from pure_repro.launch.estimate import REFERENCE
from pure_repro.launch.plan import plan
from pure_repro.report import read_experiment
from pure_repro.reproduce import Planned, experiment_request, fill, missing_jobs, wall

GRID = {
    "verifiable": {"label": "by outcome", "overrides": ["reward=verifiable"]},
    "process": {"label": "by process", "overrides": ["reward=prm", "prm.gate.on_fail=stop"]},
}


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    path = tmp_path / "mine" / "grid.yaml"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump(GRID, sort_keys=False))
    return path


@pytest.mark.slow
def test_a_grid_of_ones_own_whose_one_row_fails(entry: Callable[..., CompletedProcess[str]], store: Path, grid: Path):
    out = grid.parent / "table"
    words = [str(grid), f"store={store}", f"out={out}", *SMOKE, "train.steps=1", "train.validate_every=1"]
    run = entry(*words, module="pure_repro.reproduce")
    assert run.returncode == 1
    assert "1 of the processes failed" in run.stderr
    table = (out / "table.md").read_text()
    assert "| by outcome |" in table and "- by process, seed 1: the reward model finds" in table
    said = run.stdout.splitlines()
    assert (
        said[0].startswith("grid: 2 cells, 2 processes to run, about ") and "at the pace of what is finished" in said[0]
    )
    assert any(line.startswith("by process ") and line.split()[-1] == "–" for line in said) and len(said) < 30
    assert f"All tables: {out}/table.md" in run.stdout


def cells_of(store: Path, seeds: int) -> list[Planned]:
    """The grid's cells at some seeds, in a store."""
    return [
        (row, seed, words := (*SMOKE, f"store={store}", f"seed={seed}", *cell["overrides"]), composed(words))
        for seed in range(1, seeds + 1)
        for row, cell in GRID.items()
    ]


def finish(*folders: Path) -> None:
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text("{}")


def test_what_failed_first_is_the_reason_of_all_behind_it(tmp_path: Path):
    cells = cells_of(tmp_path, 2)
    jobs = missing_jobs(cells, 2, REFERENCE)
    base, *_ = [job for job in jobs if job.label == "base, seed 2"]
    behind = [job for job in jobs if "seed 2" in job.label and job is not base]
    base.log.parent.mkdir(parents=True)
    base.log.write_text("step 3\rpure-repro: the disk is full\n")
    finish(*dict.fromkeys(run.folder for _, seed, _, c in cells if seed == 1 for run in plan(c).values()))
    filled, unfilled = fill(cells, [base, *behind])
    assert [(row, seed, "prm" in folders) for row, seed, folders in filled] == [
        ("verifiable", 1, False),
        ("process", 1, True),
    ]
    assert unfilled == [("verifiable", 2, "the disk is full"), ("process", 2, "the disk is full")]


def test_a_base_has_all_cores_where_everything_waits_for_it(tmp_path: Path):
    def threads(seeds: int) -> dict[str, int | None]:
        return {job.label: job.threads for job in missing_jobs(cells_of(tmp_path, seeds), 2, REFERENCE)}

    assert threads(1) == {"base, seed 1": 2, "prm, seed 1": None, "verifiable, seed 1": None, "process, seed 1": None}
    assert set(threads(2).values()) == {None}


def test_the_wall_time_is_that_of_the_places_and_the_inputs(tmp_path: Path):
    jobs = missing_jobs(cells_of(tmp_path, 1), 2, REFERENCE)
    took = {"base, seed 1": 8.0, "prm, seed 1": 6.0, "verifiable, seed 1": 4.0, "process, seed 1": 3.0}
    jobs = [replace(job, minutes=took[job.label]) for job in jobs]
    assert wall(jobs, 2) == 8 / 2 + 6 + 3, "verifiable beside prm, and process after it"
    assert wall([replace(job, threads=None) for job in jobs], 1) == 21
    assert wall(jobs[:1], 2) == 4 and wall([], 2) == 0


def test_a_grid_is_named_by_its_file(grid: Path, tmp_path: Path):
    assert (experiment_request([str(grid)]).name, experiment_request([str(grid)]).out) == (
        "grid",
        Path("store/tables/grid"),
    )
    assert read_experiment(grid).name == "grid" and experiment_request(["table1"]).name == "table1"
    with pytest.raises(ConfigError, match="or a yaml of cells"):
        experiment_request([str(tmp_path / "nothing.yaml")])
