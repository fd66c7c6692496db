"""Whether two parsed answers are equal. Structure is compared here; expressions are left to an ``Algebra``."""

from collections.abc import Callable, Iterable
from functools import cached_property, partial
from operator import eq

from pure_repro.grading.cheap import close, rational
from pure_repro.grading.nodes import (
    Approximation,
    Bag,
    Calculation,
    Choice,
    Either,
    Group,
    Leaf,
    Matrix,
    Named,
    Node,
    Ratio,
    Region,
    Relation,
    Text,
    TimeOfDay,
    Values,
    inner_nodes,
)
from pure_repro.grading.ratios import same_clock, same_clock_quotient, same_clock_ratio, same_quotient, same_ratio
from pure_repro.grading.sets import INFINITY, is_interval
from pure_repro.grading.tex import Unparsable
from pure_repro.grading.tuples import all_same, same_group, same_matrix, same_tuple, same_values, same_vector
from pure_repro.grading.units import agree
from pure_repro.grading.whitelist import explicit

# what a unit multiplies its number by, for an answer that gives the number alone
SCALE = {"%": r"\frac{1}{100}", "°": r"\frac{\pi}{180}"}

NEAR = 0.02  # how far, relatively, an approximation may be from the exact value beside it


class Undecided(Exception):
    """Telling takes algebra, and none is at hand."""


class Algebra:
    """Decides what arithmetic on exact fractions cannot. Expressions are LaTeX without blanks.

    This one decides nothing: it serves the caller's own process, where no answer may take long. Workers use
    ``sympy_algebra.SympyAlgebra``.
    """

    def read(self, latex: str) -> None:
        """Raises ``Unparsable`` where an expression is none, as far as that can be told without algebra."""
        explicit(latex)

    def equal(self, left: str, right: str, rel_tol: float, abs_tol: float) -> bool:
        """Whether two expressions are equal."""
        raise Undecided

    def same_relation(self, left: Relation, right: Relation) -> bool:
        """Whether two equations or inequalities have the same solutions."""
        raise Undecided

    def same_region(self, left: Node, right: Node) -> bool:
        """Whether two sets of real numbers are equal."""
        raise Undecided


class Comparison:
    """One comparison: which algebra decides, and with what tolerance.

    >>> from pure_repro.grading.parse import parse
    >>> Comparison(Algebra()).same(parse(r"\\{2, 1.0\\}"), parse("1,2"))
    True
    >>> Comparison(Algebra()).same(parse("(0, 1]"), parse("(0, 1)"))
    False
    """

    def __init__(self, algebra: Algebra, rel_tol: float = 0.0, abs_tol: float = 0.0) -> None:
        self.algebra, self.rel_tol, self.abs_tol = algebra, rel_tol, abs_tol

    def same(self, left: Node, right: Node) -> bool:
        """Symmetric equality of two answers."""
        if left == right:
            return True
        for one, other in ((left, right), (right, left)):
            if isinstance(one, Either):
                return some(partial(self.same, option, other) for option in one.options)
        for one, other in ((left, right), (right, left)):
            if isinstance(one, Approximation):
                return some(partial(self.same, part, other) for part in (one.exact, one.decimal)) and self.near(
                    one.exact, one.decimal
                )
            if isinstance(one, Calculation):
                return self.same(one.result, other) and all(self.leads_to(step, one.result) for step in one.steps)
        for one, other in ((left, right), (right, left)):
            if isinstance(one, Named) and not isinstance(other, Named):
                return self.same(one.value, other) or self.as_equations(one, other)
        for (kind, other_kind), equal in self.rules.items():
            if isinstance(left, kind) and isinstance(right, other_kind):
                return equal(left, right)
            if isinstance(right, kind) and isinstance(left, other_kind):
                return equal(right, left)
        return False

    @cached_property
    def rules(self) -> dict[tuple[type, type], Callable[..., bool]]:
        """Which method compares which two kinds; every other pair is unequal."""
        return {
            (Leaf, Leaf): self.same_quantity,
            (Named, Named): self.same_named,
            (Values, Values): partial(same_values, self.same),
            (Values, Group): partial(same_tuple, self.same),
            (Values, Matrix): partial(same_tuple, self.same),
            (Values, Bag): partial(same_tuple, self.same),
            (Relation, Relation): self.algebra.same_relation,
            (Group, Group): partial(same_group, self.same),
            (Group, Matrix): partial(same_vector, self.same),
            (Matrix, Matrix): partial(same_matrix, self.same),
            (Bag, Bag): lambda left, right: self.any_order(left.items, right.items),
            (Region, Region): self.same_region,
            (Region, Group): self.same_region,
            (Region, Bag): self.same_region,
            (Ratio, Ratio): partial(same_ratio, self.equal),
            (Ratio, Leaf): partial(same_quotient, self.equal),
            (TimeOfDay, TimeOfDay): same_clock,
            (TimeOfDay, Ratio): partial(same_clock_ratio, self.equal),
            (TimeOfDay, Leaf): partial(same_clock_quotient, self.equal),
            (Text, Leaf): same_word,
            (Choice, Text): same_choice,
        }

    def equal(self, left: str, right: str) -> bool:
        """Two expressions: by their text, as exact fractions, by algebra."""
        if left == right:
            return True
        one, other = rational(left), rational(right)
        if one is not None and other is not None:
            return close(one, other, self.rel_tol, self.abs_tol)
        return self.algebra.equal(left, right, self.rel_tol, self.abs_tol)

    def near(self, exact: Node, decimal: Node) -> bool:
        """Whether an approximation is one; otherwise ``3 ≈ 4`` would be two answers."""
        return Comparison(self.algebra, NEAR).same(exact, decimal)

    def leads_to(self, step: Node, result: Node) -> bool:
        """Whether a step of a calculation has its result, a decimal perhaps rounded; one that cannot be read may be."""
        rounded = isinstance(result, Leaf) and "." in result.latex
        try:
            return self.near(step, result) if rounded else self.same(step, result)
        except Unparsable:
            return True

    def same_quantity(self, left: Leaf, right: Leaf) -> bool:
        r"""Units must agree where both are given; where one is, the other may be the bare number.

        ``50\%`` equals 50 and 1/2, ``90°`` equals 90 and π/2; neither makes 50 equal 1/2.
        """
        if not agree(left.unit, right.unit):
            return False
        if self.equal(left.latex, right.latex):
            return True
        one, other = (left, right) if left.unit else (right, left)
        return one.unit in SCALE and not other.unit and self.equal(unit_value(one), other.latex)

    def same_named(self, left: Named, right: Named) -> bool:
        """``x = 5`` and ``x = 5.0``; ``y = x + 1`` and ``x = y - 1``."""
        if left.name == right.name and self.same(left.value, right.value):
            return True
        return left.name != right.name and self.as_equations(left, right)

    def as_equations(self, left: Node, right: Node) -> bool:
        """Compare as equations, where both are."""
        one, other = as_equation(left), as_equation(right)
        return one is not None and other is not None and self.algebra.same_relation(one, other)

    def any_order(self, left: tuple[Node, ...], right: tuple[Node, ...]) -> bool:
        """Every item has its own partner; identical ones are paired first, because they cost nothing."""
        rest = list(right)
        unmatched = [item for item in left if not remove(rest, partial(eq, item))]
        return len(unmatched) == len(rest) and all(remove(rest, partial(self.same, item)) for item in unmatched)

    def same_region(self, left: Region, right: Node) -> bool:
        """Piece by piece in any order, and if that fails as sets of real numbers."""
        if isinstance(right, Region) and (right.operation, len(right.parts)) == (left.operation, len(left.parts)):
            pairs = partial(all_same, self.same) if left.operation == "difference" else self.any_order
            if pairs(left.parts, right.parts):
                return True
        if isinstance(right, Bag) and right.items and all(map(is_interval, right.items)):
            return self.same_region(left, Region("union", right.items))
        if isinstance(right, Bag) and not all(isinstance(item, Leaf) for item in right.items):
            return False
        return self.algebra.same_region(left, right)


