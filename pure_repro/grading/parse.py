r"""From canonical LaTeX to what it says: a point, a set, an equation, a number with its unit.

Only the outside of an answer is read here. What is left at the leaves is an expression without structure, which
``algebra`` hands to sympy if it must. Text with several meanings becomes ``Either`` of them.
"""

import re
from functools import lru_cache
from itertools import product

from pure_repro.grading.inequalities import inequality, negative
from pure_repro.grading.names import ATOM, is_name, is_quantity
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
    Region,
    Relation,
    Text,
    Values,
)
from pure_repro.grading.normalise import normalise
from pure_repro.grading.numerals import number_in_words
from pure_repro.grading.quantities import based, clock, join_groups, leaf, ratio
from pure_repro.grading.sets import REALS, is_region, number_set, scaled_matrix, scaled_point
from pure_repro.grading.tex import Unparsable, closing_brace, closing_bracket, split_top, without_blanks
from pure_repro.grading.vocabulary import PHRASES, SHORT_WORDS

MOST_ITEMS = 64  # of a list; comparing lists takes up to n² comparisons
MOST_SIGNS = 4  # of ± in one answer


@lru_cache(maxsize=16_384)
def parse(text: str) -> Node:
    r"""What an answer says.

    Raises ``Unparsable`` where it says nothing that the checker knows.

    >>> parse("x = 5")
    Named(name='x', value=Leaf(latex='5', unit=''))
    >>> parse(r"(3,\tfrac12)")
    Group(opening='(', items=(Leaf(latex='3', unit=''), Leaf(latex='\\frac{1}{2}', unit='')), closing=')')
    """
    return readings(normalise(text))


def readings(latex: str) -> Node:
    """All that canonical LaTeX may mean."""
    other = [*choice_readings(latex), *thousands(latex)]
    if not other:
        return several(latex)
    try:
        return either(*other, several(latex))
    except Unparsable:
        return either(*other)


def either(*options: Node) -> Node:
    """One node that stands for all of them."""
    flat = dict.fromkeys(
        inner for option in options for inner in (option.options if isinstance(option, Either) else (option,))
    )
    return next(iter(flat)) if len(flat) == 1 else Either(tuple(flat))


CHOICE = re.compile(r"(?:\(([A-Ja-j])\)|([A-J])\s*[.:)]|([A-J])(?=$))[\s:.,]*(.*)", re.DOTALL)


def choice_readings(latex: str) -> list[Node]:
    r"""A letter of a multiple-choice question, alone or in front of the answer it stands for.

    >>> choice_readings(r"\text{(C)}"), choice_readings("(C) 42")
    ([Choice(letter='C')], [Choice(letter='C'), Leaf(latex='42', unit='')])
    """
    match = CHOICE.fullmatch(re.sub(r"\\text\{([^{}]*)\}", r"\1 ", latex).strip())
    if not match:
        return []
    letter, rest = (match[1] or match[2] or match[3]).upper(), match[4]
    if not rest:
        return [Choice(letter)]
    if not (match[1] or match[2]) or not re.search(
        r"\d|\\text|[a-zA-Z]{3}", latex[latex.index(match[1] or match[2]) :]
    ):
        return []
    try:
        return [Choice(letter), several(rest)]
    except Unparsable:
        return []


def thousands(latex: str) -> list[Node]:
    r"""Numbers with plain commas, which are also lists of numbers.

    >>> thousands("58,500"), thousands("27,54,108"), thousands("(20,100)")
    ([Leaf(latex='58500', unit='')], [], [])
    """
    joined = join_groups(latex) if "," in latex else latex
    return [] if joined == latex else [several(joined)]


def several(latex: str) -> Node:
    r"""Answers with commas, line ends, ``or`` or ``and`` between them, or a single one."""
    pieces, separators = split_top(latex, {",", ";", r"\\", r"\lor", r"\land"})
    if len(pieces) > 1 and (r"\neq" in latex or r"\mathbb{Z}" in latex):
        pieces = excluded(with_own_parameter(pieces))
    items = [single(piece) for piece in pieces if piece]
    if not items:
        raise Unparsable("empty")
    if len(items) == 1:
        return items[0]
    if all(isinstance(item, Named) for item in items):
        return collect_named(items, separators)  # type: ignore[arg-type]
    return bag(items)


PARAMETER = re.compile(r"\s*([a-zA-Z])\s*\\in\s*\\mathbb\{Z\}\s*")


