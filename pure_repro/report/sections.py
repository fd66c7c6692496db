"""The parts of a table, each from the results alone; ``claims.yaml`` names those that an experiment shows."""

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from statistics import fmean, median
from typing import Any

import numpy as np

from pure_repro.report.about import View
from pure_repro.report.cells import Cell, Checkpoint, Record
from pure_repro.report.claims import measure_text
from pure_repro.report.gates import what_they_knew
from pure_repro.report.milestones import HOW_IT_BROKE, level_of, steps_to_level, way_it_broke
from pure_repro.report.results import ACCURACIES, Results
from pure_repro.score.markdown import markdown_table, percent

SHARES = (0.5, 0.8, 1.0)  # of the mark
TITLES = {
    "sampled_chosen": "sampled, chosen",
    "sampled_last": "sampled, last",
    "greedy_chosen": "greedy, chosen",
    "greedy_last": "greedy, last",
    "collapsed_at": "collapsed (at step)",
    "steps_to_level": "reached {mark} (at step)",
    "seconds_per_step": "seconds a step",
    "broke": "how it broke",
}
FORM = ("unboxed", "cut off", "mean tokens", "right with a wrong step")
FORM_LEGEND = (
    "*Right with a wrong step*: of the sampled answers that are right, the share in which the exact checker finds a "
    "wrong step (errors that cancel, steps left out): what a verifiable reward pays for and a process reward does not."
)


def glance(results: Results) -> list[Record]:
    """The table at a glance, a record per row in the order of ``cells.yaml``, rows without any cell among them."""
    about, named = results.about, {one.row for one in results.missing}
    columns = [name for one in about.columns for name in (about.figures if one == "figures" else (one,))]
    titles = TITLES | about.figures
    return [
        {
            "arm": results.labels[row],
            **{titles.get(name, name).format(mark=about.mark): column_entry(results, row, name) for name in columns},
            "seeds": seeds_of(results, row),
        }
        for row in results.rows
        if row in results.cells or row in named
    ]


def column_entry(results: Results, row: str, name: str) -> str:
    """One row's entry in one column: an accuracy with its interval, runs of all runs, or the mean over seeds."""
    if name in ACCURACIES:
        return accurate(results, row, name, "average")
    if name == "broke":
        ways = [way_it_broke(run.validation) for run in results.trainings.get(row, ())]
        return ", ".join(f"{way} {ways.count(way)}/{len(ways)}" for way in dict.fromkeys(ways)) or "–"
    values = list(results.measure(name).get(row, {}).values())
    if name in ("collapsed_at", "steps_to_level"):
        return reached(values)
    finite = [value for value in values if isfinite(value)]
    return f"{fmean(finite):.3g}" if finite else "–"


def accurate(results: Results, row: str, view: View, one: str) -> str:
    """A row's accuracy on one set, or over them (``average``)."""
    interval = results.accuracies.get(row, {}).get(view, {}).get(one)
    return percent(interval) if interval else "–"


def seeds_of(results: Results, row: str) -> str:
    """How many seeds a row has, and of how many where some are missing."""
    there, not_there = len(results.cells.get(row, ())), sum(one.row == row for one in results.missing)
    return f"{there} of {there + not_there}" if not_there else str(there)


def reached(steps: Sequence[float]) -> str:
    """How many runs got somewhere, and the median step of those that did.

    >>> from math import inf
    >>> reached([40.0, inf, 50.0]), reached([inf]), reached([])
    ('2/3 (45)', '0/1', '–')
    """
    steps = [step for step in steps if step == step]
    if not steps:
        return "–"
    finite = [step for step in steps if isfinite(step)]
    count = f"{len(finite)}/{len(steps)}"
    return f"{count} ({_step(median(finite))})" if finite else count


def preface(results: Results) -> str:
    """What the numbers of the first table are."""
    seeds = results.seeds
    over = (
        "seeds and problems (Student's over the seeds, Wilson's over the problems, which all seeds share)"
        if len(seeds) > 1
        else "problems alone: **one seed says nothing about other seeds**"
    )
    return " ".join(
        [
            f"Accuracy in percent over the held-out sets, each with the same weight, with a 95 % interval over {over}.",
            f"Seeds: {', '.join(map(str, seeds))}.",
            *_tested(results),
            "The chosen checkpoint is the one with the best sampled accuracy on validation problems, the last one is "
            "where training ended; a model that was not trained is the same in every column.",
            "Collapsed, reached: runs of all runs, and the median step of those. Other figures are means over seeds, "
            "at the last validation or the last update.",
            *_mark(results),
        ]
    )


def _tested(results: Results) -> list[str]:
    sizes = {name: len(right) for c in results.ordered for name, right in c.right("last", "greedy").items()}
    counts = {len(one["sampled"][0]) for c in results.ordered for one in c.sets("last").values() if one["sampled"]}
    sampled = (
        f"Sampled: {' or '.join(map(str, sorted(counts)))} answers a problem, averaged; greedy: one." if counts else ""
    )
    sets = ", ".join(f"{name} ({count} problems)" for name, count in sizes.items())
    return [part for part in (f"Sets: {sets}." if sets else "", sampled) if part]


