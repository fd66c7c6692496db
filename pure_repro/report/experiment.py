"""Any experiment's report: a table, curves, and its claims against what was measured, each decided by a stated rule.

An experiment tells what it is about in ``experiments/<name>/claims.yaml``:

- ``reference``: the row whose final validated accuracy is the mark for the others' steps;
- ``figures``: what is logged besides accuracy and matters here, with the title of its column and panel;
- ``claims``: each compares two rows in one measure, within a seed. Measures: ``sampled_last``, ``sampled_chosen``,
  ``greedy_last``, ``greedy_chosen`` (accuracy over the held-out sets), ``steps_to_level`` (of the reference),
  ``draws_to_level`` (batches of prompts sampled until then), ``seconds_per_step`` (the median step's), and every logged
  figure at the end of training (``steps``, ``reward/process``, …).
"""

from collections.abc import Callable, Mapping, Sequence
from csv import writer
from math import ceil, isfinite, nan
from pathlib import Path
from statistics import median
from typing import Any, cast

from pure_repro.report.cells import (
    Cell,
    Checkpoint,
    Record,
    Rows,
    Run,
    Sampling,
    accuracy,
    by_row,
    read_run,
    write_manifest,
)
from pure_repro.report.claims import Claim, decide, write_sections
from pure_repro.report.curves import draw_curves
from pure_repro.report.gates import what_they_knew
from pure_repro.report.milestones import HOW_IT_BROKE, steps_to_level_of, way_it_broke
from pure_repro.report.table1 import reached
from pure_repro.score.intervals import Interval, over_seeds, paired_difference, wilson
from pure_repro.score.markdown import bounds, markdown_table, percent

ACCURACIES = ("sampled_chosen", "sampled_last", "greedy_chosen", "greedy_last")
SHARES = (0.5, 0.8, 1.0)  # of the reference's final accuracy
Measured = Mapping[str, Mapping[int, float]]  # row → seed → value


def write_experiment(
    cells: Sequence[Cell], rows: Rows, about: Mapping[str, Any], expected: Mapping[str, Any], out: Path
) -> list[Record]:
    """Write ``table.md``, ``table.csv``, ``claims.md``, ``curves.png`` and ``manifest.json`` under ``out``.

    ``rows``, ``about`` and ``expected`` are the experiment's ``cells.yaml``, ``claims.yaml`` and ``expected.json``. The
    same stage folders give the same bytes. Returns the table, one record per row.
    """
    out.mkdir(parents=True, exist_ok=True)
    grouped = by_row(cells, rows)
    labels = {row: str(rows[row]["label"]) for row in grouped}
    runs = {row: [read_run(c) for c in group if c.train is not None] for row, group in grouped.items()}
    trained = {row: group for row, group in runs.items() if group}
    reference = {run.seed: run for run in trained[about["reference"]]}
    ordered = [cell for group in grouped.values() for cell in group]
    measure = measures(ordered, trained, reference)

    table = [line(row, group, trained.get(row, []), labels, measure, about) for row, group in grouped.items()]
    sections = [
        f"# {about['title']}",
        _preface(ordered, labels[about["reference"]]),
        markdown_table(list(table[0]), [list(one.values()) for one in table]),
        "## Every set, last checkpoint, sampled",
        _sets(grouped, labels),
        "## Training, seed by seed",
        _training(trained, reference, labels, about["figures"]),
        HOW_IT_BROKE,
        *_fitted(ordered),
        "## Published: other models at another scale",
        _published(expected),
    ]
    (out / "table.md").write_text("\n\n".join(sections) + "\n")
    names = [*ACCURACIES, "steps_to_level", "draws_to_level", "seconds_per_step", *about["figures"]]
    _write_csv(out / "table.csv", {name: measure(name) for name in names}, labels)
    write_sections([claimed(one, measure, labels) for one in about["claims"]], trained, out / "claims.md")
    draw_curves(trained, labels, out / "curves.png", about["figures"])
    write_manifest(cells, rows, out)
    return table


