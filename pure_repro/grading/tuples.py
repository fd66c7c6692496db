"""Whether two points, vectors, matrices or collections of named values are equal, given when two of their items are."""

from collections.abc import Callable
from functools import partial

from pure_repro.grading.names import in_order
from pure_repro.grading.nodes import Bag, Group, Matrix, Named, Node, Values

Same = Callable[[Node, Node], bool]


def all_same(same: Same, left: tuple[Node, ...], right: tuple[Node, ...]) -> bool:
    """Equal one by one."""
    return len(left) == len(right) and all(map(same, left, right))


def same_group(same: Same, left: Group, right: Group) -> bool:
    """Ordered; the brackets of a pair count, because a pair may be an interval."""
    if len(left.items) == 2 and (left.opening, left.closing) != (right.opening, right.closing):
        return False
    return all_same(same, left.items, right.items)


def same_vector(same: Same, group: Group, matrix: Matrix) -> bool:
    """A point and a column or row vector."""
    column = tuple(row[0] for row in matrix.rows) if all(len(row) == 1 for row in matrix.rows) else None
    return all_same(same, group.items, column or (matrix.rows[0] if len(matrix.rows) == 1 else ()))


def same_matrix(same: Same, left: Matrix, right: Matrix) -> bool:
    """Entry by entry."""
    return len(left.rows) == len(right.rows) and all(map(partial(all_same, same), left.rows, right.rows))


def same_values(same: Same, left: Values, right: Values) -> bool:
    """By name, in any order."""
    one, other = ({item.name: item.value for item in values.items} for values in (left, right))
    return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)


def same_tuple(same: Same, values: Values, other: Group | Matrix | Bag) -> bool:
    """Named values and values in brackets: in the order that goes without saying for the names."""
    order = in_order([item.name for item in values.items])
    if order is None:
        return False
    items = tuple(values.items[i].value for i in order)
    if isinstance(other, Bag):
        return not any(isinstance(item, Named | Values) for item in other.items) and all_same(same, items, other.items)
    return same(Group("(", items, ")"), other)