def with_own_parameter(pieces: list[str]) -> list[str]:
    r"""The letter that runs over the integers has one name, whatever it is called.

    >>> with_own_parameter([r"x=n\pi", r"n \in \mathbb{Z}"])
    ['x=\\iota \\pi', '\\iota  \\in \\mathbb{Z}']
    """
    letters = [match[1] for match in map(PARAMETER.fullmatch, pieces) if match]
    if len(letters) != 1:
        return pieces
    return [re.sub(rf"(?<![a-zA-Z\\]){letters[0]}(?![a-zA-Z])", r"\\iota ", piece) for piece in pieces]


def excluded(pieces: list[str]) -> list[str]:
    r"""``x ≠ 1, 2`` with its name in every piece, as one exclusion.

    >>> excluded([r"x \neq 1", "2"])
    ['x \\in \\mathbb{R}\\setminus\\{1,2\\}']
    """
    sides = [split_top(piece, {r"\neq"})[0] for piece in pieces if piece]
    if len(sides[0]) != 2 or not is_quantity(sides[0][0]):
        return pieces
    if not all(len(side) == 1 or side[0] == sides[0][0] for side in sides[1:]):
        return pieces
    return [rf"{sides[0][0]} \in \mathbb{{R}}\setminus\{{{','.join(side[-1] for side in sides)}\}}"]


def collect_named(items: list[Named], separators: list[str]) -> Node:
    """Named values: of one name a list or a region, of several names each its own, once or in turn."""
    names = [item.name for item in items]
    distinct = len(set(names))
    if distinct == 1 and any(map(is_region, items)):
        operation = "union" if r"\lor" in separators else "intersection" if r"\land" in separators else "joined"
        return Named(names[0], Region(operation, tuple(item.value for item in items)))
    if distinct > 1 and len(items) % distinct == 0:
        solutions = [items[i : i + distinct] for i in range(0, len(items), distinct)]
        if all(len({item.name for item in solution}) == distinct for solution in solutions):
            return bag([Values(tuple(solution)) for solution in solutions])
    return bag([*items])


def bag(items: list[Node]) -> Node:
    """An unordered collection; collections inside it are poured out, and one alone is itself."""
    flat: list[Node] = []
    for item in items:
        inner = item.value if isinstance(item, Named) else item
        flat.extend(inner.items if isinstance(inner, Bag) and inner.items else [item])
    if len(flat) > MOST_ITEMS:
        raise Unparsable(f"more than {MOST_ITEMS} items")
    return flat[0] if len(flat) == 1 and flat != [Bag(())] else Bag(tuple(flat))


def single(latex: str) -> Node:
    """One answer: the first reader that knows its form takes it. Plain braces around several are those of a set."""
    latex = latex.strip()
    if latex.startswith("{") and closing_brace(latex, 0) == len(latex) - 1:
        return readings(latex[1:-1].strip())
    if not latex:
        raise Unparsable("empty")
    for reader in READERS:
        node = reader(latex)
        if node is not None:
            return node
    return leaf(latex)


def words(latex: str) -> Node | None:
    r"""Text, or a bare word of four letters or more; shorter ones that are no known word, and capitals, are products.

    >>> words(r"\text{Evelyn}"), words("east"), words("ab"), words("No")
    (Text(words='evelyn'), Text(words='east'), None, Text(words='no'))
    """
    text = re.sub(r"\\text\{([^{}]*)\}", r" \1 ", latex)
    if not re.fullmatch(r"[\sa-zA-Z'\"!?.&/-]*", text) or not re.search(r"[a-zA-Z]", text):
        return None
    spoken = " ".join(re.sub(r"[^a-z ]", " ", text.lower()).split())
    bare = r"\text" not in latex and (text.isupper() or not re.search(r"[a-zA-Z]{4}", text))
    if bare and spoken not in SHORT_WORDS:
        return None
    if number := number_in_words(spoken):
        return Leaf(number)
    return either(Text(spoken), single(PHRASES[spoken])) if spoken in PHRASES else Text(spoken)


def relation(latex: str) -> Node | None:
    r"""Equations, inequalities and memberships.

    >>> relation("-2 < x").name, relation("-2 < x") == relation("x > -2"), relation("5 = x")
    ('x', True, Named(name='x', value=Leaf(latex='5', unit='')))
    """
    sides, operators = split_top(latex, {"<", ">", "=", r"\le", r"\ge", r"\neq", r"\in", r"\approx"})
    if not operators:
        return None
    if r"\approx" in operators:
        return approximation(sides, operators)
    if not all(sides):
        raise Unparsable("a side is missing")
    if r"\in" in operators:
        return Named(without_blanks(sides[0]), several(sides[-1]))
    if set(operators) == {"="}:
        return equation(sides)
    return inequality(sides, operators, single)


