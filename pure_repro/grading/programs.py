r"""Mathematics as a program or a keyboard writes it. Rules of ``normalise``."""

import re

from pure_repro.grading.arguments import brace_root
from pure_repro.grading.tex import outside_text
from pure_repro.grading.vocabulary import FUNCTIONS

NAMES = (*FUNCTIONS, "sqrt", "pi", "infty", "theta", "alpha", "beta", "lambda")
PLAIN = re.compile(rf"(?<![a-zA-Z\\])({'|'.join(NAMES)})(?![a-zA-Z])")
INVERSE = re.compile(r"(?<![a-zA-Z\\])a(sin|cos|tan)(?=\s*\()")
BASE = re.compile(r"(?<![a-zA-Z\\])log(2|10)(?=\s*\()")
INFINITE = re.compile(r"(?<![a-zA-Z\\])(?:infinity|inf|oo)(?![a-zA-Z])")
OPERATORS = (
    ("**", "^"),
    ("*", r"\cdot "),
    (">=", r"\ge "),
    ("<=", r"\le "),
    ("!=", r"\neq "),
    ("==", "="),
    ("+/-", r"\pm "),
)
PLUS_MINUS = re.compile(r"(?:^|(?<=[=,(]))\s*\+-(?=\s*[\d\\a-zA-Z])")
MODULO = re.compile(r"(?<=[\d ])\(?(?<![\\a-zA-Z])mod +(\d+)\)?")
OVER = re.compile(r"\s*([\w.]+) over ([\w.]+)\s*")


def plain_programs(text: str) -> str:
    r"""``**``, ``>=``, ``sqrt(2)``, ``pi``, ``log2(8)``.

    >>> plain_programs("2*sqrt(3)"), plain_programs("x**2 >= pi"), plain_programs(r"\frac{pi}{6}")
    ('2\\cdot \\sqrt{3}', 'x^2 \\ge  \\pi ', '\\frac{\\pi }{6}')
    """
    for plain, latex in OPERATORS:
        text = text.replace(plain, latex)
    text = MODULO.sub(r"\\pmod{\1}", text) if "mod" in text else text
    text = PLUS_MINUS.sub(r"\\pm ", text)
    if over := OVER.fullmatch(text):
        text = rf"\frac{{{over[1]}}}{{{over[2]}}}"
    return brace_root(outside_text(text, plain_names))


def plain_names(text: str) -> str:
    r"""Names of functions and constants without a backslash.

    >>> plain_names("atan(2)"), plain_names("math.log2(8)"), plain_names("oo")
    ('\\arctan (2)', '\\log_{2}(8)', '\\infty ')
    """
    text = re.sub(r"(?<![a-zA-Z\\])(?:np|math|sp|sympy)\.(?=[a-z])", "", text)
    text = BASE.sub(r"\\log_{\1}", INVERSE.sub(r"\\arc\1 ", text))
    return INFINITE.sub(r"\\infty ", PLAIN.sub(r"\\\1 ", text))


SECONDS = re.compile(
    r"(?<=[\d}) ])\s*(?:\\(?:text|mathrm|textrm|operatorname)\s*\{\s*(arc)?sec\.?\s*\}"
    r"|(?<![\\a-zA-Z])(arc)?sec\.?(?![a-zA-Z]))"
    r"(?=\s*(?:$|[,;/$)\]^]|\\(?:text|mathrm|[)\],;\\])))"
)


def seconds(text: str) -> str:
    r"""``sec`` behind a value and with nothing to apply to is the unit, no secant.

    >>> seconds("5 sec"), seconds(r"5\text{ sec}"), seconds("5 sec x")
    ('5\\text{seconds}', '5\\text{seconds}', '5 sec x')
    """
    if "sec" not in text:
        return text
    return SECONDS.sub(lambda unit: rf"\text{{{unit[1] or unit[2] or ''}seconds}}", text)
