r"""What names a quantity: ``x``, ``f(2)``, ``\angle ABC``, ``\frac{AB}{CD}``."""

import re

from pure_repro.grading.tex import without_blanks
from pure_repro.grading.vocabulary import FUNCTIONS, GREEK

LETTER = rf"(?:[a-zA-Z]|\\(?:{'|'.join(GREEK)})(?![a-zA-Z]))"
ATOM = (
    rf"(?:{LETTER}|\\(?:overline|hat|tilde|dot|ddot|vec)\{{\s*{LETTER}\s*\}})"
    r"(?:_\{[^{}]*\}|'|\^\{(?:-1|\*)\})*"
)
POINT = r"[A-Z](?:_\{\d\})?"
POINTS = rf"{POINT}(?:{POINT}){{0,4}}"
PART = rf"(?:d?{ATOM}|{POINTS})"
OPERATORS = "sum|prod|int|lim|max|min|sup|inf|gcd|lcm|det|deg|dim|ker|arg|Pr|Re|Im"
QUANTITIES = (
    ATOM,  # x, a_{n}, m_{max}
    rf"{ATOM}\({ATOM}(?:,{ATOM})*\)",  # f(x), g(x,y)
    r"[a-hpqA-Z](?:_\{[^{}]*\})?'*\([^()]*\)",  # f(2), P(X>3)
    rf"\({ATOM}(?:,{ATOM})*\)",  # (x,y)
    rf"(?:m?\\(?:angle|triangle)\s?)?(?:{POINTS}|\{{{POINTS}\}})",  # AB, \angle ABC
    r"\\overline\{[A-Z]{2}\}|\|[A-Z]{2}\||\[[A-Z]{3,5}\]",  # lengths and areas
    r"\|[zwA-Z](?:_\{\d\})?\||\\\|[a-zA-Z](?:_\{\d\})?\\\|",  # a modulus, a determinant, a norm
    rf"\\frac\{{{PART}\}}\{{{PART}\}}|{PART}(?::{PART})+",  # quotients and ratios of names
    r"\\frac\{d\}\{d[a-z]\}.*",  # a derivative
    r"(?:\\mathbb\{[A-Z]\}|[A-Z]|\\text\{[^{}]*\})(?:\([^()]*\)|\[[^\[\]]*\])",  # P(A), E[X], \text{Var}(X)
    rf"\\(?:{OPERATORS})(?![a-zA-Z]).+",  # \sum_{k} k, \det A
    r"\\text\{[^{}]*\}(?:_\{[^{}]*\})?(?:\\triangle\s?)?[A-Z]*",  # \text{Area of }ABC
)
OF_A_NAME = (
    rf"\|{ATOM}\|",  # |x|
    rf"\\(?:{'|'.join(FUNCTIONS)})(?:\s?{ATOM}|\({ATOM}\))",  # \sin A
)
QUANTITY = re.compile("|".join(QUANTITIES))
NAME = re.compile("|".join(QUANTITIES + OF_A_NAME[1:]))
MODULUS = re.compile(rf"\|({ATOM})\|")
MULTIPLE = re.compile(
    rf"(-?)(\d+(?:\.\d+)?|\\frac\{{\d+\}}\{{\d+\}})?(?:\\cdot)?\s?({ATOM})|\\frac\{{(-?)(\d*)({ATOM})\}}\{{(\d+)\}}"
)


def is_name(latex: str) -> bool:
    r"""Whether an equation's side names a quantity instead of giving it.

    >>> [is_name(side) for side in ("x", "f(x)", r"m_{\max}", "AB", r"\frac{AB}{CD}", "2x", "x+y", "|x|")]
    [True, True, True, True, True, False, False, False]
    """
    return NAME.fullmatch(without_blanks(latex)) is not None


def is_quantity(latex: str) -> bool:
    r"""Whether an inequality's side is a quantity that can be bounded, and no function of one.

    >>> [is_quantity(side) for side in ("x", "|z|", "|x|", r"\sin x")]
    [True, True, False, False]
    """
    return QUANTITY.fullmatch(without_blanks(latex)) is not None


def modulus_of(latex: str) -> str | None:
    """The name between bars, where it is a real one: ``|z|``, ``|w|`` and ``|A|`` are quantities.

    >>> modulus_of("|x|"), modulus_of("|z|")
    ('x', None)
    """
    compact = without_blanks(latex)
    match = MODULUS.fullmatch(compact)
    return match[1] if match and not QUANTITY.fullmatch(compact) else None


def multiple_of(latex: str) -> tuple[str, str] | None:
    r"""The coefficient and the name of a side that is a number times a name; ``None`` for a name alone.

    >>> multiple_of("-2x"), multiple_of("-t"), multiple_of(r"\frac{x}{3}"), multiple_of("x")
    (('-2', 'x'), ('-1', 't'), ('1/3', 'x'), None)
    """
    match = MULTIPLE.fullmatch(without_blanks(latex))
    if not match or (match[3] or match[6]) in ("e", "i"):
        return None
    if match[6]:
        return f"{match[4]}{match[5] or 1}/{match[7]}", match[6]
    return (match[1] + (match[2] or "1"), match[3]) if match[1] or match[2] else None


def in_order(names: list[str]) -> list[int] | None:
    r"""How names are ordered in a tuple: by the alphabet, φ after θ; ``None`` where no order goes without saying.

    Names that are neighbours (x, y; a, b, c; a_1, a_2; r, θ) are put in order; others must be written in it.

    >>> in_order(["y", "x"]), in_order(["b", "m"]), in_order(["m", "b"]), in_order([r"\theta", "r"])
    ([1, 0], [0, 1], None, [1, 0])
    """
    keys = [(name.lstrip("\\").replace("phi", "theta~").replace("rho", "r").casefold(), name) for name in names]
    order = sorted(range(len(names)), key=keys.__getitem__)
    return order if order == list(range(len(names))) or neighbours(names) else None


def neighbours(names: list[str]) -> bool:
    """Whether names are a run of the alphabet, one letter with several indices, or polar coordinates."""
    if set(names) <= {"r", "z", r"\rho", r"\theta", r"\phi"}:
        return True
    if len({name[0] for name in names}) == 1:
        return True
    letters = sorted(name for name in names)
    return all(len(name) == 1 for name in letters) and ord(letters[-1]) - ord(letters[0]) == len(letters) - 1
