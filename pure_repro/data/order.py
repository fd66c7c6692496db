"""Which problems a training step sees: a function of (seed, step), so that resuming needs no state."""

import numpy as np


def indices_at(step: int, batch: int, total: int, seed: int) -> list[int]:
    """Indices of the problems of training step ``step`` (from 0): every problem once an epoch, each epoch reshuffled.

    No problem is twice in a step: where a step goes over the end of an epoch, the problems that it has from there come
    later in the next one. ``batch`` is at most ``total``.

    >>> first, second = indices_at(0, 3, 6, seed=1), indices_at(1, 3, 6, seed=1)
    >>> sorted(first + second)
    [0, 1, 2, 3, 4, 5]
    >>> len(set(indices_at(2, 4, 10, seed=6)))
    4
    """
    start = step * batch
    last = (start + batch - 1) // total
    order: list[int] = []
    before: list[int] = []
    for epoch in range(last + 1):
        before, order = order, shuffled(epoch, total, seed)
        if shared := epoch * total % batch:  # problems that a step has from the epoch before
            seen = set(before[-shared:])
            head = [i for i in order if i not in seen][: batch - shared]
            first = set(head)
            order = head + [i for i in order if i not in first]
    both = before + order
    begin = start - max(last - 1, 0) * total if last else start
    return both[begin : begin + batch]


def shuffled(epoch: int, total: int, seed: int) -> list[int]:
    """The problems of an epoch in an order of its own."""
    drawn: list[int] = np.random.Generator(np.random.Philox(key=[seed, epoch])).permutation(total).tolist()
    return drawn
