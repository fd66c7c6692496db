"""From step scores to figures with intervals over problems, per group and over the groups."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from pure_repro.config import ConfigError, Examined, PretrainedPrm
from pure_repro.models.served import key_of
from pure_repro.prm.measures import MEASURES, Measure, best_threshold, faultless_figures
from pure_repro.prm.solutions import ORIGINAL
from pure_repro.score.intervals import Figure, Interval, bootstrap, crossed_bootstrap
from pure_repro.score.markdown import markdown_table, percent

SolutionScores = Mapping[str, Any]  # problem, group, right, scores
GroupRecord = dict[str, Any]
# PRMBench's nine kinds of spoilt solutions in the three it speaks of, by the names of its files.
KINDS = {
    "simplicity": ("redundency", "circular"),
    "soundness": ("counterfactual", "step_contradiction", "domain_inconsistency", "confidence"),
    "sensitivity": ("missing_condition", "deception", "multi_solutions"),
}
FAULTLESS = "multi_solutions"
AVERAGE, OVERALL, HALF = "average", "overall", "half"


def records(rows: Sequence[SolutionScores], examined: Examined) -> list[GroupRecord]:
    """A record per group with every figure of the measure, and those over the groups.

    Raises ``ConfigError`` where the threshold is to be chosen on what is not there.
    """
    measure = MEASURES[examined.on.measure]
    threshold, kept = threshold_of(rows, examined.threshold, measure)
    groups = {name: list(some) for name, some in groupby(sorted(kept, key=group_of), key=group_of)}
    in_order = {name: groups[name] for name in dict.fromkeys(map(group_of, kept))}
    if examined.on.measure == "prm_score":
        found = by_kind(in_order, measure, threshold)
    else:
        parts = {name: [(measure, some)] for name, some in in_order.items()}
        if len(parts) > 1:
            parts[AVERAGE] = [part for some in list(parts.values()) for part in some]
        found = [figures_of(name, some, threshold) for name, some in parts.items()]
    return [{"threshold": threshold, **record} for record in found]


def group_of(row: SolutionScores) -> str:
    """The split of a solution, or the kind of its errors."""
    name: str = row["group"]
    return name


def threshold_of(
    rows: Sequence[SolutionScores], wanted: float | str, measure: Measure
) -> tuple[float, list[SolutionScores]]:
    """The threshold, and the rows whose figures are wanted."""
    if not isinstance(wanted, str):
        return float(wanted), list(rows)
    on, kept = chosen_on(rows, wanted)
    return best_threshold([row["scores"] for row in on], [row["right"] for row in on], measure), kept


def chosen_on(rows: Sequence[SolutionScores], wanted: str) -> tuple[list[SolutionScores], list[SolutionScores]]:
    """The rows that a threshold is chosen on, and those whose figures are wanted: without these where it is ``half``.

    A split that is named for the choice, as ProcessBench names gsm8k, stays among the figures, as it does there.
    Raises ``ConfigError`` where there are none.
    """
    if wanted == HALF:  # by a hash of the problem, so that it stays the same half
        on = [row for row in rows if int(key_of(row["problem"])[-1], 16) % 2 == 0]
        kept = [row for row in rows if int(key_of(row["problem"])[-1], 16) % 2 == 1]
    else:
        on, kept = [row for row in rows if row["group"] == wanted], list(rows)
    if not on or not kept:
        raise ConfigError(
            f"threshold={wanted} names no rows of this set: take a number, {HALF}, or one of "
            f"{', '.join(dict.fromkeys(map(group_of, rows)))}"
        )
    return on, kept


def by_kind(groups: Mapping[str, Sequence[SolutionScores]], measure: Measure, threshold: float) -> list[GroupRecord]:
    """PRMBench's table: its kinds, the means of three groups of them, and all solutions that were made wrong."""
    spoilt = {name: some for name, some in groups.items() if name != ORIGINAL}
    kinds = {
        name: (measure._replace(figures=faultless_figures) if name == FAULTLESS else measure, some)
        for name, some in spoilt.items()
    }
    found = [figures_of(name, [part], threshold) for name, part in kinds.items()]
    for record in found:
        record["similarity"] = similarity(spoilt[record["group"]], groups.get(ORIGINAL, ()), threshold)
    for name, members in KINDS.items():
        if parts := [kinds[member] for member in members if member in kinds]:
            found.append(figures_of(name, parts, threshold))
    return [*found, figures_of(OVERALL, [(measure, [row for some in spoilt.values() for row in some])], threshold)]


def figures_of(name: str, parts: Sequence[tuple[Measure, Sequence[SolutionScores]]], threshold: float) -> GroupRecord:
    """Every figure of some parts, averaged over them, with its interval."""
    counted = [(measure, counts_of(rows, measure, threshold)) for measure, rows in parts]
    figures = {
        key: bootstrap([(one_figure(measure, key), counts) for measure, counts in counted])
        for key in parts[0][0].figures(counted[0][1].sum(axis=0, keepdims=True))
    }
    rows = [row for _, some in parts for row in some]
    return {
        "group": name,
        "solutions": len(rows),
        "unscored": sum(row["scores"] is None for row in rows),
        **figures,
    }


