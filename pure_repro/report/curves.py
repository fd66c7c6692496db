"""Figures: training curves with direct labels, and the grid of ways to break."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pure_repro.report.cells import Run

# Okabe and Ito's palette: told apart with any common colour blindness. Black is the reference arm.
COLOURS = ("#000000", "#0072B2", "#009E73", "#D55E00", "#E69F00", "#CC79A7", "#56B4E9")
PANELS = {  # metric → title; drawn where the runs have it
    "tokens": "tokens per response",
    "steps": "steps per response",
    "reward/process": "mean process reward",
}
NEGATIVES = {
    "none": "nothing more",
    "zero_step": "saying nothing\nis bad",
    "all": "saying nothing and\nstalling are bad",
}
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


def draw_curves(runs: Mapping[str, Sequence[Run]], labels: Mapping[str, str], path: Path) -> None:
    """Draw sampled validation accuracy by step, above the panels that explain it.

    A thin line is one seed and ends with a cross where the run was stopped at its collapse; a thick one is the
    mean over seeds, as far as every seed reaches: a mean of survivors would flatter the arm.
    """
    colours = dict(zip(runs, COLOURS, strict=False))
    panels = {m: t for m, t in PANELS.items() if any(run.curve(m)[0] for group in runs.values() for run in group)}
    with rc_context(STYLE):
        figure = Figure(figsize=(9, 7), layout="constrained")
        above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=[2, 1])[:, 0]
        main = above.add_subplot()
        _draw(main, runs, colours, "sampled")
        main.set(title="Sampled accuracy on the validation problems", xlabel="training step", ylim=(0, 1))
        main.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
        _label_ends(main, runs, labels, colours)
        for column, (metric, title) in enumerate(panels.items(), start=1):
            axis = below.add_subplot(1, len(panels), column)
            _draw(axis, runs, colours, metric)
            axis.set(title=title, xlabel="training step")
        figure.savefig(path, dpi=130, metadata={"Software": None})


def _draw(axis: Axes, runs: Mapping[str, Sequence[Run]], colours: Mapping[str, str], metric: str) -> None:
    for row, group in runs.items():
        curves = [run.curve(metric) for run in group]
        if not all(steps for steps, _ in curves):
            continue
        for run, (steps, values) in zip(group, curves, strict=True):
            axis.plot(steps, values, color=colours[row], lw=0.7, alpha=0.45)
            if run.summary["stopped"] == "collapse":
                axis.plot(steps[-1], values[-1], "x", color=colours[row], ms=5, clip_on=False)
        axis.plot(*_mean_curve(group, metric), color=colours[row], lw=2)


def _label_ends(
    axis: Axes, runs: Mapping[str, Sequence[Run]], labels: Mapping[str, str], colours: Mapping[str, str]
) -> None:
    """Write each arm's name beside the end of its mean curve, in its colour."""
    curves = {row: _mean_curve(group, "sampled") for row, group in runs.items()}
    ends = {row: (steps[-1], values[-1]) for row, (steps, values) in curves.items()}
    right = max(run.summary["last_step"] for group in runs.values() for run in group)
    heights = spread([height for _, height in ends.values()], gap=0.06)
    for (row, end), height in zip(ends.items(), heights, strict=True):
        axis.annotate(
            labels[row],
            xy=end,
            xytext=(1.03 * right, height),
            color=colours[row],
            va="center",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colours[row], "lw": 0.6, "alpha": 0.6},
        )
    axis.set_xlim(0, right)


def spread(heights: Sequence[float], gap: float) -> list[float]:
    """The nearest heights in the same order that leave ``gap`` between neighbours: room for one label each.

    Labels that are too close move apart around their common mean.

    >>> [round(h, 2) for h in spread([0.5, 0.9, 0.88], gap=0.1)]
    [0.5, 0.94, 0.84]
    """
    order = np.argsort(heights, kind="stable")
    blocks: list[list[float]] = []  # each of labels that touch, as their heights less their rank × gap
    for rank, i in enumerate(order):
        blocks.append([heights[i] - rank * gap])
        while len(blocks) > 1 and np.mean(blocks[-2]) > np.mean(blocks[-1]):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    placed = [float(np.mean(block)) for block in blocks for _ in block]
    result = [0.0] * len(heights)
    for rank, i in enumerate(order):
        result[i] = placed[rank] + rank * gap
    return result


def _mean_curve(group: Sequence[Run], metric: str) -> tuple[list[int], list[float]]:
    """The mean over seeds at the steps that every seed has."""
    curves = [dict(zip(*run.curve(metric), strict=True)) for run in group]
    shared = sorted(set.intersection(*(set(curve) for curve in curves)))
    return shared, [float(np.mean([curve[step] for curve in curves])) for step in shared]


def draw_grid(accuracies: Mapping[tuple[str, str], float], ways: Mapping[tuple[str, str], str], path: Path) -> None:
    """Draw reward-model negatives × credit form, coloured by the accuracy at the end, with the way each broke."""
    negatives = list(dict.fromkeys(row for row, _ in accuracies))
    credits = list(dict.fromkeys(column for _, column in accuracies))
    shares = np.array([[accuracies.get((row, column), np.nan) for column in credits] for row in negatives])
    with rc_context(STYLE | {"axes.grid": False, "axes.spines.left": False, "axes.spines.bottom": False}):
        figure = Figure(figsize=(8, 4.6), layout="constrained")
        axis = figure.add_subplot()
        image = axis.imshow(shares, cmap="cividis", vmin=0, vmax=1, aspect="auto")
        for (i, j), share in np.ndenumerate(shares):
            if np.isnan(share):
                continue
            ink = "black" if share > 0.5 else "white"
            axis.text(j, i - 0.12, f"{100 * share:.0f} %", ha="center", va="center", color=ink, fontsize=17)
            axis.text(j, i + 0.2, ways[negatives[i], credits[j]], ha="center", va="center", color=ink, fontsize=8.5)
        axis.set_xticks(range(len(credits)), [f"{name.replace('_', ' ')} credit" for name in credits])
        axis.set_yticks(range(len(negatives)), [NEGATIVES[name] for name in negatives])
        axis.set_ylabel("what the reward model was shown besides wrong steps", labelpad=10)
        axis.tick_params(length=0, labelsize=10)
        axis.set_title("Sampled accuracy at the end of training, and how the policy broke")
        bar = figure.colorbar(image, ax=axis, format=lambda share, _: f"{100 * share:.0f} %", fraction=0.04)
        bar.outline.set_visible(False)
        figure.savefig(path, dpi=130, metadata={"Software": None})
