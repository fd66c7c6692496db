r"""Inequalities as the intervals that they are, where they bound one name or a multiple of it."""

import re
from collections.abc import Callable
from fractions import Fraction

from pure_repro.grading.cheap import rational
from pure_repro.grading.names import is_quantity, modulus_of, multiple_of
from pure_repro.grading.nodes import Group, Leaf, Named, Node, Region, Relation
from pure_repro.grading.sets import INFINITY
from pure_repro.grading.tex import without_blanks

MIRROR = {"<": ">", ">": "<", r"\le": r"\ge", r"\ge": r"\le", "=": "=", r"\neq": r"\neq"}
Read = Callable[[str], Node]  # one answer from canonical LaTeX


def inequality(sides: list[str], operators: list[str], read: Read) -> Node:
    """``name < value`` and ``low < name < high`` are intervals of the name; others stay relations."""
    if len(sides) == 2 and bounded(sides[1]) and not bounded(sides[0]):
        sides, operators = sides[::-1], [MIRROR[operators[0]]]
    if len(sides) == 3 and all(operator in (">", r"\ge") for operator in operators):
        sides, operators = sides[::-1], [MIRROR[operator] for operator in operators[::-1]]
    if len(sides) == 2 and bounded(sides[0]):
        return one_sided(sides[0], operators[0], sides[1], read)
    if len(sides) == 3 and bounded(sides[1]) and all(operator in ("<", r"\le") for operator in operators):
        return two_sided(sides, operators, read)
    return Relation(tuple(map(without_blanks, sides)), tuple(operators))


def bounded(side: str) -> bool:
    r"""Whether a side is a name, a multiple of one, or its modulus.

    >>> [bounded(side) for side in ("x", "-2x", "|x|", r"\sin x", "x+1")]
    [True, True, True, False, False]
    """
    return is_quantity(side) or multiple_of(side) is not None or modulus_of(side) is not None


def one_sided(side: str, operator: str, bound: str, read: Read) -> Node:
    """A ray, or two for a modulus or ≠."""
    if name := modulus_of(side):
        size = read(bound)
        if operator in ("<", r"\le"):
            return Named(name, interval(negative(size), size, operator, operator))
        if operator in (">", r"\ge"):
            return Named(name, Region("union", (ray(MIRROR[operator], negative(size)), ray(operator, size))))
    name, operator, end = solved(side, operator, bound, read)
    return Named(name, ray(operator, end))


def two_sided(sides: list[str], operators: list[str], read: Read) -> Node:
    """``low < name < high``; of a modulus, on both sides of zero."""
    low, side, high = sides
    if name := modulus_of(side):
        ends = read(low), read(high)
        left = interval(negative(ends[1]), negative(ends[0]), operators[1], operators[0])
        return Named(name, Region("union", (left, interval(*ends, *operators))))
    name, lower, start = solved(side, MIRROR[operators[0]], low, read)
    _, upper, end = solved(side, operators[1], high, read)
    if lower in ("<", r"\le"):
        start, end, lower, upper = end, start, upper, lower
    return Named(name, interval(start, end, MIRROR[lower], upper))


def solved(side: str, operator: str, bound: str, read: Read) -> tuple[str, str, Node]:
    """A multiple of a name against a bound, as the name against the bound's part."""
    multiple = multiple_of(side)
    factor = rational(multiple[0]) if multiple else None
    if not multiple or not factor:
        return without_blanks(side), operator, read(bound)
    return multiple[1], operator if factor > 0 else MIRROR[operator], divided(read(bound), factor)


def divided(bound: Node, factor: Fraction) -> Node:
    """A bound over a number.

    >>> divided(Leaf("4"), Fraction(-2)), divided(Leaf("a"), Fraction(2, 3)).latex
    (Leaf(latex='-2', unit=''), '\\\\frac{3}{2}\\\\cdot(a)')
    """
    if not isinstance(bound, Leaf):
        return bound
    if (value := rational(bound.latex)) is not None:
        return Leaf(str(value / factor), bound.unit)
    inverse = 1 / factor
    if inverse == -1:
        return Leaf(bound.latex[1:] if re.fullmatch(r"-[\w\\{}]+", bound.latex) else f"-({bound.latex})", bound.unit)
    sign = "-" if inverse < 0 else ""
    return Leaf(rf"{sign}\frac{{{abs(inverse.numerator)}}}{{{inverse.denominator}}}\cdot({bound.latex})", bound.unit)


def negative(bound: Node) -> Node:
    """The bound on the other side of zero."""
    return divided(bound, Fraction(-1))


def ray(operator: str, bound: Node) -> Node:
    """All numbers below or above a bound, or all but it."""
    low, high = Leaf("-" + INFINITY), Leaf(INFINITY)
    if operator in ("<", r"\le"):
        return Group("(", (low, bound), ")" if operator == "<" else "]")
    if operator in (">", r"\ge"):
        return Group("(" if operator == ">" else "[", (bound, high), ")")
    return Region("union", (Group("(", (low, bound), ")"), Group("(", (bound, high), ")")))


def interval(low: Node, high: Node, lower: str, upper: str) -> Node:
    """Between two bounds."""
    return Group("(" if lower == "<" else "[", (low, high), ")" if upper == "<" else "]")