def one_figure(measure: Measure, key: str) -> Figure:
    """One figure of a measure."""
    return lambda sums: measure.figures(sums)[key]


def counts_of(rows: Sequence[SolutionScores], measure: Measure, threshold: float) -> Float[ndarray, "problem count"]:
    """The counts of every problem, in the order of their names; solutions of one problem are added up."""
    of_problem: dict[str, np.ndarray] = {}
    for row in rows:
        counts = np.array(measure.counts(row["scores"], row["right"], threshold), float)
        of_problem[row["problem"]] = of_problem.get(row["problem"], 0) + counts
    return np.array([of_problem[name] for name in sorted(of_problem)])


def similarity(
    spoilt: Sequence[SolutionScores], originals: Sequence[SolutionScores], threshold: float
) -> Interval | None:
    """How far the share of steps called right is from that of the right solution of the same problem, on average.

    A model that cannot tell them apart has 0. ``None`` where no right solution of these problems is there.
    """

    def passed(row: SolutionScores) -> float:
        """The share of steps called right."""
        return sum(score > threshold for score in row["scores"]) / len(row["scores"])

    right = {row["problem"]: passed(row) for row in originals if row["scores"]}
    gaps = [abs(passed(row) - right[row["problem"]]) for row in spoilt if row["scores"] and row["problem"] in right]
    return crossed_bootstrap([np.array([gaps])]) if gaps else None


def examination_markdown(
    found: Sequence[GroupRecord],
    probes: Sequence[Mapping[str, Any]],
    effort: Mapping[str, Any],
    examined: Examined,
    published: Mapping[str, Any],
) -> str:
    """The examination as a reader wants it: figures, probes, published figures beside them."""
    names = [key for key in found[0] if key not in ("group", "solutions", "unscored", "threshold")]
    lines = [
        [
            record["group"],
            str(record["solutions"]),
            *(percent(record[name]) if record.get(name) is not None else "–" for name in names),
            str(record["unscored"]),
        ]
        for record in found
    ]
    on, source = examined.on, examined.on.path or examined.on.hub
    sections = [
        f"# prm={examined.prm.name} on {on.name}",
        f"{source}; {marker_join(examined)}; a step is wrong at or below {found[0]['threshold']:.4g}"
        + (f", chosen on {examined.threshold}" if isinstance(examined.threshold, str) else "")
        + ". In percent, with 95 % intervals from a bootstrap over problems.",
        markdown_table(["group", "solutions", *(name.replace("_", " ") for name in names), "unscored"], lines),
        speed(effort),
    ]
    if probes:
        sections += ["## Right solutions, spoilt and restyled", probes_markdown(probes)]
    if on.name in published:
        sections += ["## Published, by others", beside(published[on.name])]
    return "\n\n".join(sections) + "\n"


def marker_join(examined: Examined) -> str:
    """How steps were joined: figures move with it, so that they name it."""
    if not isinstance(examined.prm, PretrainedPrm):
        return "steps written as text"
    how = {"token": "appended as a token", "text": "written behind the step and cut up with it"}
    return f"markers {how[examined.prm.join]} (join={examined.prm.join})"


def speed(effort: Mapping[str, Any]) -> str:
    """How fast it went, and what went wrong.

    >>> speed({"steps": 300, "seconds": 2.0, "malformed": 3})
    '300 steps in 2.0 s, 150 steps a second. malformed: 3.'
    """
    rate = effort["steps"] / max(effort["seconds"], 1e-9)
    trouble = "".join(f" {name}: {count}." for name, count in effort.items() if name not in ("steps", "seconds"))
    return f"{effort['steps']} steps in {effort['seconds']:.1f} s, {rate:.0f} steps a second.{trouble}"


def probes_markdown(probes: Sequence[Mapping[str, Any]]) -> str:
    """The probes as a table."""
    told = {
        "says nothing": "lowest step score {:+.2f} (wanted: below 0)",
        "says the same": "moved by {:.2f} (wanted: 0)",
    }
    lines = [
        [
            f"{one['kind']}: {one['probe']}",
            str(one["answers"]),
            told[one["kind"]].format(one["score"]) if one["answers"] else "–",
        ]
        for one in probes
    ]
    return markdown_table(["answer", "answers", "on average"], lines)


def beside(expected: Mapping[str, Any]) -> str:
    """Published figures, with what is known of them."""
    lines = [[row["label"], *(f"{value:.1f}" for value in row["values"])] for row in expected["rows"]]
    return "\n\n".join(
        [
            f"{expected['source']}. {expected['protocol']}.",
            markdown_table(["reward model", *expected["columns"]], lines),
            *(f"- {note}" for note in expected["notes"]),
        ]
    )
