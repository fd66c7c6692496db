"""Two reward models on the same solutions: is one of them better?"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pure_repro.config import ConfigError
from pure_repro.examine.run import SCORED, SCORES
from pure_repro.examine.tables import FAULTLESS, SolutionScores, counts_of, group_of
from pure_repro.prm.measures import MEASURES, Measure, faultless_figures
from pure_repro.prm.solutions import ORIGINAL
from pure_repro.score.compare import better_or_worse
from pure_repro.score.generations import read_lines
from pure_repro.score.intervals import Figure, bootstrap
from pure_repro.score.markdown import markdown_table, percent


def compare_prms(first: Path, second: Path, measure_name: str, threshold: float) -> list[dict[str, Any]]:
    """The second model against the first, per group and over all: the difference of the measure's first figure.

    A bootstrap over problems, in which both models have every resampled problem.

    Raises ``ConfigError`` for a folder that holds no examination, or solutions other than those of the first.
    """
    one, other = (rows_in(folder) for folder in (first, second))
    if [(row["problem"], row["right"]) for row in one] != [(row["problem"], row["right"]) for row in other]:
        raise ConfigError(f"{second} was not examined on the solutions of {first}: examine both on the same set")
    measure = MEASURES[measure_name]
    groups = [name for name in dict.fromkeys(map(group_of, one)) if name != ORIGINAL]
    found = []
    for name in [*groups, "all"]:
        members = [name] if name != "all" else groups
        pair = [[row for row in rows if row["group"] in members] for rows in (one, other)]
        used = measure._replace(figures=faultless_figures) if name == FAULTLESS else measure
        both = np.concatenate([counts_of(rows, used, threshold) for rows in pair], axis=1)
        interval = bootstrap([(difference(used), both)])
        found.append({"group": name, "difference": interval, "verdict": better_or_worse(interval)})
    return found


def difference(measure: Measure) -> Figure:
    """The first figure of the second half of the counts, less that of the first half."""

    def of(sums: np.ndarray) -> np.ndarray:
        """For every resample."""
        first, second = np.split(sums, 2, axis=-1)
        return next(iter(measure.figures(second).values())) - next(iter(measure.figures(first).values()))

    return of


def rows_in(folder: Path) -> list[SolutionScores]:
    """The scores of a finished examination."""
    try:
        return list(read_lines(folder / SCORES, *SCORED))
    except (FileNotFoundError, NotADirectoryError):
        raise ConfigError(f"{folder} holds no {SCORES}: name the folder that an examination printed") from None


def prm_comparison_markdown(found: Sequence[dict[str, Any]]) -> str:
    """The comparison as a table."""
    return markdown_table(
        ["group", "second − first, points", "the second is"],
        [[one["group"], percent(one["difference"]), one["verdict"]] for one in found],
    )
