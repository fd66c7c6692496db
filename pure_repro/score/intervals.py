"""Intervals: what a mean over few seeds and a hundred problems can and cannot tell.

Accuracies are shares in [0, 1]. Every interval is a 95 % one.
"""

from collections.abc import Callable, Sequence
from functools import cache
from math import hypot
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.special import stdtrit  # the quantile of Student's t; scipy.stats takes seconds to import

LEVEL = 0.95
Z = NormalDist().inv_cdf((1 + LEVEL) / 2)
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


def mean_accuracy(sets: Sequence[Float[ndarray, "seed _"]]) -> Interval:
    """Interval of ``θ = mean_sets mean_seeds mean_problems xₛₚ`` for x in [0, 1], right for few problems too.

    Problems: of two intervals the one that reaches further, on either side. ``pooled_problems`` takes all sets together
    and is right where they are alike. The other is made of the sets' own intervals, ``θ − √Σ (θᵢ − lᵢ)² / k`` to
    ``θ + √Σ (uᵢ − θᵢ)² / k`` (Zou & Donner 2008, "MOVER"): where three answers of a small set are all wrong, that says
    little of the small set, however many a large one beside it has, and variances would say nothing of it at all.

    Seeds: they answer the same problems, which are not counted twice. Student's interval of their means is an error of
    its own, and is added as the root of squares on either side. Two seeds that agree to the last answer add nothing:
    then the interval is over problems alone.

    >>> [round(x, 3) for x in mean_accuracy([np.zeros((1, 3))] * 5)], round(wilson(0, 3).high / 5**0.5, 3)
    ([0.0, 0.0, 0.251], 0.251)
    >>> right = np.array([[1.0, 0.0, 1.0, 1.0]])
    >>> mean_accuracy([right]) == wilson(3, 4)
    True
    """
    pooled, parts = pooled_problems(sets), [pooled_problems([right]) for right in sets]
    theta, count = pooled.estimate, len(sets)
    below = max(theta - pooled.low, hypot(*(one.estimate - one.low for one in parts)) / count)
    above = max(pooled.high - theta, hypot(*(one.high - one.estimate for one in parts)) / count)
    seeds = over_seeds([float(np.mean([right[seed].mean() for right in sets])) for seed in range(len(sets[0]))])
    half = seeds.high - seeds.estimate if len(sets[0]) > 1 else 0.0
    return Interval(theta, max(0.0, theta - hypot(below, half)), min(1.0, theta + hypot(above, half)))


def pooled_problems(sets: Sequence[Float[ndarray, "seed _"]]) -> Interval:
    """Wilson's interval over problems for θ, with as many trials as its variance is worth.

    ``n = θ(1 − θ) / Σ_sets s²/(P k²) · (z / t_f)²``: k sets, P problems in one, s² the variance of its problems' means,
    ``f = Σ (P − 1)``. That is the effective sample size of a survey (Korn & Graubard 1998; Franco et al. 2019); the
    factor of quantiles is left out where every x is 0 or 1, which has no variance of its own to be estimated. Where
    nothing varies, at 0 and 1, there are as many trials as equal shares would be worth, ``n = k² / Σ_sets 1/P``: three
    wrong answers in each of five sets are fifteen of fifteen. Of one seed and one set of rights and wrongs it is
    Wilson's itself.

    >>> [round(x, 3) for x in pooled_problems([np.zeros((1, 3))] * 5)] == [round(x, 3) for x in wilson(0, 15)]
    True
    """
    binary = all(bool(np.isin(right, (0, 1)).all()) for right in sets)
    if binary and len(sets) == 1 and len(sets[0]) == 1:
        return wilson(int(sets[0].sum()), sets[0].size)
    problems = np.array([right.shape[1] for right in sets])
    theta = float(np.mean([right.mean() for right in sets]))
    spread = [right.mean(0).var(ddof=1) if right.shape[1] > 1 else 0.0 for right in sets]
    variance = float(np.sum(np.array(spread) / problems)) / len(sets) ** 2
    trials = len(sets) ** 2 / float(np.sum(1 / problems))
    if variance > 0:
        trials = theta * (1 - theta) / variance
        if not (binary and len(sets[0]) == 1):
            trials *= (Z / float(stdtrit(np.sum(problems - 1), (1 + LEVEL) / 2))) ** 2
    return wilson_of_share(theta, trials)


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
    return wilson_of_share(successes / trials, trials)


def wilson_of_share(share: float, trials: int | float) -> Interval:
    """Wilson's interval of a share that so many trials, not always a whole number of them, are worth.

    >>> wilson_of_share(0.75, 4) == wilson(3, 4)
    True
    """
    shrink = 1 + Z**2 / trials
    centre = (share + Z**2 / (2 * trials)) / shrink
    half = Z * (share * (1 - share) / trials + Z**2 / (4 * trials**2)) ** 0.5 / shrink
    return Interval(share, max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half)))


def over_seeds(values: Sequence[float]) -> Interval:
    """Student's interval of a mean over seeds, ``x̄ ± t_{n−1} s/√n``; without bounds below two seeds.

    >>> [round(x, 3) for x in over_seeds([0.5, 0.6, 0.7])]
    [0.6, 0.352, 0.848]
    >>> over_seeds([0.5])
    Interval(estimate=0.5, low=-inf, high=inf)
    """
    if len(values) < 2:
        return Interval(float(np.mean(values)) if values else float("nan"), -float("inf"), float("inf"))
    mean, half = float(np.mean(values)), float(np.std(values, ddof=1)) * student(len(values))
    return Interval(mean, mean - half, mean + half)


def student(count: int) -> float:
    """Half the width of Student's interval of a mean, in standard deviations of what is averaged: ``t_{n−1} / √n``.

    >>> round(student(2), 2), round(student(5), 2)  # 12.71 / √2, 2.776 / √5
    (8.98, 1.24)
    """
    return float(stdtrit(count - 1, (1 + LEVEL) / 2)) / count**0.5


def paired_difference(ours: Sequence[float], theirs: Sequence[float]) -> Interval:
    """Mean of ``oursₛ − theirsₛ`` over seeds s, with Student's interval of the differences.

    Arms of one seed share base, reward model and problems, so that the difference within a seed is far less
    noisy than the difference of two means. Raises ``ValueError`` where the lengths differ.

    >>> [round(x, 3) for x in paired_difference([0.8, 0.7, 0.9], [0.7, 0.6, 0.8])]
    [0.1, 0.1, 0.1]
    """
    return over_seeds([a - b for a, b in zip(ours, theirs, strict=True)])
