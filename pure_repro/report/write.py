"""A report: ``table.md``, ``table.csv``, ``claims.md``, figures and ``manifest.json``, from some cells."""

from collections.abc import Sequence
from csv import writer
from dataclasses import dataclass
from math import isfinite, nan
from pathlib import Path

from pure_repro.report.about import Experiment
from pure_repro.report.cells import Cell, Missing, Record, write_manifest
from pure_repro.report.claims import Claim, claims_of, write_claims
from pure_repro.report.results import ACCURACIES, Results, read_results
from pure_repro.report.sections import PARTS, column_entry, glance, not_there, preface, published
from pure_repro.score.intervals import Interval, over_seeds
from pure_repro.score.markdown import markdown_table


@dataclass(frozen=True)
class Report:
    """What was written: the table at a glance, a record per row, and the claims as they were decided."""

    table: list[Record]
    claims: list[Claim]
    results: Results


def write_report(cells: Sequence[Cell], experiment: Experiment, out: Path, missing: Sequence[Missing] = ()) -> Report:
    """Write the report of an experiment under ``out``; ``missing`` are the cells that could not be filled.

    The same stage folders give the same bytes.
    """
    out.mkdir(parents=True, exist_ok=True)
    about, results = experiment.about, read_results(cells, experiment, missing)
    table, claims = glance(results), claims_of(results)
    sections = [
        f"# {about.title}",
        preface(results),
        "## At a glance",
        markdown_table(list(table[0]), [list(one.values()) for one in table]),
        *not_there(results),
        *(part for name in about.sections if name != "published" for part in PARTS[name](results)),
        *(published(experiment.expected) if "published" in about.sections else []),
    ]
    (out / "table.md").write_text("\n\n".join(sections) + "\n")
    write_csv(results, out / "table.csv")
    if claims:
        write_claims(claims, results, out / "claims.md")
    draw_figures(results, out)
    write_manifest(cells, experiment.rows, out)
    return Report(table, claims, results)


def draw_figures(results: Results, out: Path) -> None:
    """The curves of what was trained, and the grid of an experiment that has one."""
    from pure_repro.report.curves import (
        draw_curves,
        draw_grid,
    )  # matplotlib: a mistake in the words need not wait for it

    grid, rows = results.about.grid, results.trainings
    if rows:
        draw_curves(rows, results.labels, out / "curves.png", results.about.figures)
    if grid is not None:
        pairs = {row: (str(results.rows[row][grid.down]), str(results.rows[row][grid.across])) for row in rows}
        last = {pairs[row]: results.accuracies[row]["sampled_last"]["average"].estimate for row in rows}
        draw_grid(last, {pairs[row]: column_entry(results, row, "broke") for row in rows}, grid, out / "grid.png")


def write_csv(results: Results, path: Path) -> None:
    """One measure of one row and seed a line; ``all`` is over the seeds. What never came is empty."""

    def written(value: float) -> str:
        return f"{value:.6g}" if isfinite(value) else ""

    def over_all(name: str, row: str, values: Sequence[float]) -> Interval:
        view, _, one = name.partition("/")
        if view in ACCURACIES:
            return results.accuracies[row][view][one or "average"]
        return over_seeds(values) if all(map(isfinite, values)) else Interval(nan, nan, nan)

    by_set = dict.fromkeys(f"{v}/{s}" for row in results.accuracies.values() for v in row for s in row[v])
    steps = ("steps_to_level", "draws_to_level", "seconds_per_step", "collapsed_at", "chosen_step", "last_step")
    names = [*ACCURACIES, *steps, *results.about.figures, *(n for n in by_set if not n.endswith("/average"))]
    with path.open("w", newline="") as file:
        table = writer(file, lineterminator="\n")
        table.writerow(["row", "label", "measure", "seed", "value", "low", "high"])
        for name in names:
            for row, by_seed in results.measure(name).items():
                start = [row, results.labels[row], name]
                table.writerows([*start, seed, written(value), "", ""] for seed, value in sorted(by_seed.items()))
                table.writerow([*start, "all", *map(written, over_all(name, row, list(by_seed.values())))])
