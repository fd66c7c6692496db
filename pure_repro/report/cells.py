"""The cells of a table: which stage folders fill them, and what is read from these."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import nan
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from pure_repro.config.cells import CellRows
from pure_repro.data.files import column, file_rows, read_record
from pure_repro.score.generations import GENERATIONS, VERDICTS, read_lines
from pure_repro.score.intervals import Interval, mean_accuracy

Checkpoint = Literal["chosen", "last"]
Sampling = Literal["sampled", "greedy"]
Record = dict[str, Any]
ENVIRONMENT = ("code", "python", "packages", "machine")  # of a manifest: what stages of one table may share


def read_records(path: Path, *columns: str) -> list[Record]:
    """The objects of a JSON Lines file, with columns that they must have.

    Raises ``ConfigError`` for one that cannot be read.
    """
    return [dict(row) | {name: column(row, name, place) for name in columns} for place, row in file_rows(path)]


@dataclass(frozen=True)
class Cell:
    """One row at one seed: the finished stage folders that fill it; a stage that it does without is ``None``."""

    row: str
    seed: int
    base: Path | None
    prm: Path | None
    train: Path | None
    score: Path | None

    @property
    def stages(self) -> dict[str, Path]:
        """The folders that exist, in the order of the stages."""
        folders = {"base": self.base, "prm": self.prm, "train": self.train, "score": self.score}
        return {stage: folder for stage, folder in folders.items() if folder}

    @cached_property
    def scores(self) -> dict[str, dict[str, Any]]:
        """Per checkpoint and test set, the outcome of every problem."""
        if self.score is None:
            return {}
        checkpoints: dict[str, dict[str, Any]] = read_record(self.score / "scores.json", "checkpoints")["checkpoints"]
        return checkpoints

    def name_of(self, checkpoint: Checkpoint) -> str:
        """What the scores call a checkpoint: a model that was not trained has one, whichever is asked for."""
        return checkpoint if self.train is not None else next(iter(self.scores), checkpoint)

    def sets(self, checkpoint: Checkpoint) -> dict[str, Any]:
        """Outcomes per test set; none where the checkpoint was not scored."""
        return self.scores.get(self.name_of(checkpoint), {})

    def right(self, checkpoint: Checkpoint, sampling: Sampling) -> dict[str, Float[ndarray, " problem"]]:
        """Per test set, each problem's accuracy: 0 or 1 greedy, the mean of k samples sampled."""
        return {
            name: np.asarray(one[sampling], float).reshape(len(one[sampling]), -1).mean(1)
            for name, one in self.sets(checkpoint).items()
            if one[sampling]
        }

    def flawed(self, checkpoint: Checkpoint) -> list[bool]:
        """Of every right sampled answer, whether a step of it is wrong to the exact checker (embedded world)."""
        from pure_repro.data.world import (
            check,
        )  # the rooms of tensors import torch, which no other part of a table needs

        if self.score is None:
            return []
        modulus = read_record(self.score / "manifest.json", "config")["config"]["data"]["modulus"]
        wanted = {"checkpoint": self.name_of(checkpoint), "plan": "sampled"}
        judged = zip(read_lines(self.score / GENERATIONS), read_lines(self.score / VERDICTS), strict=True)
        return [
            not all(step.right for step in check(row["question"], row["response"].split("\n\n"), modulus))
            for row, verdict in judged
            if wanted.items() <= row.items() and verdict["status"] == "correct"
        ]

    def average(self, checkpoint: Checkpoint, sampling: Sampling) -> float:
        """Accuracy averaged over the test sets, each with the same weight; not a number where there are none."""
        means = [right.mean() for right in self.right(checkpoint, sampling).values()]
        return float(np.mean(means)) if means else nan


class Missing(NamedTuple):
    """A row at a seed that could not be filled, and why."""

    row: str
    seed: int | None  # unknown where none was named
    reason: str


def by_row(cells: Sequence[Cell], rows: CellRows) -> dict[str, list[Cell]]:
    """The cells of each row that has any, in the order of ``rows`` and of the seeds."""
    grouped = {row: sorted((c for c in cells if c.row == row), key=lambda c: c.seed) for row in rows}
    return {row: group for row, group in grouped.items() if group}


def row_accuracy(cells: Sequence[Cell], checkpoint: Checkpoint, sampling: Sampling) -> dict[str, Interval]:
    """Accuracy of one row per test set and, as ``average``, over them, with intervals over seeds and problems.

    Empty where no cell has such scores.
    """
    per_seed = [right for cell in cells if (right := cell.right(checkpoint, sampling))]
    if not per_seed:
        return {}
    sets = {name: np.stack([right[name] for right in per_seed]) for name in per_seed[0]}
    return {name: mean_accuracy([right]) for name, right in sets.items()} | {
        "average": mean_accuracy(list(sets.values()))
    }


@dataclass(frozen=True)
class Training:
    """The curves of one cell that was trained."""

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
        points = [(r["step"], r[metric]) for r in records if metric in r]
        return [step for step, _ in points], [value for _, value in points]


def read_training(row: str, seed: int, folder: Path) -> Training:
    """Read the curves in the folder of a finished stage ``train``."""
    return Training(
        row,
        seed,
        validation=read_records(folder / "validation.jsonl", "step", "sampled"),
        metrics=read_records(folder / "metrics.jsonl", "step"),
        summary=read_record(folder / "summary.json", "chosen_step", "last_step", "collapsed_at", "seconds"),
    )


def read_trainings(cells: Mapping[str, Sequence[Cell]]) -> dict[str, list[Training]]:
    """The curves of every row that was trained."""
    trainings = {
        row: [read_training(row, cell.seed, cell.train) for cell in group if cell.train is not None]
        for row, group in cells.items()
    }
    return {row: group for row, group in trainings.items() if group}


def write_manifest(cells: Sequence[Cell], rows: CellRows, out: Path) -> None:
    """Write which stages fill which cell, of every stage its seed and cost, and every environment, once.

    An address is the hash of a stage's configuration and inputs, so that these stay behind.
    """
    stages: dict[str, Record] = {}
    environments: list[Record] = []
    filled = []
    for cell in (c for group in by_row(cells, rows).values() for c in group):
        manifests = {
            s: read_record(folder / "manifest.json", "address", "seconds") for s, folder in cell.stages.items()
        }
        filled.append({"row": cell.row, "seed": cell.seed} | {s: m["address"] for s, m in manifests.items()})
        for stage, manifest in manifests.items():
            own = {key: manifest[key] for key in ("seed", "seconds", "scored") if key in manifest}
            environment = {key: manifest[key] for key in ENVIRONMENT if key in manifest}
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
