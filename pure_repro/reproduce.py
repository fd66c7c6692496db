"""Reproduce a table: ``python -m pure_repro.reproduce table1 seeds=5 train.steps=120``.

In the place of a name stands the path of a grid of your own: a yaml like ``experiments/<name>/cells.yaml``, or its
folder. Every cell and seed is a run of the one entry point. Stages that cells share are
made once; up to ``jobs`` processes run side by side. What is finished is never redone, so a killed table goes on where
it stopped.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from pure_repro.config import STAGES, Config, ConfigError, Track
from pure_repro.config.cells import experiment_name, read_cells
from pure_repro.launch import EXPERIMENTS
from pure_repro.launch.compose import composed
from pure_repro.launch.estimate import PEAK_GIGABYTES, Speeds, minutes, speeds_here
from pure_repro.launch.plan import StageRun, plan
from pure_repro.launch.watchdog import PARENT
from pure_repro.track.follow import follow, open_parent, send_parent, send_run, settle
from pure_repro.track.outbox import Parent
from pure_repro.track.pages import first_section, where_tracked
from pure_repro.track.redact import redacted_address

if TYPE_CHECKING:  # what draws figures is imported when there is something to draw
    from pure_repro.report import Cell, Report

Filled = tuple[str, int, dict[str, Path]]  # row, seed and the folders of the stages
Unfilled = tuple[str, int, str]  # row, seed and the reason
Planned = tuple[str, int, tuple[str, ...], Config]  # row, seed, words and configuration of a cell


@dataclass(frozen=True)
class StageJob:
    """Stages that one process makes, with the command-line words of its run."""

    runs: tuple[StageRun, ...]
    words: tuple[str, ...]
    label: str
    minutes: float
    threads: int | None = None  # as the configuration says

    @property
    def inputs(self) -> set[Path]:
        """Folders that must be finished before."""
        own = {run.folder for run in self.runs}
        return {run.folder.parents[1] / s / address for run in self.runs for s, address in run.inputs.items()} - own

    @property
    def log(self) -> Path:
        """Where its output goes."""
        return self.runs[-1].folder / "log.txt"


@dataclass(frozen=True)
class ExperimentRequest:
    """What the command line asks for."""

    name: str
    path: Path  # of its cells
    seeds: int
    jobs: int
    out: Path
    overrides: tuple[str, ...]


def experiment_request(words: list[str]) -> ExperimentRequest:
    """Own keys (``seeds``, ``jobs``, ``out``) out of the words; the rest are overrides for every cell.

    >>> experiment_request(["table1", "seeds=5", "train.steps=120"]).overrides
    ('train.steps=120',)
    """
    known = sorted(p.parent.name for p in EXPERIMENTS.glob("*/cells.yaml"))
    path = Path(words[0]) if words else EXPERIMENTS
    if words and words[0] in known:
        path = EXPERIMENTS / words[0]
    elif not words or not (path.is_file() or (path / "cells.yaml").is_file()):
        raise ConfigError(
            f"name one of {', '.join(known)}, or a yaml of cells, as in: python -m pure_repro.reproduce table1 seeds=3"
        )
    own = {"seeds": "1", "jobs": "2", "out": ""}
    overrides = []
    for word in words[1:]:
        key, _, value = word.partition("=")
        if key in own:
            own[key] = value
        else:
            overrides.append(word)
    for key in ("seeds", "jobs"):
        if not re.fullmatch(r"[1-9]\d*", own[key]):
            raise ConfigError(f"{key}={own[key]} must be a positive whole number")
    name = experiment_name(path)
    out = Path(own["out"] or f"store/tables/{name}")
    return ExperimentRequest(name, path, int(own["seeds"]), int(own["jobs"]), out, tuple(overrides))


def reproduce_help() -> str:
    """What it does, its keys, and the experiments there are."""
    keys = "Keys: seeds=1  jobs=2 (side by side)  out=store/tables/<name>; every other word goes to every cell."
    known = ", ".join(sorted(path.parent.name for path in EXPERIMENTS.glob("*/cells.yaml")))
    return f"{__doc__}\n{keys}\nExperiments: {known}"


def main() -> int:
    """Plan all cells, make what is missing, write the table."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # leave through the cleanup that Ctrl-C takes
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(reproduce_help())
        return 0
    try:
        request = experiment_request(sys.argv[1:])
        rows = read_cells(request.path)
        cells = [
            (row, seed, words, composed(words))
            for seed in range(1, request.seeds + 1)
            for row, words in ((r, cell_words(rows[r], seed, request)) for r in rows)
            if seed <= rows[row].get("seeds", request.seeds)  # not every row of a large experiment needs as many
        ]
        from pure_repro.report import read_experiment  # takes a second, which a mistake in the words need not wait for

        read_experiment(request.path)
    except ConfigError as error:
        print(f"pure-repro: {error}", file=sys.stderr)
        return 2
    track = table_track(request, cells[0][3].store, cells[0][3].track)
    speeds, known = speeds_here((config, run) for *_, config in cells for run in plan(config).values())
    jobs = missing_jobs(cells, request.jobs, speeds)
    print(announcement(request, cells, jobs, known))
    try:
        failed = run_jobs(jobs, request.jobs, track)
    except KeyboardInterrupt:
        print("\npure-repro: stopped; the same command goes on where it stopped", file=sys.stderr)
        return 130
    filled, unfilled = fill(cells, failed)
    if filled:
        report_cells(request, filled, unfilled, track)
    if failed:
        print(
            f"\npure-repro: {len(failed)} of the processes failed; the same command goes on where it stopped",
            file=sys.stderr,
        )
    return 1 if failed else 0