def measures(
    cells: Sequence[Cell], runs: Mapping[str, Sequence[Run]], reference: Mapping[int, Run]
) -> Callable[[str], Measured]:
    """What a measure comes to in every row and seed that has it, by the measure's name."""

    def of_run(name: str, run: Run) -> float:
        if name == "steps_to_level":
            return steps_to_level_of(reference[run.seed], run) if run.seed in reference else nan
        if name == "draws_to_level":  # of a batch of prompts; without a prompt filter one a step
            drawn = run.curve("drawn/rounds")[1] or [1.0] * run.summary["last_step"]
            steps = of_run("steps_to_level", run)
            return sum(drawn[: ceil(steps)]) if isfinite(steps) else steps
        if name == "seconds_per_step":
            phases = [[v for key, v in row.items() if key.startswith("seconds/")] for row in run.metrics]
            return median(map(sum, phases))  # what else the machine did for a while moves no median
        values = run.curve(name)[1]
        return values[-1] if values else nan

    def measure(name: str) -> Measured:
        if name not in ACCURACIES:
            return {row: {run.seed: of_run(name, run) for run in group} for row, group in runs.items()}
        sampling, checkpoint = name.split("_")
        found: dict[str, dict[int, float]] = {}
        for cell in cells:
            accurate = cell.average(cast(Checkpoint, checkpoint), cast(Sampling, sampling))
            found.setdefault(cell.row, {})[cell.seed] = accurate
        return found

    return measure


def line(
    row: str,
    group: Sequence[Cell],
    runs: Sequence[Run],
    labels: Mapping[str, str],
    measure: Callable[[str], Measured],
    about: Mapping[str, Any],
) -> Record:
    """A row of the table at a glance."""

    def mean_of(name: str) -> str:
        values = [value for value in measure(name).get(row, {}).values() if isfinite(value)]
        return f"{sum(values) / len(values):.3g}" if values else "–"

    shown: dict[str, tuple[Checkpoint, Sampling]] = {
        "sampled, chosen": ("chosen", "sampled"),
        "sampled, last": ("last", "sampled"),
        "greedy, chosen": ("chosen", "greedy"),
        "greedy, last": ("last", "greedy"),
    }
    return {
        "arm": labels[row],
        **{title: percent(accuracy(group, *view)["average"]) for title, view in shown.items()},
        **{title: mean_of(name) for name, title in about["figures"].items()},
        "collapsed (at step)": reached([run.collapsed_at for run in runs]),
        "reached the mark (at step)": reached(list(measure("steps_to_level").get(row, {}).values())),
        "seconds a step": mean_of("seconds_per_step"),
        "seeds": str(len(group)),
    }


def claimed(about: Mapping[str, Any], measure: Callable[[str], Measured], labels: Mapping[str, str]) -> Claim:
    """One claim, decided.

    ``row`` against ``than`` in ``measure``: ``side`` says whether it is higher or lower, ``by`` at least how much.
    """
    found, side, by = measure(about["measure"]), about["side"], float(about["by"])
    ours, theirs = found.get(about["row"], {}), found.get(about["than"], {})
    seeds = sorted(ours.keys() & theirs.keys())
    sign = 1.0 if side == "higher" else -1.0
    pairs = [(sign * ours[seed], sign * theirs[seed]) for seed in seeds]
    if all(isfinite(a) and isfinite(b) for a, b in pairs):
        gap = paired_difference([a for a, _ in pairs], [b for _, b in pairs])
        verdict, figure = decide(gap, by), f"{side.capitalize()} by {bounds(gap, digits=3)} on average."
        rule = f"mean difference within a seed, Student interval over seeds against {by:g}."
    else:  # a level that was never reached has no mean
        beyond = sum(a > b for a, b in pairs)
        share = wilson(beyond, len(pairs))
        verdict, figure = decide(share, 0.5), f"{side.capitalize()} in {beyond} of {len(pairs)} seeds."
        rule = f"share of seeds in which it is {side}, Wilson interval against one half: some seed has no number."
    by_seed = [
        [labels[row], *(_number(found.get(row, {}).get(seed, nan)) for seed in seeds)]
        for row in (about["row"], about["than"])
    ]
    return Claim(
        statement=about["statement"],
        paper=about["paper"],
        rule=f"`{about['measure']}` of *{labels[about['row']]}* against *{labels[about['than']]}*: {rule}",
        verdict=verdict,
        figures=f"{figure}\n\n" + markdown_table(["arm", *(f"seed {seed}" for seed in seeds)], by_seed),
    )


