"""Which of k responses to a problem is taken: the best by a score, or that of a vote; estimates for every n of k.

An estimate for n is the expectation over all ways to draw n of the k responses, so that it uses all of them and favours
none: a best of the first n would be one draw.
"""

from collections.abc import Callable, Sequence
from itertools import groupby
from math import comb, prod
from operator import itemgetter

import numpy as np
import torch

from pure_repro.config import Aggregate
from pure_repro.credit.mean import mean as mean_form
from pure_repro.credit.min import min as softmin_form
from pure_repro.credit.min_strict import min_strict
from pure_repro.credit.sum import sum as sum_form


def aggregated(scores: Sequence[float] | None, aggregate: Aggregate, temperature: float) -> float:
    """The score of a response by those of its steps: a credit form's return of the first step, or one of two more.

    ``product`` is that of ``P(right) = (1 + r)/2`` over the steps, ``last`` the score of the last one. A response
    without scores is the worst.

    >>> scores = [0.9, 0.8, -0.5, 0.7]
    >>> [round(aggregated(scores, form, 0.1), 3) for form in ("min", "min_strict", "mean", "sum", "last", "product")]
    [-0.5, -0.5, 0.475, 1.9, 0.7, 0.182]
    >>> aggregated(None, "min", 0.1)
    -inf
    """
    if not scores:
        return -float("inf")
    if aggregate == "last":
        return scores[-1]
    if aggregate == "product":
        return prod((1 + score) / 2 for score in scores)
    rewards, there = torch.tensor([scores], dtype=torch.float64), torch.ones(1, len(scores), dtype=torch.bool)
    match aggregate:
        case "min":
            returns = softmin_form(rewards, there, temperature=temperature)
        case "min_strict":
            returns = min_strict(rewards, there)
        case "mean":
            returns = mean_form(rewards, there)
        case "sum":
            returns = sum_form(rewards, there, gamma=1.0)
    return returns[0, 0].item()


def best_of(n: int, scores: Sequence[float], right: Sequence[bool]) -> float:
    """The chance that the best-scored of ``n`` drawn responses is right; equal scores are taken evenly.

    Ranked from the best, the response of rank j (from 0) of k is the best of n with chance ``C(k−1−j, n−1)/C(k, n)``.

    >>> best_of(1, [0.9, 0.1, 0.5], [False, True, True]), best_of(2, [0.9, 0.1, 0.5], [False, True, True])
    (0.6666666666666666, 0.3333333333333333)
    >>> best_of(3, [0.9, 0.1, 0.5], [False, True, True]), best_of(2, [0.5, 0.5], [True, False])
    (0.0, 0.5)
    """
    ranked = sorted(zip(scores, right, strict=True), key=itemgetter(0), reverse=True)
    chance, rank, samples = 0.0, 0, len(ranked)
    for _, group in groupby(ranked, key=itemgetter(0)):
        alike = [one for _, one in group]
        taken = sum(comb(samples - 1 - j, n - 1) for j in range(rank, rank + len(alike)))
        chance += taken * sum(alike) / len(alike)
        rank += len(alike)
    return chance / comb(samples, n)


def groups_of(answers: Sequence[str | None], match: Callable[[str, str], bool]) -> list[int]:
    """The number of the group of every answer, from 0 in the order of their first; -1 where there is no answer.

    Each answer is compared with the first of every group.

    >>> groups_of(["1/2", "3", None, "0.5"], match=lambda a, b: {a, b} <= {"1/2", "0.5"})
    [0, 1, -1, 0]
    """
    firsts: list[str] = []
    numbers = []
    for answer in answers:
        if answer is None:
            numbers.append(-1)
            continue
        same = next((i for i, first in enumerate(firsts) if first == answer or match(answer, first)), len(firsts))
        firsts += [answer] if same == len(firsts) else []
        numbers.append(same)
    return numbers


def vote(n: int, groups: Sequence[int], weights: Sequence[float], right: Sequence[bool], orders: int) -> float:
    """The chance that the heaviest group of answers among ``n`` drawn responses is right; no answer, no vote.

    There is no closed form: the mean over ``orders`` random draws, always the same ones, and exact where n is all
    responses. Of equally heavy groups the one that was answered first wins, as in published counts.

    >>> vote(3, [0, 1, 1], [1.0, 1.0, 1.0], [True, False, False], orders=10)
    0.0
    >>> vote(3, [0, 1, 1], [0.9, 0.2, 0.3], [True, False, False], orders=10)
    1.0
    """
    drawn = [range(len(groups))]
    if n < len(groups):
        rng = np.random.default_rng(n)
        drawn = [np.sort(rng.permutation(len(groups))[:n]).tolist() for _ in range(orders)]
    return float(np.mean([elected(some, groups, weights, right) for some in drawn]))


def elected(some: Sequence[int], groups: Sequence[int], weights: Sequence[float], right: Sequence[bool]) -> bool:
    """Whether the heaviest group among some responses is right, by the first of them."""
    weight: dict[int, float] = {}
    for i in some:
        if groups[i] >= 0:
            weight[groups[i]] = weight.get(groups[i], 0.0) + weights[i]
    if not weight:
        return False
    won = max(weight, key=weight.__getitem__)
    return right[next(i for i in some if groups[i] == won)]