def announcement(request: ExperimentRequest, cells: list[Planned], jobs: list[StageJob], known: str) -> str:
    """What will run, how long that takes, by what that is ``known``, and how much memory."""
    return (
        f"{request.name}: {len(cells)} cells, {len(jobs)} processes to run, about {wall(jobs, request.jobs):.0f} "
        f"minutes ({known}) and {PEAK_GIGABYTES * request.jobs:.0f} GB of memory with {request.jobs} side by side"
    )


def wall(jobs: Iterable[StageJob], side_by_side: int) -> float:
    """Minutes until the last job has ended, if each begins when there is a place and its inputs are made."""
    now, waiting, running = 0.0, list(jobs), list[tuple[float, StageJob]]()
    while waiting or running:
        pending = folders([*waiting, *(job for _, job in running)])
        ready = [job for job in waiting if not job.inputs & pending]
        if ready and len(running) < side_by_side:
            waiting.remove(ready[0])
            running.append((now + ready[0].minutes / (ready[0].threads or 1), ready[0]))
        else:
            now, ended = min(running, key=itemgetter(0))
            running.remove((now, ended))
    return now


def table_track(request: ExperimentRequest, store: Path, track: Track) -> Track:
    """Where the cells are tracked: under one parent run for this table at these settings."""
    overrides = [word for word in request.overrides if not word.startswith(("store=", "track"))]  # no settings
    settings = " ".join([request.name, f"seeds={request.seeds}", *map(redacted_address, overrides)])
    return open_parent(store, track, settings, "table", settings)


def cell_words(row: Mapping[str, Any], seed: int, request: ExperimentRequest) -> tuple[str, ...]:
    """The overrides of one cell; the command line's come last and win."""
    return (*row["overrides"], f"seed={seed}", *request.overrides)


def missing_jobs(cells: list[Planned], side_by_side: int, speeds: Speeds) -> list[StageJob]:
    """Every stage of every cell that is not finished, once, in an order in which inputs come first.

    A base and a reward model are shared by cells and made by a process of their own; a cell trains and scores in one.
    A base of the only seed has all cores: nothing can run beside what everything waits for.
    """
    jobs: dict[Path, StageJob] = {}
    one_base = len({plan(config)["base"].folder for *_, config in cells if "base" in plan(config)}) == 1
    for row, seed, words, config in cells:
        stages = plan(config)
        groups: tuple[tuple[str, ...], ...] = (("base",), ("prm",), ("train", "score"))
        for names in ([name for name in group if name in stages] for group in groups):
            runs = tuple(stages[name] for name in names if not stages[name].finished)
            if runs and runs[-1].folder not in jobs:
                label = f"{names[0]}, seed {seed}" if len(names) == 1 else f"{row}, seed {seed}"
                own = (f"stages=[{','.join(names)}]", "track=none")  # this process tracks what the others make
                estimate = sum(minutes(config, run.stage, speeds) for run in runs)
                threads = side_by_side if names == ["base"] and one_base else None
                jobs[runs[-1].folder] = StageJob(runs, (*words, *own), label, estimate, threads)
    return list(jobs.values())


