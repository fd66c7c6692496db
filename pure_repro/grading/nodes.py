"""What an answer can be. ``parse`` makes these from LaTeX, ``compare`` tells whether two of them are equal."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Leaf:
    """One expression, still LaTeX without blanks, and its unit (``""`` where there is none)."""

    latex: str
    unit: str = ""


@dataclass(frozen=True)
class Text:
    """Words, lower case: a name, a direction, True."""

    words: str


@dataclass(frozen=True)
class Choice:
    """A letter of a multiple-choice question."""

    letter: str


@dataclass(frozen=True)
class Based:
    """An integer written in a base other than ten."""

    digits: str
    base: int


@dataclass(frozen=True)
class Ratio:
    """``a : b``, two parts or more."""

    parts: tuple[Leaf, ...]


@dataclass(frozen=True)
class TimeOfDay:
    """Two numbers written like a time of day, ``9:24``; ``half`` is ``"a"``, ``"p"`` or ``""``."""

    hour: int
    minute: int
    second: int
    half: str


@dataclass(frozen=True)
class Group:
    """Ordered and bracketed: a point, a vector, an interval."""

    opening: str
    items: tuple["Node", ...]
    closing: str


@dataclass(frozen=True)
class Matrix:
    """Rows of entries."""

    rows: tuple[tuple["Node", ...], ...]


@dataclass(frozen=True)
class Bag:
    """Unordered: a set, or several answers with commas between them."""

    items: tuple["Node", ...]


@dataclass(frozen=True)
class Region:
    """``union``, ``intersection`` or ``difference`` of intervals and sets of points.

    ``joined`` is what commas between inequalities mean: both where both can hold, else either.
    """

    operation: str
    parts: tuple["Node", ...]


@dataclass(frozen=True)
class Named:
    """A value that says what it is the value of: ``x = 5``, ``f(x) = 2x``, ``x > 3``."""

    name: str
    value: "Node"


@dataclass(frozen=True)
class Values:
    """Several names with a value each: ``x = 1, y = 2``."""

    items: tuple[Named, ...]


@dataclass(frozen=True)
class Calculation:
    """``2^{10} = 1024``: the result counts, if the steps before it are no other value."""

    steps: tuple["Node", ...]
    result: "Node"


@dataclass(frozen=True)
class Relation:
    """An equation or inequality that names no single quantity. Sides are LaTeX without blanks."""

    sides: tuple[str, ...]
    operators: tuple[str, ...]


@dataclass(frozen=True)
class Approximation:
    """An exact value with its approximation beside it; equals either, if they belong together."""

    exact: "Node"
    decimal: "Node"


@dataclass(frozen=True)
class Either:
    """Text with several meanings; it equals whatever one of them equals."""

    options: tuple["Node", ...]


Structure = Group | Matrix | Bag | Region | Values
Node = (
    Leaf
    | Text
    | Choice
    | Based
    | Ratio
    | TimeOfDay
    | Structure
    | Named
    | Calculation
    | Relation
    | Approximation
    | Either
)


def inner_nodes(node: Node) -> Iterator[Node]:
    """The nodes directly inside a node.

    >>> list(inner_nodes(Named("x", Leaf("5"))))
    [Leaf(latex='5', unit='')]
    """
    pending = [*vars(node).values()]
    for value in pending:
        if isinstance(value, tuple):
            pending.extend(value)
        elif isinstance(value, Node):
            yield value
