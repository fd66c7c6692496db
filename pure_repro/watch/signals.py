"""What a batch of responses looks like from outside: lengths, steps, truncation, empty answers, repetition."""

from collections.abc import Iterable, Sequence

import numpy as np

from pure_repro.grading import extract_answer
from pure_repro.types import Rollouts, Steps

FILLERS = ("have ", "next ", "wait")  # the embedded world's steps that do no work


def shape_signals(rollouts: Rollouts, steps: Steps) -> dict[str, float]:
    """Means over the batch of tokens and steps per response, tokens per step, and the share cut off by the limit."""
    tokens, count = rollouts.mask.sum(dim=1).float(), steps.mask.sum(dim=1).float()
    return {
        "tokens": tokens.mean().item(),
        "steps": count.mean().item(),
        "tokens_per_step": (tokens / count).mean().item(),
        "truncated": 1 - rollouts.finished.float().mean().item(),
        "one_step": (count == 1).float().mean().item(),
    }


def text_signals(responses: Sequence[str]) -> dict[str, float]:
    r"""Shares of responses without an answer, of empty ones, of fillers and of repeated steps, mean repetition score.

    >>> signals = text_signals(["", "wait\n\nwait\n\n2+2=4\n\n\\boxed{4}"])
    >>> signals["no_answer"], signals["empty"], signals["filler"], signals["repeated"]
    (0.5, 0.5, 0.4, 0.2)
    """
    told = [response.split("\n\n") for response in responses]
    steps = [step for said in told for step in said]
    return {
        "no_answer": mean_or_zero(extract_answer(response) is None for response in responses),
        "empty": mean_or_zero(response == "" for response in responses),
        "filler": mean_or_zero(step.startswith(FILLERS) for step in steps),
        "repeated": mean_or_zero(step in said[:i] for said in told for i, step in enumerate(said)),  # word for word
        "repetition": mean_or_zero(repetition(response) for response in responses),
    }


def skipped_share(questions: Sequence[str], responses: Sequence[str]) -> float:
    r"""Share of answered responses with fewer sums than the question has operations (embedded world).

    >>> skipped_share(["1+2+3", "1+2+3"], ["1+2=3\n\n\\boxed{3}", "1+2=3\n\n3+3=6\n\n\\boxed{6}"])
    0.5
    """
    answered = [(q, r) for q, r in zip(questions, responses, strict=True) if extract_answer(r) is not None]
    return mean_or_zero(r.count("=") < sum(q.count(sign) for sign in "+-*") for q, r in answered)


def mean_or_zero(values: Iterable[float | int]) -> float:
    """Arithmetic mean; 0 of nothing."""
    numbers = [float(value) for value in values]
    return sum(numbers) / len(numbers) if numbers else 0.0


def repetition(text: str) -> float:
    """``2 Σ LCP(neighbouring suffixes in sorted order) / (n(n+1))`` ∈ [0, 1), high above 0.2 (PURE §5.2, verl release).

    Suffixes are sorted by prefix doubling (Manber and Myers), in round k by their first 2ᵏ characters: O(n log² n).

    >>> round(repetition("abcdefgh"), 3), round(repetition("abababab"), 3)
    (0.0, 0.583)
    """
    if not text:
        return 0.0
    ranks = ranks_of_prefixes(text)
    order = np.argsort(ranks[-1])
    shared = common_prefixes(ranks, order[:-1], order[1:])
    return float(2 * shared.sum() / (len(text) * (len(text) + 1)))


def ranks_of_prefixes(text: str) -> list[np.ndarray]:
    """For k = 0, 1, …: where the first 2ᵏ characters of each suffix stand in order, until no two suffixes are alike.

    >>> [ranks.tolist() for ranks in ranks_of_prefixes("aba")]
    [[0, 1, 0], [1, 2, 0]]
    """
    codes = np.frombuffer(text.encode("utf-32-le", errors="surrogatepass"), dtype=np.uint32)
    ranks, width = [np.unique(codes, return_inverse=True)[1].astype(np.int64)], 1
    while ranks[-1].max() < len(text) - 1:
        behind = np.zeros(len(text), dtype=np.int64)  # the end comes before every character
        behind[:-width] = ranks[-1][width:] + 1
        ranks.append(np.unique(ranks[-1] * (len(text) + 1) + behind, return_inverse=True)[1].astype(np.int64))
        width *= 2
    return ranks


def common_prefixes(ranks: Sequence[np.ndarray], one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Length of the longest common prefix of pairs of suffixes: its binary digits, the highest first.

    >>> common_prefixes(ranks_of_prefixes("abab"), np.array([0, 1]), np.array([2, 3])).tolist()
    [2, 1]
    """
    size, shared = len(ranks[0]), np.zeros(len(one), dtype=np.int64)
    for level in reversed(range(len(ranks))):
        width = 2**level
        inside = np.maximum(one, other) + shared + width <= size
        alike = np.zeros(len(one), dtype=bool)
        a, b = (one + shared)[inside], (other + shared)[inside]
        alike[inside] = ranks[level][a] == ranks[level][b]
        shared += width * alike
    return shared
