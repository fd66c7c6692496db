r"""The comparisons that need no algebra: same text, same integer, same fraction.

They settle nearly every answer of a training run in microseconds, in the caller's own process. What they do not
settle is left to ``parse`` and ``compare``, and to sympy in a worker that can be killed.
"""

import math
import re
from fractions import Fraction
from functools import lru_cache

LONGEST = 400  # characters of a number that is read here
LARGEST_POWER = 1_000  # of ten, in scientific notation

DIGITS = r"(?:\d{1,3}(?:(?:,|,\\!|\\,|\{,\})\d{3})+(?!\d)|\d+)(?:\.\d*)?|\.\d+"
NUMBER = re.compile(rf"({DIGITS})(?:(?:[eE]|\\(?:times|cdot)\s*10\s*\^)\s*\{{?\s*([-+]?\d{{1,4}})\s*\}}?)?")
THOUSANDS = re.compile(r"[^\d.]")
FRACTION = re.compile(r"(?:(\d+)\s*)?\\[dtc]?frac\s*\{\s*(-?)(\d+)\s*\}\s*\{\s*(-?)(\d+)\s*\}")
SLASH = re.compile(r"(?:(\d+)\s+)?()(\d+)\s*/\s*(-?)(\d+)")
WRAPPERS = (("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"))


def bare(text: str) -> str:
    r"""Take off math delimiters, outer blanks and a final period.

    >>> bare(r" $\frac{1}{2}$. ")
    '\\frac{1}{2}'
    """
    text = text.strip().removesuffix(".").rstrip()
    for opening, closing in WRAPPERS if text.startswith(("$", "\\")) else ():
        if len(text) > len(opening + closing) and text.startswith(opening) and text.endswith(closing):
            return text[len(opening) : -len(closing)].strip()
    return text


@lru_cache(maxsize=65_536)
def rational(text: str) -> Fraction | None:
    r"""The exact value of a number: integer, decimal, fraction, mixed, scientific; ``None`` for anything else.

    >>> rational("1{,}024"), rational("025"), rational("27.0"), rational(r"-\frac{6}{4}"), rational("x")
    (Fraction(1024, 1), Fraction(25, 1), Fraction(27, 1), Fraction(-3, 2), None)
    >>> rational(r"1\frac{4}{5}"), rational(r"1.5\times10^{-2}"), rational("4/0")
    (Fraction(9, 5), Fraction(3, 200), None)
    """
    if len(text) > LONGEST:
        return None
    sign = -1 if text.startswith("-") else 1
    body = text[1:].lstrip() if text[:1] in ("-", "+") else text
    if number := NUMBER.fullmatch(body):
        digits, exponent = THOUSANDS.sub("", number[1]), int(number[2] or 0)
        if abs(exponent) > LARGEST_POWER:
            return None
        if digits.isdecimal() and not exponent:
            return Fraction(sign * int(digits))  # most answers of a training run: as fast as it goes
        return sign * Fraction(digits) * Fraction(10) ** exponent
    if fraction := FRACTION.fullmatch(body) or SLASH.fullmatch(body):
        whole, above_sign, above, below_sign, below = fraction.groups()
        value = Fraction(int(above), int(below)) if int(below) else None
        if value is None or (whole and (above_sign or below_sign or value >= 1)):
            return None  # no value, or a product that only looks like a mixed number
        return sign * (int(whole or 0) + (-value if bool(above_sign) != bool(below_sign) else value))
    return None


def close(left: Fraction, right: Fraction, rel_tol: float, abs_tol: float) -> bool:
    r"""Exact equality; with a tolerance, |left − right| ≤ max(rel_tol·max(|left|, |right|), abs_tol).

    >>> close(Fraction(333, 1000), Fraction(1, 3), 0.0, 0.0), close(Fraction(333, 1000), Fraction(1, 3), 0.01, 0.0)
    (False, True)
    """
    return left == right or (bool(rel_tol or abs_tol) and math.isclose(left, right, rel_tol=rel_tol, abs_tol=abs_tol))


def decide(answer: str, reference: str, rel_tol: float = 0.0, abs_tol: float = 0.0) -> bool | None:
    r"""Whether two bare answers are equal, or ``None`` where telling needs more than arithmetic.

    A plain comma between digits may also separate two numbers, so it can make answers equal here but not unequal.

    >>> decide("27", "27.0"), decide("1/3", "0.333"), decide(r"\sqrt{4}", "2"), decide("70,110", "110,70")
    (True, False, None, None)
    """
    answer, reference = bare(answer), bare(reference)
    if answer == reference:
        return True
    left, right = rational(answer), rational(reference)
    if left is None or right is None:
        return None
    return close(left, right, rel_tol, abs_tol) or (None if "," in answer or "," in reference else False)