def run_jobs(jobs: list[StageJob], side_by_side: int, track: Track) -> list[StageJob]:
    """Run jobs whose inputs are finished, a few at a time; a failed job stops only what depends on it."""
    waiting, failed = list(jobs), list[StageJob]()
    running: dict[subprocess.Popen, StageJob] = {}
    bar = tqdm(
        total=round(sum(job.minutes for job in jobs), 1),
        unit="min",
        bar_format="{percentage:3.0f}%|{bar}| {elapsed}, left {remaining} {desc}",
    )
    try:
        while waiting or running:
            advance(waiting, running, failed, side_by_side, track, bar)
            bar.set_description_str(", ".join(job.label for job in running.values()), refresh=sys.stderr.isatty())
            time.sleep(0.2)
    finally:  # an interrupted table leaves no process behind
        for process in running:
            process.terminate()
        bar.close()
    return failed


def advance(
    waiting: list[StageJob],
    running: dict[subprocess.Popen, StageJob],
    failed: list[StageJob],
    side_by_side: int,
    track: Track,
    bar: tqdm,
) -> None:
    """Take up what has ended, start what can begin."""
    for process, job in list(running.items()):
        if process.poll() is None:
            continue
        del running[process]
        bar.update(job.minutes)
        if process.returncode:
            failed.append(job)
            bar.write(f"failed: {job.label}: {last_line(job.log)} (see {job.log})")
        else:
            bar.write(f"done: {job.label}")
            for run in job.runs:
                if run.stage == "train":
                    follow(run.folder, track)
    broken = folders(failed)
    pending = folders([*waiting, *running.values()]) | broken
    for job in list(waiting):
        if job.inputs & broken:
            waiting.remove(job)
            failed.append(job)
        elif len(running) < side_by_side and not job.inputs & pending:
            waiting.remove(job)
            running[start(job)] = job


def folders(jobs: Iterable[StageJob]) -> set[Path]:
    """All folders that some jobs make."""
    return {run.folder for job in jobs for run in job.runs}


def start(job: StageJob) -> subprocess.Popen:
    """The entry point in a process of its own, its output in the folder of its last stage."""
    job.log.parent.mkdir(parents=True, exist_ok=True)
    with job.log.open("a") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "pure_repro", *job.words],
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=os.environ
            | {PARENT: str(os.getpid())}  # so that it ends where this process is killed
            | ({"OMP_NUM_THREADS": str(job.threads)} if job.threads else {}),
        )


def last_line(path: Path) -> str:
    """The last line of a log, where an error says what it is."""
    lines = path.read_text(errors="replace").replace("\r", "\n").strip().splitlines()
    return lines[-1] if lines else "no output"


def fill(cells: list[Planned], failed: list[StageJob]) -> tuple[list[Filled], list[Unfilled]]:
    """The cells whose stages are finished, and why the others are not: what failed first says so for all behind it."""
    reasons: dict[Path, str] = {}
    for job in failed:  # in the order in which they failed or lost what they need
        before = next((reasons[folder] for folder in job.inputs if folder in reasons), None)
        said = before or last_line(job.log).removeprefix("pure-repro: ")
        reasons |= {run.folder: said for run in job.runs}
    filled, unfilled = [], []
    for row, seed, _, config in cells:
        stages = plan(config)
        if all(run.finished for run in stages.values()):
            filled.append((row, seed, {name: run.folder for name, run in stages.items()}))
        else:
            unfilled.append((row, seed, next(reasons[r.folder] for r in stages.values() if r.folder in reasons)))
    return filled, unfilled


def report_cells(request: ExperimentRequest, filled: list[Filled], unfilled: list[Unfilled], track: Track) -> None:
    """Tables, figures and claims of finished cells; the first table also goes to the terminal."""
    from pure_repro.report import Cell, Missing, read_experiment, screen, write_report

    cells = [Cell(row, seed, *(folders.get(stage) for stage in STAGES)) for row, seed, folders in filled]
    missing = [Missing(*one) for one in unfilled]
    written = write_report(cells, read_experiment(request.path), request.out, missing)
    print(screen(written, request.out))
    if track.name == "mlflow":
        send_table(request, written, cells, track)


def send_table(request: ExperimentRequest, report: "Report", cells: list["Cell"], track: Track) -> None:
    """Have the cells and the table above them sent to the tracker, and say where it shows them."""
    for cell in cells:
        arm = report.results.labels[cell.row]
        send_run(cell.stages, track, name=f"{arm}, seed {cell.seed}", tags={"arm": arm})
    assert track.parent is not None and cells[0].score is not None
    parent = Parent(
        name=track.parent,
        kind="table",
        title=track.parent,
        description=first_section((request.out / "table.md").read_text()),
        folder=str(request.out.resolve()),
        table=report.table,
    )
    send_parent(cells[0].score.parents[1], track, parent)
    print(where_tracked(settle()))


if __name__ == "__main__":
    sys.exit(main())
