"""What step scores are worth against what the steps are.

Every measure is a function of counts that are summed over problems, so that a resample of problems is a sum again.
A step is called wrong where its score is at or below a threshold; scores are ``P(right) − P(wrong)``.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

Right = Sequence[bool | None]  # of every step; None: nobody says
Counts = Float[ndarray, "draw count"]
Figures = dict[str, Float[ndarray, " draw"]]


def first_error_counts(scores: Sequence[float] | None, right: Right, threshold: float) -> tuple[int, ...]:
    """Erroneous, of these with the first wrong step found; faultless, of these with no step called wrong.

    A solution without scores is one that is judged wrongly.

    >>> first_error_counts([0.9, -0.5, -0.9], [True, False, None], threshold=0.0)
    (1, 1, 0, 0)
    >>> first_error_counts([0.9, 0.0], [True, True], threshold=0.0), first_error_counts(None, [True], threshold=0.0)
    ((0, 0, 1, 0), (0, 0, 1, 0))
    """
    wanted = right.index(False) if False in right else -1
    said = None if scores is None else next((i for i, score in enumerate(scores) if score <= threshold), -1)
    hit = int(said == wanted)
    return (0, 0, 1, hit) if wanted == -1 else (1, hit, 0, 0)


def first_error_figures(counts: Counts) -> Figures:
    """ProcessBench's F1, the harmonic mean of the accuracies on erroneous and on faultless solutions (2412.06559).

    >>> {name: float(x[0].round(3)) for name, x in first_error_figures(np.array([[4.0, 3.0, 2.0, 1.0]])).items()}
    {'f1': 0.6, 'on_erroneous': 0.75, 'on_correct': 0.5}
    """
    erroneous, found, faultless, passed = np.moveaxis(counts, -1, 0)
    on_erroneous, on_correct = share(found, erroneous), share(passed, faultless)
    return {
        "f1": share(2 * on_erroneous * on_correct, on_erroneous + on_correct),
        "on_erroneous": on_erroneous,
        "on_correct": on_correct,
    }


def step_counts(scores: Sequence[float] | None, right: Right, threshold: float) -> tuple[int, ...]:
    """Right steps let pass, wrong ones let pass, wrong ones found, right ones called wrong; unjudged ones are none.

    >>> step_counts([0.9, 0.4, -0.1, -0.3], [True, False, False, None], threshold=0.0)
    (1, 1, 1, 0)
    """
    said = [(score > threshold, one) for score, one in zip(scores or (), right, strict=False) if one is not None]
    return said.count((True, True)), said.count((True, False)), said.count((False, False)), said.count((False, True))


def prm_score_figures(counts: Counts) -> Figures:
    """PRMBench's score, half the F1 of right steps and half that of wrong ones (2501.03124).

    >>> {name: float(x[0].round(3)) for name, x in prm_score_figures(np.array([[6.0, 1.0, 2.0, 1.0]])).items()}
    {'prm_score': 0.762, 'f1_right': 0.857, 'f1_wrong': 0.667}
    """
    passed, missed, found, alarms = np.moveaxis(counts, -1, 0)
    f1_right, f1_wrong = share(2 * passed, 2 * passed + missed + alarms), share(2 * found, 2 * found + missed + alarms)
    return {"prm_score": (f1_right + f1_wrong) / 2, "f1_right": f1_right, "f1_wrong": f1_wrong}


def faultless_figures(counts: Counts) -> Figures:
    """The same for kinds without a wrong step (other ways to a right answer), where half of it would mean nothing."""
    figures = prm_score_figures(counts)
    return {"prm_score": figures["f1_right"], "f1_right": figures["f1_right"], "f1_wrong": figures["f1_wrong"]}


def step_figures(counts: Counts) -> Figures:
    """Steps judged rightly, wrong ones found, right ones called wrong; shares.

    >>> {name: float(x[0].round(3)) for name, x in step_figures(np.array([[6.0, 1.0, 2.0, 1.0]])).items()}
    {'accuracy': 0.8, 'bad_found': 0.667, 'false_alarms': 0.143}
    """
    passed, missed, found, alarms = np.moveaxis(counts, -1, 0)
    return {
        "accuracy": share(passed + found, counts.sum(axis=-1)),
        "bad_found": share(found, found + missed),
        "false_alarms": share(alarms, alarms + passed),
    }


def share(part: ndarray, whole: ndarray) -> ndarray:
    """Their quotient; 0 of nothing.

    >>> share(np.array([1.0, 0.0]), np.array([4.0, 0.0])).tolist()
    [0.25, 0.0]
    """
    return np.divide(part, whole, out=np.zeros(np.shape(whole)), where=np.asarray(whole) != 0)


class Measure(NamedTuple):
    """Counts of one solution, and the figures of their sums; the first figure is the one that counts."""

    counts: Callable[[Sequence[float] | None, Right, float], tuple[int, ...]]
    figures: Callable[[Counts], Figures]


MEASURES: Mapping[str, Measure] = {
    "first_error": Measure(first_error_counts, first_error_figures),
    "prm_score": Measure(step_counts, prm_score_figures),
    "steps": Measure(step_counts, step_figures),
}


def best_threshold(scores: Sequence[Sequence[float] | None], right: Sequence[Right], measure: Measure) -> float:
    """The threshold at which the measure is highest on some solutions; the middle one of several.

    Between two neighbouring scores all thresholds are one, so that the lower of them stands for all; of very many
    scores 500 are tried, evenly by rank.

    >>> best_threshold([[0.9, 0.2, 0.1], [0.8, 0.6]], [[True, False, None], [True, True]], MEASURES["first_error"])
    0.2
    """
    every = np.unique([score for one in scores for score in one or ()])
    tried = every[np.unique(np.linspace(0, len(every) - 1, min(len(every), 500)).round().astype(int))]
    values = [
        next(iter(measure.figures(summed(scores, right, measure, float(threshold))).values())).item()
        for threshold in tried
    ]
    best = np.flatnonzero(np.isclose(values, max(values)))
    return float(tried[best[len(best) // 2]])


def summed(
    scores: Sequence[Sequence[float] | None], right: Sequence[Right], measure: Measure, threshold: float
) -> Counts:
    """The counts of some solutions together, as one draw."""
    counts = [measure.counts(one, verdicts, threshold) for one, verdicts in zip(scores, right, strict=True)]
    return np.sum(counts, axis=0, dtype=float)[None]


def calibration_error(probability: Float[ndarray, " step"], right: Sequence[bool], bins: int = 10) -> float:
    """Expected calibration error: the mean over steps of |P(right) said − share right| within ten equal bins of P.

    >>> calibration_error(np.array([0.75, 0.75, 0.75, 0.75]), [True, True, True, False])
    0.0
    """
    bin_of = (probability * bins).astype(int).clip(max=bins - 1)
    gap = np.zeros(bins)
    np.add.at(gap, bin_of, probability - np.asarray(right, float))
    return float(np.abs(gap).sum() / len(probability))
