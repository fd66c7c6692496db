"""When a run counts as collapsed."""

from collections.abc import Sequence


def collapsed_at(accuracies: Sequence[tuple[int, float]], below: float, validations: int) -> int | None:
    """The first of ``validations`` validations in a row below ``below`` × the best accuracy so far.

    ``accuracies`` holds (step, validated sampled accuracy) in order.

    >>> collapsed_at([(0, 0.3), (10, 0.4), (20, 0.05), (30, 0.0), (40, 0.0)], below=0.25, validations=3)
    20
    >>> collapsed_at([(0, 0.3), (10, 0.4), (20, 0.05), (30, 0.3)], below=0.25, validations=2) is None
    True
    """
    best = 0.0
    run: list[int] = []
    for step, accuracy in accuracies:
        best = max(best, accuracy)
        run = [*run, step] if accuracy < below * best else []
        if len(run) == validations:
            return run[0]
    return None