def _mark(results: Results) -> list[str]:
    about = results.about
    name = about.mark[0].upper() + about.mark[1:]
    if about.level is not None:
        return [f"{name} is a sampled accuracy of {100 * about.level:.1f} % on the validation problems."]
    if about.reference in results.labels:
        label = results.labels[about.reference]
        return [f"{name} is the final sampled accuracy of *{label}* on the validation problems at the same seed."]
    return []


def at(seed: int | None) -> str:
    """A seed in a sentence, where it is known.

    >>> at(3), at(None)
    (', seed 3', '')
    """
    return "" if seed is None else f", seed {seed}"


def not_there(results: Results) -> list[str]:
    """What is missing from the table, and why."""
    lines = [f"- {results.labels[one.row]}{at(one.seed)}: {one.reason}" for one in results.missing]
    return ["**Missing:**\n\n" + "\n".join(lines)] if lines else []


def sets(results: Results) -> list[str]:
    """The accuracy on every set, a table for each view that the experiment shows."""
    return [part for view in results.about.views for part in _one_view(results, view)]


def _one_view(results: Results, view: View) -> list[str]:
    names = dict.fromkeys(name for row in results.accuracies.values() for name in row[view])
    if not names:
        return []
    sampling, checkpoint = view.split("_")
    return [
        f"## Every set, {checkpoint} checkpoint, {sampling}",
        markdown_table(
            ["arm", *names],
            [[results.labels[row], *(accurate(results, row, view, n) for n in names)] for row in results.accuracies],
        ),
    ]


def training(results: Results) -> list[str]:
    """Every training: where it ended, how it broke, when it came where."""
    if not results.trainings:
        return []
    figures = results.about.figures
    lines = [
        [
            results.labels[row],
            str(run.seed),
            *(_step(results.of_run(name, run)) for name in ("chosen_step", "last_step", "collapsed_at")),
            way_it_broke(run.validation),
            f"{100 * level_of(run):.1f}",
            *(
                _step(steps_to_level(run, share * results.mark[run.seed])) if run.seed in results.mark else "–"
                for share in SHARES
            ),
            *(measure_text(results.of_run(name, run)) for name in figures),
        ]
        for row, group in results.trainings.items()
        for run in group
    ]
    header = ["arm", "seed", "chosen step", "last step", "collapse at", "how it broke", "final sampled, validation"]
    marks = [f"steps to {100 * share:.0f} % of {results.about.mark}" for share in SHARES]
    return ["## Training, seed by seed", markdown_table([*header, *marks, *figures.values()], lines), HOW_IT_BROKE]


def _step(step: float) -> str:
    return f"{step:.1f}".removesuffix(".0") if isfinite(step) else "never"


def answers(results: Results) -> list[str]:
    """What the sampled answers look like, and how many right ones hold a wrong step (embedded world)."""

    def mean(group: Sequence[Cell], checkpoint: Checkpoint, key: str) -> float:
        return float(np.mean([one[key] for cell in group for one in cell.sets(checkpoint).values()]))

    def flawed(group: Sequence[Cell], checkpoint: Checkpoint) -> str:
        flaws = [one for cell in group for one in cell.flawed(checkpoint)]
        return f"{100 * np.mean(flaws):.1f} %" if flaws else "–"

    def figures(group: Sequence[Cell], checkpoint: Checkpoint) -> list[str]:
        shares = [f"{100 * mean(group, checkpoint, key):.1f} %" for key in ("unboxed", "cut_off")]
        return [*shares, f"{mean(group, checkpoint, 'mean_tokens'):.1f}", flawed(group, checkpoint)]

    header = [f"{figure}, {checkpoint}" for checkpoint in ("chosen", "last") for figure in FORM]
    lines = [
        [results.labels[row], *figures(group, "chosen"), *figures(group, "last")]
        for row, group in results.cells.items()
    ]
    return ["## What the answers look like", markdown_table(["arm", *header], lines), FORM_LEGEND]


def fitted(results: Results) -> list[str]:
    """The reward models and judges that were fitted here, each once, named by the first row that has it."""
    with_gate = [c for c in results.ordered if c.prm is not None and (c.prm / "gate.json").exists()]
    folders = {c.prm: f"seed {c.seed}, {c.row}" for c in reversed(with_gate)}
    return what_they_knew({label: folder for folder, label in reversed(folders.items()) if folder is not None})


def published(expected: Mapping[str, Any]) -> list[str]:
    """Numbers of the paper, from ``expected.json``; none where an experiment has no such file."""
    if not expected:
        return []
    lines = [[one["label"], *("–" if v is None else f"{v:g}" for v in one["values"])] for one in expected["rows"]]
    notes = [f"- {note}" for note in expected["notes"]]
    return [
        "## Published: other models at another scale",
        f"{expected['source']}: {expected['protocol']}. {expected['verified']}.",
        markdown_table(["method", *expected["columns"]], lines),
        *(["\n".join(notes)] if notes else []),
    ]


PARTS: Mapping[str, Callable[[Results], list[str]]] = {
    "sets": sets,
    "training": training,
    "answers": answers,
    "fitted": fitted,
}
