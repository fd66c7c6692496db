"""The cells of a table: which stage folders fill them, and what is read from these."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from pure_repro.data.world import check
from pure_repro.score.generations import GENERATIONS, VERDICTS, read_lines
from pure_repro.score.intervals import Interval, crossed_bootstrap

Checkpoint = Literal["chosen", "last"]
Sampling = Literal["sampled", "greedy"]
Rows = Mapping[str, Mapping[str, Any]]  # experiments/<name>/cells.yaml
Record = dict[str, Any]


def read_records(path: Path) -> list[Record]:
    """The objects of a JSON Lines file."""
    return [json.loads(line) for line in path.read_text().splitlines()]


@dataclass(frozen=True)
class Cell:
    """One row at one seed: the finished stage folders that fill it. A base row has no ``train``."""

    row: str
    seed: int
    base: Path
    prm: Path | None
    train: Path | None
    score: Path

    @property
    def stages(self) -> dict[str, Path]:
        """The folders that exist, in the order of the stages."""
        folders = {"base": self.base, "prm": self.prm, "train": self.train, "score": self.score}
        return {stage: folder for stage, folder in folders.items() if folder}

    @cached_property
    def scores(self) -> dict[str, dict[str, Any]]:
        """Per checkpoint and test set, the outcome of every problem."""
        checkpoints: dict[str, dict[str, Any]] = json.loads((self.score / "scores.json").read_text())["checkpoints"]
        return checkpoints

    def sets(self, checkpoint: Checkpoint) -> dict[str, Any]:
        """Outcomes per test set; a base has one checkpoint, whichever is asked for."""
        sets: dict[str, Any] = self.scores["base" if self.train is None else checkpoint]
        return sets

    def right(self, checkpoint: Checkpoint, sampling: Sampling) -> dict[str, Float[ndarray, " problem"]]:
        """Per test set, each problem's accuracy: 0 or 1 greedy, the mean of k samples sampled."""
        return {
            name: np.asarray(one[sampling], float).reshape(len(one[sampling]), -1).mean(1)
            for name, one in self.sets(checkpoint).items()
        }

    def flawed(self, checkpoint: Checkpoint) -> list[bool]:
        """Of every right sampled answer, whether a step of it is wrong to the exact checker (embedded world)."""
        modulus = json.loads((self.score / "manifest.json").read_text())["config"]["data"]["modulus"]
        wanted = {"checkpoint": "base" if self.train is None else checkpoint, "plan": "sampled"}
        judged = zip(read_lines(self.score / GENERATIONS), read_lines(self.score / VERDICTS), strict=True)
        return [
            not all(step.right for step in check(row["question"], row["response"].split("\n\n"), modulus))
            for row, verdict in judged
            if wanted.items() <= row.items() and verdict["status"] == "correct"
        ]

    def average(self, checkpoint: Checkpoint, sampling: Sampling) -> float:
        """Accuracy averaged over the test sets, each with the same weight."""
        return float(np.mean([right.mean() for right in self.right(checkpoint, sampling).values()]))


def by_row(cells: Sequence[Cell], rows: Rows) -> dict[str, list[Cell]]:
    """The cells of each row that has any, in the order of ``rows`` and of the seeds."""
    grouped = {row: sorted((c for c in cells if c.row == row), key=lambda c: c.seed) for row in rows}
    return {row: group for row, group in grouped.items() if group}


def accuracy(cells: Sequence[Cell], checkpoint: Checkpoint, sampling: Sampling) -> dict[str, Interval]:
    """Accuracy of one row per test set and, as ``average``, over them, with intervals over seeds and problems."""
    per_seed = [cell.right(checkpoint, sampling) for cell in cells]
    sets = {name: np.stack([right[name] for right in per_seed]) for name in per_seed[0]}
    return {name: crossed_bootstrap([right]) for name, right in sets.items()} | {
        "average": crossed_bootstrap(list(sets.values()))
    }


@dataclass(frozen=True)
class Run:
    """The training curve of one cell."""

    row: str
    seed: int
    validation: list[Record]
    metrics: list[Record]
    summary: Record

    @property
    def collapsed_at(self) -> float:
        """The step of collapse; infinite where there was none."""
        step = self.summary["collapsed_at"]
        return float("inf") if step is None else float(step)

    def curve(self, metric: str) -> tuple[list[int], list[float]]:
        """Steps and values of a metric, from the validations where they have it, else from the updates."""
        records = self.validation if metric in self.validation[0] else self.metrics
        found = [(r["step"], r[metric]) for r in records if metric in r]
        return [step for step, _ in found], [value for _, value in found]


def read_run(cell: Cell) -> Run:
    """Read the curve of a cell that was trained."""
    assert cell.train is not None
    return Run(
        cell.row,
        cell.seed,
        validation=read_records(cell.train / "validation.jsonl"),
        metrics=read_records(cell.train / "metrics.jsonl"),
        summary=json.loads((cell.train / "summary.json").read_text()),
    )


def read_runs(cells: Mapping[str, Sequence[Cell]]) -> dict[str, list[Run]]:
    """The curves of every row that was trained."""
    return {
        row: [read_run(c) for c in group] for row, group in cells.items() if all(c.train is not None for c in group)
    }


def write_manifest(cells: Sequence[Cell], rows: Rows, out: Path) -> None:
    """Write which stages fill which cell, of every stage its seed and cost, and every environment, once.

    An address is the hash of a stage's configuration and inputs, so that these stay behind.
    """
    stages: dict[str, Record] = {}
    environments: list[Record] = []
    filled = []
    for cell in (c for group in by_row(cells, rows).values() for c in group):
        manifests = {s: json.loads((folder / "manifest.json").read_text()) for s, folder in cell.stages.items()}
        filled.append({"row": cell.row, "seed": cell.seed} | {s: m["address"] for s, m in manifests.items()})
        for stage, manifest in manifests.items():
            own = {key: manifest.pop(key) for key in ("seed", "seconds")}
            environment = {
                k: v for k, v in manifest.items() if k not in ("stage", "address", "config", "inputs", "outputs")
            }
            if environment not in environments:
                environments.append(environment)
            stages[f"{stage}/{manifest['address']}"] = own | {"environment": environments.index(environment)}
    seconds = round(sum(stage["seconds"] for stage in stages.values()), 1)
    manifest = {
        "seconds": seconds,
        "cells": filled,
        "stages": dict(sorted(stages.items())),
        "environments": environments,
    }
    (out / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
