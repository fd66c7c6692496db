"""Intervals: what a mean over few seeds and a hundred problems can and cannot tell.

Accuracies are shares in [0, 1]. Every interval is a 95 % one.
"""

from collections.abc import Callable, Sequence
from functools import cache
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.special import stdtrit  # the quantile of Student's t; scipy.stats takes seconds to import

LEVEL = 0.95
Figure = Callable[[Float[ndarray, "draw count"]], Float[ndarray, " draw"]]  # of counts that are summed over problems


class Interval(NamedTuple):
    """An estimate and the interval around it, in the units of what was averaged."""

    estimate: float
    low: float
    high: float


def crossed_bootstrap(sets: Sequence[Float[ndarray, "seed _"]], draws: int = 4000, seed: int = 0) -> Interval:
    """Percentile bootstrap over seeds and problems of ``θ = mean_sets mean_seeds mean_problems xₛₚ``.

    A draw resamples the seeds, once for all sets, then the problems of each set. Every seed answers the same
    problems, so that the draw of problems is shared by the seeds: resampling them within each seed would
    count one hard problem as many independent ones and give intervals that are too narrow (Owen 2007, "The
    pigeonhole bootstrap"). With one seed the interval holds over problems alone. ``seed`` fixes the draws,
    nothing else: the same scores give the same interval. A set is ``(seed, problem)``; sets may differ in size.

    >>> right = np.array([[1.0, 0.0, 1.0, 1.0], [1.0, 0.0, 0.0, 1.0]])
    >>> theta, low, high = crossed_bootstrap([right])
    >>> theta, low < theta < high
    (0.625, True)
    >>> crossed_bootstrap([np.ones((3, 5)), np.zeros((3, 7))])
    Interval(estimate=0.5, low=0.5, high=0.5)
    """
    seed_counts = _resampled_counts((seed, 0), draws, sets[0].shape[0])
    means = np.zeros(draws)
    for i, right in enumerate(sets, start=1):
        problem_counts = _resampled_counts((seed, i), draws, right.shape[1])
        means += np.einsum("ds,sp,dp->d", seed_counts, right, problem_counts, optimize=True) / right.size
    low, high = np.quantile(means / len(sets), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    estimate = np.mean([right.mean() for right in sets])
    return Interval(float(estimate), float(low), float(high))


def bootstrap(parts: Sequence[tuple[Figure, Float[ndarray, "_ count"]]], draws: int = 4000, seed: int = 0) -> Interval:
    """Percentile bootstrap over problems of ``θ = mean_parts figure(Σ_problems counts)``.

    For figures that are no mean over problems, as an F1: of every resample the counts are summed, then the figure is
    taken. A part is a figure and the counts of every problem. Two models on the same problems are compared problem by
    problem where ``counts`` holds those of both and the figure is their difference.

    >>> right = np.array([[1.0, 1.0], [1.0, 0.0], [1.0, 1.0], [1.0, 1.0]])
    >>> bootstrap([(lambda sums: sums[:, 1] / sums[:, 0], right)])
    Interval(estimate=0.75, low=0.25, high=1.0)
    """
    estimates = [figure(counts.sum(axis=0, keepdims=True))[0] for figure, counts in parts]
    means = np.zeros(draws)
    for i, (figure, counts) in enumerate(parts, start=1):
        means += figure(_resampled_counts((seed, i), draws, len(counts)) @ counts) / len(parts)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(np.mean(estimates)), float(low), float(high))


@cache
def _resampled_counts(seed: tuple[int, int], draws: int, size: int) -> Float[ndarray, "draw item"]:
    """How often each of ``size`` items is drawn in a resample with replacement, over many draws."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(size, np.full(size, 1 / size), size=draws).astype(float)


def wilson(successes: int, trials: int) -> Interval:
    """Wilson score interval of a share, ``(p̂ + z²/2n ± z √(p̂(1−p̂)/n + z²/4n²)) / (1 + z²/n)``, z = 1.96.

    Unlike the normal interval it stays honest at 0 and 1: three successes of three leave the true share
    anywhere above 0.43. No trials leave it anywhere.

    >>> [round(x, 3) for x in wilson(3, 3)], [round(x, 3) for x in wilson(5, 5)]
    ([1.0, 0.439, 1.0], [1.0, 0.566, 1.0])
    >>> wilson(0, 0)
    Interval(estimate=nan, low=0.0, high=1.0)
    """
    if trials == 0:
        return Interval(float("nan"), 0.0, 1.0)
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    share = successes / trials
    shrink = 1 + z**2 / trials
    centre = (share + z**2 / (2 * trials)) / shrink
    half = z * (share * (1 - share) / trials + z**2 / (4 * trials**2)) ** 0.5 / shrink
    return Interval(share, max(0.0, centre - half), min(1.0, centre + half))


def over_seeds(values: Sequence[float]) -> Interval:
    """Student's interval of a mean over seeds, ``x̄ ± t_{n−1} s/√n``; without bounds below two seeds.

    >>> [round(x, 3) for x in over_seeds([0.5, 0.6, 0.7])]
    [0.6, 0.352, 0.848]
    >>> over_seeds([0.5])
    Interval(estimate=0.5, low=-inf, high=inf)
    """
    if len(values) < 2:
        return Interval(float(np.mean(values)) if values else float("nan"), -float("inf"), float("inf"))
    mean, count = float(np.mean(values)), len(values)
    half = float(stdtrit(count - 1, (1 + LEVEL) / 2) * np.std(values, ddof=1) / count**0.5)
    return Interval(mean, mean - half, mean + half)


def paired_difference(ours: Sequence[float], theirs: Sequence[float]) -> Interval:
    """Mean of ``oursₛ − theirsₛ`` over seeds s, with Student's interval of the differences.

    Arms of one seed share base, reward model and problems, so that the difference within a seed is far less
    noisy than the difference of two means. Raises ``ValueError`` where the lengths differ.

    >>> [round(x, 3) for x in paired_difference([0.8, 0.7, 0.9], [0.7, 0.6, 0.8])]
    [0.1, 0.1, 0.1]
    """
    return over_seeds([a - b for a, b in zip(ours, theirs, strict=True)])
