"""Figures: training curves with direct labels, and the grid of ways to break."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from math import ceil, inf
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pure_repro.report.about import Grid
from pure_repro.report.cells import Training

# Okabe and Ito's palette: told apart with any common colour blindness. Black is the reference arm.
COLOURS = ("#000000", "#0072B2", "#009E73", "#D55E00", "#E69F00", "#CC79A7", "#56B4E9")
LINES = ("-", "--", ":", "-.")  # one for each time that the colours are used up
TITLE_WIDTH = 24  # letters, over a panel one in four
PANELS_IN_A_ROW = 4  # at most
ARMS_IN_A_ROW = 7
GridPoint = tuple[str, str]  # of a row: its value down, its value across
PLAIN = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 2}
STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "axes.axisbelow": True,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
}


def draw_curves(
    runs: Mapping[str, Sequence[Training]], labels: Mapping[str, str], path: Path, panels: Mapping[str, str]
) -> None:
    """Draw sampled validation accuracy by step, one panel per arm, above the ``panels`` that explain it.

    A line is one seed and ends with a cross where the run was stopped at its collapse. There is no mean: arms that
    collapse in some seeds and not in others have one that no run ever had. The first arm stands behind the others,
    in grey.
    """
    colours = dict(zip(runs, cycle(COLOURS), strict=False))
    dashes = {row: LINES[i // len(COLOURS) % len(LINES)] for i, row in enumerate(runs)}
    logged = {m for m in panels for group in runs.values() for run in group if run.curve(m)[0]}
    explaining = {m: t for m, t in panels.items() if m in logged} or panels  # empty panels where nothing was logged
    with rc_context(STYLE):
        rows_above, rows_below = max(2, ceil(len(runs) / ARMS_IN_A_ROW)), ceil(len(explaining) / PANELS_IN_A_ROW)
        figure = Figure(figsize=(9, 2.65 * rows_above + 2.7 * rows_below), layout="constrained")
        above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=[rows_above, rows_below])[:, 0]
        arms = above.subplots(rows_above, ceil(len(runs) / rows_above), sharex=True, sharey=True, squeeze=False)
        above.supylabel("sampled accuracy on the validation problems", fontsize=9)
        above.supxlabel(f"grey: {next(iter(labels[row] for row in runs))}; ×: stopped after its collapse", fontsize=9)
        for axis, (row, group) in zip(arms.flat, runs.items(), strict=False):
            _draw(axis, next(iter(runs.values())), "sampled", "#c4c4c4")
            _draw(axis, group, "sampled", colours[row])
            broken = sum(run.collapsed_at < inf for run in group)
            axis.set_title(fill(labels[row], TITLE_WIDTH), color=colours[row], fontweight="bold")
            axis.annotate(
                f"{broken} of {len(group)} collapsed", (0.97, 0.1), xycoords="axes fraction", ha="right", bbox=PLAIN
            )
            axis.set(ylim=(-0.02, 1))
            axis.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
        for axis in list(arms.flat)[len(runs) :]:
            axis.remove()
        panes = below.subplots(rows_below, ceil(len(explaining) / rows_below), squeeze=False)
        for axis, (metric, title) in zip(panes.flat, explaining.items(), strict=False):
            for row, group in runs.items():
                _draw(axis, group, metric, colours[row], dashes[row])
            axis.set(title=fill(title, TITLE_WIDTH), xlabel="training step")
        for axis in list(panes.flat)[len(explaining) :]:
            axis.remove()
        figure.savefig(path, dpi=130, metadata={"Software": None})


def _draw(axis: Axes, group: Sequence[Training], metric: str, colour: str, dashes: str = "-") -> None:
    for run in group:
        steps, values = run.curve(metric)
        axis.plot(steps, values, color=colour, ls=dashes, lw=1.1, alpha=0.8)
        if steps and run.summary["stopped"] == "collapse":
            axis.plot(steps[-1], values[-1], "x", color=colour, ms=6, clip_on=False)


def draw_grid(accuracies: Mapping[GridPoint, float], ways: Mapping[GridPoint, str], grid: Grid, path: Path) -> None:
    """Draw the rows by two of their keys, coloured by the accuracy at the end, with the way each broke."""
    down = list(dict.fromkeys(row for row, _ in accuracies))
    across = list(dict.fromkeys(column for _, column in accuracies))
    shares = np.array([[accuracies.get((row, column), np.nan) for column in across] for row in down])
    with rc_context(STYLE | {"axes.grid": False, "axes.spines.left": False, "axes.spines.bottom": False}):
        figure = Figure(figsize=(8, 4.6), layout="constrained")
        axis = figure.add_subplot()
        image = axis.imshow(shares, cmap="cividis", vmin=0, vmax=1, aspect="auto")
        for (i, j), share in np.ndenumerate(shares):
            if np.isnan(share):
                continue
            ink = "black" if share > 0.5 else "white"
            axis.text(j, i - 0.12, f"{100 * share:.0f} %", ha="center", va="center", color=ink, fontsize=17)
            axis.text(j, i + 0.2, ways[down[i], across[j]], ha="center", va="center", color=ink, fontsize=8.5)
        axis.set_xticks(range(len(across)), [grid.names.get(name, name) for name in across])
        axis.set_yticks(range(len(down)), [grid.names.get(name, name) for name in down])
        axis.set_ylabel(grid.title, labelpad=10)
        axis.tick_params(length=0, labelsize=10)
        axis.set_title("Sampled accuracy at the end of training, and how the policy broke")
        bar = figure.colorbar(image, ax=axis, format=lambda share, _: f"{100 * share:.0f} %", fraction=0.04)
        bar.outline.set_visible(False)
        figure.savefig(path, dpi=130, metadata={"Software": None})
