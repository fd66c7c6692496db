"""The comparisons that need no algebra: same text, same integer, same fraction.

They settle nearly every answer of a training run in microseconds, in the caller's own process. What they do not
settle is left to ``compare``, which runs sympy in a worker that can be killed.
"""

import re
from fractions import Fraction
from functools import lru_cache

LONGEST = 100  # characters; a longer number is left to the workers

NUMBER = r"(?:\d+|\d{1,3}(?:(?:,|,\\!|\\,|\{,\})\d{3})+)(?:\.\d*)?|\.\d+"
SIGNED = re.compile(rf"([-+]?)\s*({NUMBER})")
FRACTION = re.compile(r"([-+]?)\s*(?:\\[dtc]?frac\s*\{\s*(-?\d+)\s*\}\s*\{\s*(\d+)\s*\}|(\d+)\s*/\s*(\d+))")
WRAPPERS = (("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"))


def bare(text: str) -> str:
    r"""Take off math delimiters, outer blanks and a final period.

    >>> bare(r" $\frac{1}{2}$. ")
    '\\frac{1}{2}'
    """
    text = text.strip().removesuffix(".").rstrip()
    for opening, closing in WRAPPERS:
        if len(text) > len(opening + closing) and text.startswith(opening) and text.endswith(closing):
            return text[len(opening) : -len(closing)].strip()
    return text


@lru_cache(maxsize=65536)
def rational(text: str) -> Fraction | None:
    r"""The exact value of an integer, decimal or simple fraction; ``None`` for anything else.

    >>> rational("1{,}024"), rational("025"), rational("27.0"), rational(r"-\frac{6}{4}"), rational("x")
    (Fraction(1024, 1), Fraction(25, 1), Fraction(27, 1), Fraction(-3, 2), None)
    """
    if len(text) > LONGEST:
        return None
    if number := SIGNED.fullmatch(text):
        sign, digits = number.groups()
        value = Fraction(re.sub(r"[^\d.]", "", digits))
    elif fraction := FRACTION.fullmatch(text):
        sign, above, below, left, right = fraction.groups()
        if not int(below or right):
            return None
        value = Fraction(int(above or left), int(below or right))
    else:
        return None
    return -value if sign == "-" else value


def decide(answer: str, reference: str) -> bool | None:
    r"""Whether two bare answers are equal, or ``None`` where that takes algebra.

    >>> decide("27", "27.0"), decide("1/3", "0.333"), decide(r"\sqrt{4}", "2")
    (True, False, None)
    """
    answer, reference = bare(answer), bare(reference)
    if answer == reference:
        return True
    left, right = rational(answer), rational(reference)
    return None if left is None or right is None else left == right
