"""How numbers and tables are written."""

from collections.abc import Iterable, Sequence
from math import isinf

from pure_repro.score.intervals import Interval


def percent(interval: Interval) -> str:
    """A share in percent with its interval.

    >>> percent(Interval(0.885, 0.861, 0.9))
    '88.5 [86.1, 90.0]'
    """
    estimate, low, high = interval
    return f"{100 * estimate:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def number_with_interval(interval: Interval, digits: int = 2) -> str:
    """A number with its interval.

    >>> number_with_interval(Interval(0.5, -float("inf"), float("inf")))
    '0.50 (one seed: no interval)'
    """
    estimate, low, high = interval
    if isinf(low):
        return f"{estimate:.{digits}f} (one seed: no interval)"
    return f"{estimate:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose first column is text and whose others are numbers.

    >>> print(markdown_table(["row", "n"], [["base", "1"]]))
    | row | n |
    |---|---:|
    | base | 1 |
    """
    lines = [header, *rows]
    written = ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join([written[0], "|---|" + "---:|" * (len(header) - 1), *written[1:]])
