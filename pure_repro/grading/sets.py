r"""Sets of numbers and the nodes that stand for them; matrices times a number."""

from pure_repro.grading.cheap import rational
from pure_repro.grading.nodes import Bag, Group, Leaf, Matrix, Named, Node, Region, Text
from pure_repro.grading.tex import Unparsable

INFINITY = r"\infty"
REALS = Group("(", (Leaf("-" + INFINITY), Leaf(INFINITY)), ")")
SETS_BY_NAME = {"Z": "integers", "N": "natural numbers", "Q": "rational numbers", "C": "complex numbers"}
NUMBER_SETS: dict[str, Node] = {
    r"\mathbb{R}": REALS,
    r"\emptyset": Bag(()),
    r"\{\}": Bag(()),
    **dict.fromkeys(
        (r"\mathbb{R}^{+}", r"\mathbb{R}_{+}^{*}", r"\mathbb{R}_{>0}"), Group("(", (Leaf("0"), Leaf(INFINITY)), ")")
    ),
    **dict.fromkeys((r"\mathbb{R}^{-}", r"\mathbb{R}_{<0}"), Group("(", (Leaf("-" + INFINITY), Leaf("0")), ")")),
    **{rf"\mathbb{{{name}}}": Text(words) for name, words in SETS_BY_NAME.items()},
    r"\mathbb{R}_{\ge0}": Group("[", (Leaf("0"), Leaf(INFINITY)), ")"),
    r"\mathbb{R}_{\le0}": Group("(", (Leaf("-" + INFINITY), Leaf("0")), "]"),
}


def number_set(compact: str) -> Node | None:
    r"""A set that has a sign of its own.

    >>> number_set(r"\mathbb{R}_{>0}").opening, number_set("5")
    ('(', None)
    """
    return NUMBER_SETS.get(compact)


def is_region(node: Node) -> bool:
    """Whether a node is an inequality: a name and its interval."""
    inner = node.value if isinstance(node, Named) else node
    return isinstance(inner, Region) or (isinstance(inner, Group) and len(inner.items) == 2)


def is_interval(node: Node) -> bool:
    """Whether brackets can be nothing but an interval's: an endless or a closed one, and no point.

    >>> is_interval(REALS), is_interval(Group("(", (Leaf("0"), Leaf("9")), ")"))
    (True, False)
    """
    if not isinstance(node, Group) or len(node.items) != 2:
        return False
    endless = any(isinstance(end, Leaf) and end.latex in (INFINITY, "-" + INFINITY) for end in node.items)
    return endless or (node.opening, node.closing) != ("(", ")")


def scaled_matrix(factor: str, matrix: Matrix) -> Node | None:
    r"""A matrix times a number or an expression, entry by entry; ``None`` where something else stands before it.

    >>> scaled_matrix(r"\frac{1}{2}", Matrix(((Leaf("2"), Leaf("x")),))).rows
    ((Leaf(latex='1', unit=''), Leaf(latex='(\\frac{1}{2})\\cdot(x)', unit='')),)
    """
    if not factor:
        return matrix
    return Matrix(tuple(tuple(times_factor(factor, entry) for entry in row) for row in matrix.rows))


def scaled_point(factor: str, point: Group) -> Group:
    """A point or vector times a number, item by item.

    >>> scaled_point("2", Group("(", (Leaf("1"), Leaf("2")), ")")).items
    (Leaf(latex='2', unit=''), Leaf(latex='4', unit=''))
    """
    return Group(point.opening, tuple(times_factor(factor, item) for item in point.items), point.closing)


def times_factor(factor: str, entry: Node) -> Node:
    """One entry times a factor.

    Raises ``Unparsable`` for an entry that is no expression.
    """
    if not isinstance(entry, Leaf):
        raise Unparsable("a factor of other things than expressions")
    factor = "-1" if factor == "-" else factor
    scale, value = rational(factor), rational(entry.latex)
    if scale is not None and value is not None:
        return Leaf(str(scale * value))
    return Leaf(rf"({factor})\cdot({entry.latex})", entry.unit)