def require_readable(node: Node, algebra: Algebra) -> bool:
    """Try every expression of an answer; of several readings one is enough.

    Raises ``Unparsable`` for the first that is none.
    """
    if isinstance(node, Leaf):
        algebra.read(node.latex)
    elif isinstance(node, Relation):
        for side in node.sides:
            algebra.read(side)
    elif isinstance(node, Either):
        some(partial(require_readable, option, algebra) for option in node.options)
    else:
        for part in inner_nodes(node):
            require_readable(part, algebra)
    return True


def unit_value(leaf: Leaf) -> str:
    r"""What percent or degrees are worth.

    >>> unit_value(Leaf("8", "%")), unit_value(Leaf("x", "°"))
    ('2/25', '(x)\\cdot\\frac{\\pi}{180}')
    """
    value = rational(leaf.latex)
    if value is not None and leaf.unit == "%":
        return str(value / 100)
    return rf"({leaf.latex})\cdot{SCALE[leaf.unit]}"


def some(checks: Iterable[Callable[[], bool]]) -> bool:
    """Whether any reading is equal. A reading that cannot be told is passed over if another one is equal."""
    failure: Exception | None = None
    for check in checks:
        try:
            if check():
                return True
        except (Undecided, Unparsable) as error:
            failure = error
    if failure:
        raise failure
    return False


def remove(items: list[Node], wanted: Callable[[Node], bool]) -> bool:
    """Take the first wanted item out; whether there was one."""
    for i, item in enumerate(items):
        if wanted(item):
            del items[i]
            return True
    return False


def as_equation(node: Node) -> Relation | None:
    """A named expression as an equation, a bounded name as an inequality."""
    if isinstance(node, Named) and isinstance(node.value, Leaf):
        return Relation((node.name, node.value.latex), ("=",))
    if isinstance(node, Named) and isinstance(node.value, Group) and len(node.value.items) == 2:
        return as_inequality(node.name, node.value)
    return node if isinstance(node, Relation) else None


def as_inequality(name: str, ray: Group) -> Relation | None:
    r"""A ray as the inequality that it came from, ``None`` for a bounded interval.

    >>> as_inequality("x", Group("[", (Leaf("2"), Leaf(r"\infty")), ")"))
    Relation(sides=('x', '2'), operators=('\\ge',))
    """
    low, high = ray.items
    if high == Leaf(INFINITY) and isinstance(low, Leaf) and low.latex != "-" + INFINITY:
        return Relation((name, low.latex), (r"\ge" if ray.opening == "[" else ">",))
    if low == Leaf("-" + INFINITY) and isinstance(high, Leaf) and high.latex != INFINITY:
        return Relation((name, high.latex), (r"\le" if ray.closing == "]" else "<",))
    return None


def same_word(text: Text, leaf: Leaf) -> bool:
    r"""``\text{no}`` and the two letters ``no``."""
    return leaf.latex.lower() == text.words and not leaf.unit


def same_choice(choice: Choice, text: Text) -> bool:
    r"""``(C)`` and ``\text{C}``."""
    return choice.letter.lower() == text.words
