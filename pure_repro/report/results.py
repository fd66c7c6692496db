"""Everything that a report is written from, read once, and what a measure comes to in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil, inf, isfinite, nan
from statistics import median
from typing import cast

from pure_repro.config.cells import CellRows
from pure_repro.report.about import About, Experiment, View
from pure_repro.report.cells import (
    Cell,
    Checkpoint,
    Missing,
    Sampling,
    Training,
    by_row,
    read_trainings,
    row_accuracy,
)
from pure_repro.report.milestones import level_of, steps_to_level
from pure_repro.score.intervals import Interval

ACCURACIES: tuple[View, ...] = ("sampled_chosen", "sampled_last", "greedy_chosen", "greedy_last")
Measured = Mapping[str, Mapping[int, float]]  # row → seed → value


@dataclass(frozen=True)
class Results:
    """The cells of an experiment by row, the curves of those that were trained, and what they are called."""

    about: About
    rows: CellRows
    cells: Mapping[str, Sequence[Cell]]
    trainings: Mapping[str, Sequence[Training]]
    missing: Sequence[Missing] = field(default=())

    @cached_property
    def labels(self) -> dict[str, str]:
        """What a reader calls each row."""
        return {row: str(about.get("label", row)) for row, about in self.rows.items()}

    @property
    def ordered(self) -> list[Cell]:
        """Every cell, by row and seed."""
        return [cell for group in self.cells.values() for cell in group]

    @cached_property
    def seeds(self) -> list[int]:
        """The seeds that some row has."""
        return sorted({cell.seed for cell in self.ordered})

    @cached_property
    def mark(self) -> dict[int, float]:
        """By seed, the sampled validation accuracy to be reached; none where the reference has no such seed."""
        if self.about.level is not None:
            return dict.fromkeys(self.seeds, self.about.level)
        return {run.seed: level_of(run) for run in self.trainings.get(self.about.reference or "", ())}

    @cached_property
    def accuracies(self) -> dict[str, dict[View, dict[str, Interval]]]:
        """Row → view → set, and ``average`` → accuracy; nothing where a checkpoint was not scored."""
        return {
            row: {view: row_accuracy(group, *of_view(view)) for view in ACCURACIES} for row, group in self.cells.items()
        }

    def measure(self, name: str) -> Measured:
        """What a measure comes to in every row and seed that has it, by the measure's name."""
        view, _, one = name.partition("/")
        if view not in ACCURACIES:
            return {row: {run.seed: self.of_run(name, run) for run in group} for row, group in self.trainings.items()}
        checkpoint, sampling = of_view(cast(View, view))
        values: dict[str, dict[int, float]] = {}
        for cell in self.ordered:
            right = cell.right(checkpoint, sampling)
            if one in right or (right and not one):
                value = float(right[one].mean()) if one else cell.average(checkpoint, sampling)
                values.setdefault(cell.row, {})[cell.seed] = value
        return values

    def of_run(self, name: str, run: Training) -> float:
        """A measure of a training; infinite for a step that never came, not a number for what it does not have."""
        match name:
            case "steps_to_level":
                level = self.mark.get(run.seed, nan)
                return steps_to_level(run, level) if level > 0 else (inf if level == 0 else nan)  # 0 is no level
            case "draws_to_level":  # of a batch of prompts; without a prompt filter one a step
                draws = run.curve("drawn/rounds")[1] or [1.0] * run.summary["last_step"]
                steps = self.of_run("steps_to_level", run)
                return float(sum(draws[: ceil(steps)])) if isfinite(steps) else steps
            case "seconds_per_step":
                phases = [[v for key, v in row.items() if key.startswith("seconds/")] for row in run.metrics]
                return float(median(map(sum, phases))) if phases else nan  # what else the machine did moves no median
            case "collapsed_at":
                return run.collapsed_at
            case "chosen_step" | "last_step":
                return float(run.summary[name])
        values = run.curve(name)[1]
        return float(values[-1]) if values else nan


def of_view(view: View) -> tuple[Checkpoint, Sampling]:
    """The checkpoint and the sampling that a view of the accuracy names.

    >>> of_view("sampled_last")
    ('last', 'sampled')
    """
    sampling, checkpoint = view.split("_")
    return cast(Checkpoint, checkpoint), cast(Sampling, sampling)


def read_results(cells: Sequence[Cell], experiment: Experiment, missing: Sequence[Missing] = ()) -> Results:
    """Read what the folders of some cells of an experiment hold."""
    grouped = by_row(cells, experiment.rows)
    return Results(experiment.about, experiment.rows, grouped, read_trainings(grouped), missing)
