"""How long ranks wait for the longest responses, and what would shorten it: ``python benchmarks/sampling_tail.py``.

A simulation, no model: 512 responses of 64 problems on eight ranks, lengths log-normal around 650 tokens, correlated
within a problem, a few (``--rambling``) that ramble to the limit of 8,192. A decoding step takes ``fixed + each·rows``
milliseconds on a rank, as much as it has rows at work (6 ms and 0.03 ms are assumed; ``--fixed`` and ``--each`` name
others). Compared are

- static: every rank samples its own eight problems to the end, as ``ranks.parts`` deals them;
- sorted: problems are dealt by what their responses took before, the longest first, to the rank with the least so
  far;
- queue: a rank takes the next problem when it has room for one, longest first;
- cap: static, cut at a number of tokens; what is cut goes on in the next step, beside that step's responses.

Printed: milliseconds of a step on the slowest rank, and the share of the ranks' time in which they wait for it.
"""

import argparse
from collections.abc import Callable

import numpy as np

RANKS, PROBLEMS, SAMPLES, LIMIT = 8, 64, 8, 8192


def lengths(draw: np.random.Generator, rambling: float) -> np.ndarray:
    """Tokens of every response, problem by sample; a share of them ramble to the limit."""
    of_problem = draw.normal(np.log(650), 0.5, size=(PROBLEMS, 1))
    tokens = np.exp(of_problem + draw.normal(0, 0.35, size=(PROBLEMS, SAMPLES)))
    tokens[draw.random((PROBLEMS, SAMPLES)) < rambling] = LIMIT
    return np.clip(tokens, 8, LIMIT).astype(int)


def decoding(tokens: np.ndarray, fixed: float, each: float) -> float:
    """Milliseconds of some responses sampled together: ``Σ_t fixed + each · (responses longer than t)``."""
    return float(fixed * tokens.max() + each * tokens.sum()) if tokens.size else 0.0


def static(tokens: np.ndarray, fixed: float, each: float) -> list[float]:
    """Each rank its own run of problems."""
    return [decoding(part, fixed, each) for part in np.array_split(tokens, RANKS)]


def by_length(tokens: np.ndarray, fixed: float, each: float, guess: np.ndarray) -> list[float]:
    """Problems dealt by a guess of their length, the longest first, to the rank that has the least."""
    held: list[list[int]] = [[] for _ in range(RANKS)]
    for problem in np.argsort(-guess):
        min(held, key=lambda own: sum(guess[own])).append(int(problem))
    return [decoding(tokens[own], fixed, each) for own in held]


def queue(tokens: np.ndarray, fixed: float, each: float, guess: np.ndarray, room: int = 32) -> list[float]:
    """A rank takes the next problem, longest guess first, when fewer than ``room`` rows are at work on it."""
    waiting = [int(problem) for problem in np.argsort(-guess)]
    time, left = [0.0] * RANKS, [np.array([], dtype=int) for _ in range(RANKS)]
    while waiting or any(rows.size for rows in left):
        open_ = [r for r in range(RANKS) if left[r].size or waiting]
        rank = min(open_, key=lambda r: time[r])
        while waiting and left[rank].size + SAMPLES <= room:
            left[rank] = np.concatenate([left[rank], tokens[waiting.pop(0)]])
        if left[rank].size:
            step = int(left[rank].min())
            time[rank] += step * (fixed + each * left[rank].size)
            left[rank] = left[rank][left[rank] > step] - step
    return time


def capped(tokens: np.ndarray, fixed: float, each: float, cap: int, steps: int = 6) -> list[float]:
    """A later step of many: responses are cut at ``cap`` tokens, and what is left is sampled beside the next ones."""
    rest, made = np.array([], dtype=int), [0.0]
    for step in range(steps):
        now = np.concatenate([np.roll(tokens, step, axis=0).ravel(), rest])
        parts = [np.minimum(part, cap) for part in np.array_split(now, RANKS)]
        made = [decoding(part, fixed, each) for part in parts]
        rest = now[now > cap] - cap
    return made


def main() -> None:
    """Average over some batches."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fixed", type=float, default=6.0)
    parser.add_argument("--each", type=float, default=0.03)
    parser.add_argument("--rambling", type=float, default=0.03)
    parser.add_argument("--batches", type=int, default=50)
    words = parser.parse_args()
    draw, ways = np.random.default_rng(0), {}
    for _ in range(words.batches):
        tokens = lengths(draw, words.rambling)
        guess = lengths(draw, words.rambling).mean(axis=1) * 0.5 + tokens.mean(axis=1) * 0.5  # half of it noise
        plans: dict[str, Callable[..., list[float]]] = {
            "static": static,
            "sorted": lambda *a, g=guess: by_length(*a, g),
            "queue": lambda *a, g=guess: queue(*a, g),
            "cap 2048": lambda *a: capped(*a, 2048),
            "cap 4096": lambda *a: capped(*a, 4096),
        }
        for name, plan in plans.items():
            times = plan(tokens, words.fixed, words.each)
            ways.setdefault(name, []).append((max(times), 1 - np.mean(times) / max(times)))
    print(f"{'':<10}{'ms a step':>12}{'waiting':>10}")
    for name, rows in ways.items():
        slowest, idle = np.mean(rows, axis=0)
        print(f"{name:<10}{slowest:>12.0f}{idle:>10.1%}")


if __name__ == "__main__":
    main()
