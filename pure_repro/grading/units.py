"""One name for a unit, however it is written."""

import re

from pure_repro.grading.vocabulary import POWER_AFTER, POWER_BEFORE, UNIT_NAMES


def unit_name(word: str) -> str | None:
    """The canonical name of one unit, ``None`` for a word that is no unit."""
    return UNIT_NAMES.get(word, UNIT_NAMES.get(word.lower()) if len(word) > 2 else None)


def canonical_unit(latex: str) -> str:
    r"""One name for a unit; ``""`` for a label that is no unit we know.

    >>> canonical_unit(r"\text{square inches}"), canonical_unit(r"\text{in}^{2}"), canonical_unit("meals")
    ('in^2', 'in^2', '')
    >>> canonical_unit("miles per hour"), canonical_unit(r"\text{mi}/\text{h}"), canonical_unit("mph")
    ('h^-1 mi^1', 'h^-1 mi^1', 'h^-1 mi^1')
    """
    words = re.sub(r"\\text\{([^{}]*)\}", r" \1 ", latex).replace("kmph", "km/h").replace("mph", "mi/h")
    powers: list[list] = []  # [name, power]
    sign = power = 1
    for word, exponent, slash in re.findall(r"([a-zA-Z$]+)|\^\{?(-?\d+)\}?|(/)", words):
        if slash or word == "per":
            sign = -1
        elif word in POWER_BEFORE:
            power = POWER_BEFORE[word]
        elif (exponent or word in POWER_AFTER) and powers:
            powers[-1][1] *= int(exponent or POWER_AFTER[word])
        elif word and (name := unit_name(word)) is not None:
            powers.append([name, sign * power])
            sign = power = 1
        else:
            return ""
    return " ".join(sorted(f"{name}^{power}" for name, power in powers if name))
