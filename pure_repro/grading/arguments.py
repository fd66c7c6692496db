r"""What a command, a power and an index take: braces around every argument. Rules of ``normalise``."""

import re

from pure_repro.grading.tex import DEEPEST, TOKEN, Unparsable, closing_brace, closing_bracket

ARGUMENTS = {r"\frac": 2, r"\binom": 2, r"\sqrt": 1, "^": 1, "_": 1}
ROOT_INDEX = re.compile(r"\s*\[([^\[\]]*)\]")
DIGITS = re.compile(r"-?\d+")
GLUED_LOGARITHM = re.compile(r"\\log_(\d)(\d+)(?=\s*(?:$|[-+,=)\]}]))")


def brace_arguments(text: str) -> str:
    r"""Braces around every argument: ``\frac12``, ``\sqrt2``, ``x^10``, ``2^(1/3)``, ``\log_2``.

    TeX takes one character as an argument; writers of ``\sqrt13`` and ``x^10`` mean the whole number, so a root,
    a power and an index take all digits, and all of a bracket. ``\frac`` takes one character, as TeX does.

    >>> brace_arguments(r"\frac12"), brace_arguments(r"\frac{270}7"), brace_arguments(r"\sqrt2 x^10")
    ('\\frac{1}{2}', '\\frac{270}{7}', '\\sqrt{2} x^{10}')
    >>> brace_arguments("2^(1/3)"), brace_arguments(r"\log_28")
    ('2^{1/3}', '\\log_{2}8')
    """
    return braced(GLUED_LOGARITHM.sub(r"\\log_{\1}\2", text), DEEPEST)


def braced(text: str, depth: int) -> str:
    """``brace_arguments`` for arguments that nest up to ``depth`` deep."""
    out, i = "", 0
    while i < len(text):
        piece, i = braced_token(text, i, depth)
        out += piece
    return out


def braced_token(text: str, i: int, depth: int) -> tuple[str, int]:
    """The token at ``i`` with its arguments, braced, and where it ends."""
    token = TOKEN.match(text, i)[0]  # type: ignore[index]  # matches any character
    i += len(token)
    if token == r"\sqrt" and (index := ROOT_INDEX.match(text, i)):
        token += f"[{index[1].strip()}]"
        i = index.end()
    for _ in range(ARGUMENTS.get(token.split("[")[0], 0)):
        argument, i = braced_argument(text, i, depth - 1, command=token)
        token += argument
    return token, i


def braced_argument(text: str, i: int, depth: int, command: str) -> tuple[str, int]:
    r"""The argument at or after ``i`` in braces, and where it ends.

    Raises ``Unparsable`` where there is none, or arguments of arguments nest too deep (``\sqrt\sqrt\sqrt…``).
    """
    if not depth:
        raise Unparsable(f"nests deeper than {DEEPEST} arguments")
    while text[i : i + 1] == " ":
        i += 1
    if i == len(text) or text[i] in "^_":
        raise Unparsable("an argument is missing")
    if text[i] == "{":
        end = closing_brace(text, i)
        if end is None:
            raise Unparsable("a brace is not closed")
        return "{" + braced(text[i + 1 : end], depth).strip() + "}", end + 1
    if (
        text[i] == "("
        and command[0] in "^_\\"
        and command[:5] not in (r"\frac", r"\bino")
        and (end := closing_bracket(text, i))
    ):
        return "{" + braced(text[i + 1 : end], depth).strip() + "}", end + 1
    if not command.startswith((r"\frac", r"\binom")) and (number := DIGITS.match(text, i)):
        return "{" + number[0] + "}", number.end()
    token, end = braced_token(text, i, depth)
    return "{" + token + "}", end


CHOSEN = re.compile(
    r"(?<![\w{])(\d+)C(\d+)(?![\w}])|"
    r"C_\{(\d+)\}\^\{(\d+)\}|C\^\{(\d+)\}_\{(\d+)\}|(?:\{\})?[_^]\{(\d+)\}\s*\\?(?:text\{)?C\}?_\{(\d+)\}"
)


def binomials(text: str) -> str:
    r"""``C_{10}^{3}`` and ``_{10}C_{3}``: how many ways to choose the smaller number from the larger one.

    >>> binomials("C_{10}^{3}"), binomials("_{10}C_{3}")
    ('\\binom{10}{3}', '\\binom{10}{3}')
    """

    def binomial(match: re.Match[str]) -> str:
        """In one notation."""
        some, other = (int(number) for number in match.groups() if number)
        return rf"\binom{{{max(some, other)}}}{{{min(some, other)}}}"

    return CHOSEN.sub(binomial, text) if "C" in text else text


def brace_root(text: str) -> str:
    r"""``\sqrt(x)`` as ``\sqrt{x}``.

    >>> brace_root(r"\sqrt((2+x))y")
    '\\sqrt{(2+x)}y'
    """
    for match in reversed(list(re.finditer(r"\\sqrt\s*\(", text))):
        end = closing_bracket(text, match.end() - 1)
        if end is not None:
            text = rf"{text[: match.start()]}\sqrt{{{text[match.end() : end]}}}{text[end + 1 :]}"
    return text
