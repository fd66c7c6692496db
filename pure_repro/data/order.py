"""Which problems a training step sees: a function of (seed, step), so that resuming needs no state."""

import numpy as np


def indices_at(step: int, batch: int, total: int, seed: int) -> list[int]:
    """Indices of the problems of training step ``step`` (from 0): every problem once an epoch, each epoch reshuffled.

    >>> first, second = indices_at(0, 3, 6, seed=1), indices_at(1, 3, 6, seed=1)
    >>> sorted(first + second)
    [0, 1, 2, 3, 4, 5]
    """
    positions = range(step * batch, (step + 1) * batch)
    epochs = {p // total: None for p in positions}
    orders = {e: np.random.Generator(np.random.Philox(key=[seed, e])).permutation(total) for e in epochs}
    return [int(orders[p // total][p % total]) for p in positions]