def approximation(sides: list[str], operators: list[str]) -> Node:
    """``exact ≈ decimal``, perhaps behind a name."""
    cut = operators.index(r"\approx")
    exact, decimal = [side for side in sides[: cut + 1] if side], single(sides[-1])
    if not exact:
        return decimal
    name = without_blanks(exact[0]) if is_name(exact[0]) else None
    if name and len(exact) == 1:
        return Named(name, decimal)
    about = Approximation(single(exact[-1]), decimal)
    return Named(name, about) if name else about


def equation(sides: list[str]) -> Node:
    """``name = … = value``, a calculation (its result counts), or an equation."""
    name, value = without_blanks(sides[0]), sides[-1]
    if not is_name(name) and is_name(value) and len(sides) == 2:
        name, value = without_blanks(value), sides[0]
    if is_name(name):
        return name_by_name(name, calculation(sides[1:] if value == sides[-1] else [value]))
    if modulus := re.fullmatch(rf"\|({ATOM})\|", name):
        size = single(value)
        return Named(modulus[1], bag([size, negative(size)]))
    if not any(map(has_letters, sides)):
        return calculation(sides)
    return Relation(tuple(map(without_blanks, sides)), ("=",) * (len(sides) - 1))


def has_letters(side: str) -> bool:
    r"""Whether variables stand in an expression.

    >>> has_letters(r"\pi r^{2}"), has_letters(r"25\pi")
    (True, False)
    """
    return re.search(r"[a-zA-Z]", re.sub(r"\\text\{[^{}]*\}|\\[a-zA-Z]+", "", side)) is not None


def calculation(sides: list[str]) -> Node:
    """The last side, with those of the others as its steps that are numbers, too: ``π r² = 9π`` is no mistake."""
    result, steps = single(sides[-1]), []
    for side in sides[:-1]:
        if not has_letters(side):
            try:
                steps.append(single(side))
            except Unparsable:  # a step that cannot be read is not held against its result
                continue
    return Calculation(tuple(steps), result) if steps else result


def name_by_name(name: str, value: Node) -> Node:
    """A named value; a tuple of names is several of them."""
    names = name[1:-1].split(",")
    if name.startswith("(") and isinstance(value, Group) and len(names) == len(value.items) > 1:
        return Values(tuple(map(Named, names, value.items)))
    return Named(name, value)


def region(latex: str) -> Node | None:
    r"""Unions, intersections, differences, the real numbers, the empty set.

    >>> region(r"(0,1) \cup \{2\}").operation
    'union'
    """
    for sign, operation in ((r"\cup", "union"), (r"\cap", "intersection"), (r"\setminus", "difference")):
        pieces, found = split_top(latex, {sign})
        if found:
            return Region(operation, tuple(single(piece) for piece in pieces))
    compact = without_blanks(latex)
    if compact.startswith((r"\mathbb{R}-\{", r"\mathbb{R}-(", r"\mathbb{R}-[")):
        return Region("difference", (REALS, single(compact.removeprefix(r"\mathbb{R}-"))))
    return number_set(compact)


BRACKETS = {"(": "(", "[": "[", r"\langle": "(", ")": ")", "]": "]", r"\rangle": ")"}
FACTOR = re.compile(r"(-|-?\d+|-?\\frac\{\d+\}\{\d+\})\s*(?:\\cdot)?\s*(?=\(|\\langle)")
POINT_NAME = re.compile(r"[A-Z](?:_\{\d+\})?'*\s*(?=\()")
TRANSPOSED = re.compile(r"\^\{\s*(?:T|\\top|\\intercal|t|\\text\{T\})\s*\}")


def bracketed(latex: str) -> Node | None:
    r"""Sets, points, intervals; brackets around a single expression mean nothing.

    >>> bracketed("[0, 1)").closing, bracketed("(x+1)(x+2)") is None, len(bracketed("P(1,2)").items)
    (')', True, 2)
    """
    if match := POINT_NAME.match(latex):
        return point(latex[match.end() :], chosen=latex[0] == "C")
    if match := FACTOR.match(latex):
        inside = bracketed(latex[match.end() :])
        return scaled_point(match[1], inside) if isinstance(inside, Group) else None
    opening = next((sign for sign in (r"\{", *BRACKETS) if latex.startswith(sign)), None)
    if opening is None:
        return None
    end = closing_bracket(latex, 0)
    if end is None:
        raise Unparsable("a bracket is not closed")
    closing, rest = TRANSPOSED.sub("", latex[end:]), latex[len(opening) : end]
    if closing == r"\}":
        return members(rest)
    if closing not in BRACKETS:
        return None  # more follows, as in (x+1)(x+2)
    pieces, separators = split_top(rest, {",", ";"})
    if not separators:
        return single(rest) if (opening, closing) in (("(", ")"), ("[", "]")) else None
    items = tuple(single(piece) for piece in pieces)
    if len(items) > MOST_ITEMS:
        raise Unparsable(f"more than {MOST_ITEMS} items")
    if all(isinstance(item, Named) and not is_region(item) for item in items):
        return collect_named([*items], [","])  # type: ignore[list-item]
    return Group(BRACKETS[opening], items, BRACKETS[closing])


