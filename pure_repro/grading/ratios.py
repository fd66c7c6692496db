"""Whether two ratios or times of day are equal, given when two expressions are."""

from collections.abc import Callable

from pure_repro.grading.cheap import rational
from pure_repro.grading.nodes import Leaf, Ratio, TimeOfDay

Equal = Callable[[str, str], bool]


def quotient(above: Leaf, below: Leaf) -> str:
    r"""``above / below``.

    >>> quotient(Leaf("6"), Leaf("4")), quotient(Leaf("x"), Leaf("2"))
    ('3/2', '\\frac{x}{2}')
    """
    one, other = rational(above.latex), rational(below.latex)
    if one is not None and other:
        return str(one / other)
    return rf"\frac{{{above.latex}}}{{{below.latex}}}"


def as_ratio(clock: TimeOfDay) -> Ratio:
    """What is written like a time, as a ratio."""
    parts = (clock.hour, clock.minute, clock.second) if clock.second else (clock.hour, clock.minute)
    return Ratio(tuple(Leaf(str(part)) for part in parts))


def same_ratio(equal: Equal, left: Ratio, right: Ratio) -> bool:
    """Equal up to a common factor."""
    return len(left.parts) == len(right.parts) and all(
        equal(quotient(a, left.parts[0]), quotient(b, right.parts[0]))
        for a, b in zip(left.parts[1:], right.parts[1:], strict=True)
    )


def same_quotient(equal: Equal, ratio: Ratio, leaf: Leaf) -> bool:
    """``3 : 2`` and 3/2."""
    return len(ratio.parts) == 2 and equal(quotient(*ratio.parts), leaf.latex)


def same_clock_ratio(equal: Equal, clock: TimeOfDay, other: Ratio) -> bool:
    """``9:24`` as a ratio, beside one that is not written like a time."""
    return not clock.half and same_ratio(equal, as_ratio(clock), other)


def same_clock_quotient(equal: Equal, clock: TimeOfDay, leaf: Leaf) -> bool:
    """``9:24`` as the quotient of a ratio."""
    return not (clock.half or clock.second) and clock.minute > 0 and same_quotient(equal, as_ratio(clock), leaf)


def same_clock(left: TimeOfDay, right: TimeOfDay) -> bool:
    """The half of the day counts where both give it."""
    same_half = left.half == right.half or not (left.half and right.half)
    one, other = ((clock.hour, clock.minute, clock.second) for clock in (left, right))
    return one == other and same_half