def _number(value: float) -> str:
    return f"{value:.3f}" if isfinite(value) else "never" if value > 0 else "–"


def _preface(cells: Sequence[Cell], reference: str) -> str:
    seeds = sorted({cell.seed for cell in cells})
    over = "seeds and problems" if len(seeds) > 1 else "problems alone: **one seed says nothing about other seeds**"
    return (
        f"Accuracy in percent over the held-out sets, each with the same weight, with a 95 % interval over {over}. "
        f"Seeds: {', '.join(map(str, seeds))}. The other figures are means over seeds, at the last validation or the "
        f"last update. The mark is the final sampled accuracy of *{reference}* on the validation problems at the same "
        "seed; collapsed, reached: runs of all runs, and the median step of those."
    )


def _sets(grouped: Mapping[str, Sequence[Cell]], labels: Mapping[str, str]) -> str:
    found = {row: accuracy(group, "last", "sampled") for row, group in grouped.items()}
    names = list(next(iter(found.values())))
    return markdown_table(
        ["arm", *names], [[labels[row], *(percent(sets[name]) for name in names)] for row, sets in found.items()]
    )


def _training(
    runs: Mapping[str, Sequence[Run]],
    reference: Mapping[int, Run],
    labels: Mapping[str, str],
    figures: Mapping[str, str],
) -> str:
    def levels(run: Run) -> list[str]:
        if run.seed not in reference:
            return ["–"] * len(SHARES)
        return [_step(steps_to_level_of(reference[run.seed], run, share)) for share in SHARES]

    lines = [
        [
            labels[row],
            str(run.seed),
            str(run.summary["last_step"]),
            _step(run.collapsed_at),
            way_it_broke(run.validation),
            f"{100 * run.validation[-1]['sampled']:.1f}",
            *levels(run),
            *(_number(values[-1]) if (values := run.curve(name)[1]) else "–" for name in figures),
        ]
        for row, group in runs.items()
        for run in group
    ]
    header = ["arm", "seed", "last step", "collapse at", "how it broke", "final sampled accuracy, validation"]
    marks = [f"steps to {100 * share:.0f} % of the mark" for share in SHARES]
    return markdown_table([*header, *marks, *figures.values()], lines)


def _step(step: float) -> str:
    return f"{step:.1f}".removesuffix(".0") if isfinite(step) else "never"


def _fitted(cells: Sequence[Cell]) -> list[str]:
    """The reward models and judges that were fitted here, each once."""
    prms = {c.prm: f"seed {c.seed}, {c.row}" for c in reversed(cells) if c.prm is not None}
    return what_they_knew({label: folder for folder, label in reversed(prms.items())})


def _published(expected: Mapping[str, Any]) -> str:
    columns = expected["columns"]
    lines = [[one["label"], *("–" if v is None else f"{v:g}" for v in one["values"])] for one in expected["rows"]]
    notes = [f"- {note}" for note in expected["notes"]]
    told = f"{expected['source']}: {expected['protocol']}. {expected['verified']}."
    return "\n\n".join([told, markdown_table(["method", *columns], lines), *(["\n".join(notes)] if notes else [])])


def _write_csv(path: Path, found: Mapping[str, Measured], labels: Mapping[str, str]) -> None:
    """One measure of one row and seed a line; ``all`` is the mean over seeds. What never came is empty."""

    def written(value: float) -> str:
        return f"{value:.6g}" if isfinite(value) else ""

    with path.open("w", newline="") as file:
        table = writer(file, lineterminator="\n")
        table.writerow(["row", "label", "measure", "seed", "value", "low", "high"])
        for name, by_row_and_seed in found.items():
            for row, by_seed in by_row_and_seed.items():
                finite = [value for value in by_seed.values() if isfinite(value)]
                mean = over_seeds(finite) if len(finite) == len(by_seed) else Interval(nan, nan, nan)
                for seed, value in sorted(by_seed.items()):
                    table.writerow([row, labels[row], name, seed, written(value), "", ""])
                table.writerow([row, labels[row], name, "all", *map(written, mean)])