def point(coordinates: str, chosen: bool) -> Node | None:
    r"""A point behind its name; ``C(10, 3)`` may also be a binomial coefficient.

    >>> point("(1,2)", chosen=False).closing, point("(10,3)", chosen=True).options[1].latex
    (')', '\\binom{10}{3}')
    """
    inside = bracketed(coordinates)
    if not isinstance(inside, Group | Values):
        return None
    if chosen and (pair := re.fullmatch(r"\(\s*([\w+-]+)\s*,\s*([\w+-]+)\s*\)", coordinates.strip())):
        return either(inside, Leaf(rf"\binom{{{pair[1]}}}{{{pair[2]}}}"))
    return inside


def members(inside: str) -> Node:
    r"""A set by its members, or by what they satisfy: ``{x | x > 2}``."""
    member, bars = split_top(inside, {"|", ":"})
    if len(bars) == 1 and is_name(split_top(member[0], {r"\in"})[0][0]):
        return single(member[1])
    return bag([single(piece) for piece in split_top(inside, {",", ";"})[0]])


MATRIX = re.compile(r"(.*?)(?:\\cdot\s*)?\\begin\{pmatrix\}(.*)\\end\{pmatrix\}(\s*\^\{.*\})?", re.DOTALL)


def matrix(latex: str) -> Node | None:
    r"""A matrix or a column vector, with a number in front or transposed.

    >>> len(matrix(r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}").rows)
    2
    """
    match = MATRIX.fullmatch(latex) if r"\begin" in latex else None
    if not match or "pmatrix" in match[2] or (match[3] and not TRANSPOSED.fullmatch(match[3].strip())):
        return None
    rows = [row for row in re.split(r"\\\\(?:\s*\[[^\]]*\])?", match[2].replace(r"\hline", "")) if row.strip()]
    entries = tuple(tuple(single(entry) for entry in split_top(row, {"&"})[0]) for row in rows)
    if match[3] and len({len(row) for row in entries}) == 1:
        entries = tuple(zip(*entries, strict=True))
    return scaled_matrix(match[1].strip(), Matrix(entries))


COMPONENT = re.compile(r"\s*([-+]?)\s*(.*?)\s*(?:\\cdot)?\s*\\hat\{([ijk])\}\s*")


def components(latex: str) -> Node | None:
    r"""A vector by its unit vectors.

    >>> [item.latex for item in components(r"\hat{i}-2\hat{j}").items]
    ['1', '-2']
    """
    if r"\hat{" not in latex:
        return None
    parts = re.findall(r".*?\\hat\{[ijk]\}", latex)
    terms = [COMPONENT.fullmatch(part) for part in parts]
    if "".join(parts) != latex.strip() or not all(terms):
        return None
    values = {term[3]: term[1].strip("+") + (term[2] or "1") for term in terms if term}
    if len(values) != len(terms) or any(not term[1] for term in terms[1:] if term):
        return None
    names = "ijk" if "k" in values else "ij"
    return Group("(", tuple(leaf(values.get(name, "0")) for name in names), ")")


def signs(latex: str) -> Node | None:
    r"""``±`` as both of its values. Several are taken together, and each on its own.

    >>> signs(r"1 \pm \sqrt{19}").items
    (Leaf(latex='1+\\sqrt{19}', unit=''), Leaf(latex='1-\\sqrt{19}', unit=''))
    """
    parts = re.split(r"\\(pm|mp)(?![a-zA-Z])", latex)
    which, pieces = parts[1::2], parts[::2]
    if not which or latex.startswith(r"\{"):
        return None  # a set expands its members
    if len(which) > MOST_SIGNS:
        raise Unparsable(f"more than {MOST_SIGNS} signs")

    def with_signs(pluses: tuple[bool, ...]) -> Node:
        chosen = ["+" if plus == (sign == "pm") else "-" for plus, sign in zip(pluses, which, strict=True)]
        return single(pieces[0] + "".join(sign + piece for sign, piece in zip(chosen, pieces[1:], strict=True)))

    together = bag([with_signs((plus,) * len(which)) for plus in (True, False)])
    if len(which) == 1 or "mp" in which:
        return together
    return either(together, bag([with_signs(pluses) for pluses in product((True, False), repeat=len(which))]))


READERS = (words, relation, region, matrix, based, clock, ratio, signs, components, bracketed)
