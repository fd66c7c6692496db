r"""Reading LaTeX without understanding it: tokens, matching brackets, pieces between separators."""

import re
from collections.abc import Callable

DEEPEST = 40  # nested brackets, or arguments of arguments
TOKEN = re.compile(r"\\[a-zA-Z]+|\\.|.", re.DOTALL)
BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
OPENERS = {"(", "[", "{", r"\{", r"\langle", r"\lfloor", r"\lceil", r"\begin"}
CLOSERS = {")", "]", "}", r"\}", r"\rangle", r"\rfloor", r"\rceil", r"\end"}


class Unparsable(ValueError):
    """The text has no meaning that the checker knows."""


def closing_brace(text: str, start: int) -> int | None:
    r"""Index of the brace that closes the one at ``start``; ``\{`` and ``\}`` are characters, not braces.

    >>> closing_brace(r"{a\}{b}c} d", 0)
    8
    """
    first = text.find("}", start)
    if text.find("{", start + 1, first) < 0 and text.find("\\", start, first) < 0:
        return first if first >= 0 else None  # most boxes of a training run hold a number
    depth = 0
    for match in BRACE.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(match.group(), 0)
        if depth == 0 and match.group() == "}":
            return match.start()
    return None


def closing_bracket(text: str, start: int) -> int | None:
    r"""Index of the token that closes the bracket at ``start``. Any closer closes any opener: ``[0, 1)``.

    >>> closing_bracket("(2, (3)] x", 0)
    7
    """
    depth = 0
    for match in TOKEN.finditer(text, start):
        depth += (match.group() in OPENERS) - (match.group() in CLOSERS)
        if depth == 0:
            return match.start()
    return None


def split_top(text: str, separators: set[str]) -> tuple[list[str], list[str]]:
    r"""The pieces outside all brackets, and the separators between them.

    >>> split_top(r"(1,2), x \cup y", {",", r"\cup"})
    (['(1,2)', 'x', 'y'], [',', '\\cup'])
    """
    pieces, found, depth, last = [], [], 0, 0
    for match in TOKEN.finditer(text):
        token = match.group()
        depth += (token in OPENERS) - (token in CLOSERS)
        if depth == 0 and token in separators:
            pieces.append(text[last : match.start()].strip())
            found.append(token)
            last = match.end()
    return [*pieces, text[last:].strip()], found


BLANKS = re.compile(r"(\\[a-zA-Z]+)\s+(?=[a-zA-Z])|((?<=[\d.])\s+(?=[\d.]))|\s+")


def without_blanks(text: str) -> str:
    r"""Blanks removed, except between a command's name and a letter and between two numbers.

    >>> without_blanks(r"2 \cdot x + \pi  r"), without_blanks("1  2")
    ('2\\cdot x+\\pi r', '1 2')
    """
    return BLANKS.sub(lambda m: f"{m[1]} " if m[1] else " " if m[2] else "", text) if " " in text else text


def outside_text(text: str, rule: Callable[[str], str]) -> str:
    r"""Apply a rule to what stands outside ``\text{…}`` and the names of environments.

    >>> outside_text(r"ab\text{ab}", str.upper)
    'AB\\text{ab}'
    """
    pieces = re.split(r"(\\text\{[^{}]*\}|\\(?:begin|end)\{\w+\})", text)
    return "".join(piece if i % 2 else rule(piece) for i, piece in enumerate(pieces))
