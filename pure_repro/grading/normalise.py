r"""Many ways to write an answer, one canonical LaTeX: a list of small named rules, applied in order.

No rule computes anything. What a rule drops is layout (``\left``, ``\,``, ``$``); what it rewrites has one
meaning (``\tfrac12`` is ``\frac{1}{2}``). What has several meanings is left to ``parse``, which keeps them all.
"""

from collections.abc import Callable
from functools import lru_cache

from pure_repro.grading.arguments import binomials, brace_arguments
from pure_repro.grading.layout import (
    ascii_math,
    drop_delimiters,
    drop_layout,
    drop_markup,
    infix_commands,
    open_systems,
    trim_punctuation,
    turn_brackets,
    unify_commands,
)
from pure_repro.grading.numerals import (
    bases,
    join_digit_groups,
    mixed_numbers,
    repeating_decimals,
    scientific_notation,
)
from pure_repro.grading.programs import plain_programs, seconds
from pure_repro.grading.tex import CLOSERS, DEEPEST, OPENERS, TOKEN, Unparsable
from pure_repro.grading.wording import (
    drop_introduction,
    join_text,
    lift_powers,
    mark_conjunctions,
    mark_degrees,
    mark_plain_labels,
    open_text,
    plain_indices,
    symbols_as_units,
)

LONGEST = 2_000  # characters; the longest reference of the six benchmarks has 348

Rule = Callable[[str], str]

RULES: tuple[Rule, ...] = (
    ascii_math,
    drop_markup,
    join_digit_groups,
    drop_delimiters,
    open_systems,
    drop_layout,
    turn_brackets,
    seconds,
    unify_commands,
    infix_commands,
    repeating_decimals,
    plain_programs,
    scientific_notation,
    brace_arguments,
    binomials,
    bases,
    mixed_numbers,
    mark_degrees,
    plain_indices,
    symbols_as_units,
    lift_powers,
    mark_conjunctions,
    join_text,
    open_text,
    drop_introduction,
    trim_punctuation,
    mark_plain_labels,
)


def depth_of(text: str) -> int:
    r"""How deep brackets of any kind nest.

    >>> depth_of(r"\frac{(1+\sqrt{5})}{2}")
    3
    """
    depth = deepest = 0
    for token in TOKEN.findall(text):
        depth += (token in OPENERS) - (token in CLOSERS)
        deepest = max(deepest, depth)
    return deepest


@lru_cache(maxsize=16384)
def normalise(text: str) -> str:
    r"""Canonical LaTeX of an answer.

    Raises ``Unparsable`` where the text is longer than 2,000 characters, nests deeper than 40 brackets or lacks
    a brace.

    >>> normalise(r"$\left(\tfrac12,\, 90^\circ\right)$.")
    '(\\frac{1}{2},  90\\degree  )'
    """
    if len(text) > LONGEST:
        raise Unparsable(f"longer than {LONGEST} characters")
    if depth_of(text) > DEEPEST:
        raise Unparsable(f"nests deeper than {DEEPEST} brackets")
    for rule in RULES:
        text = rule(text)
    return text
