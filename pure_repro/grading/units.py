"""One name for a unit, however it is written, and whether two labels speak of one thing."""

import re

from pure_repro.grading.vocabulary import POWER_AFTER, POWER_BEFORE, UNIT_NAMES, UNTOLD

UNKNOWN = "?"  # in front of the words of a label that is no unit we know


def unit_name(word: str) -> str | None:
    """The canonical name of one unit, ``None`` for a word that is no unit."""
    return UNIT_NAMES.get(word, UNIT_NAMES.get(word.lower()) if len(word) > 2 else None)


def canonical_unit(latex: str) -> str:
    r"""One name for a unit; the words of a label that is none behind a ``?``, and ``""`` where nothing is told.

    >>> canonical_unit(r"\text{square inches}"), canonical_unit(r"\text{in}^{2}"), canonical_unit("red meals")
    ('in^2', 'in^2', '?meal red')
    >>> canonical_unit("miles per hour"), canonical_unit(r"\text{mi}/\text{h}"), canonical_unit("mph")
    ('h^-1 mi^1', 'h^-1 mi^1', 'h^-1 mi^1')
    """
    words = re.sub(r"\\text\{([^{}]*)\}", r" \1 ", latex)
    words = re.sub(r"\\[a-zA-Z]+", " ", words).replace("kmph", "km/h").replace("mph", "mi/h")
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
            return label(words)
    return " ".join(sorted(f"{name}^{power}" for name, power in powers if name))


def label(words: str) -> str:
    """What a label says, in any order and number: its words without those that tell nothing.

    >>> label("a total of meals per day"), label("in total")
    ('?day meal per', '')
    """
    told = [word.lower() for word in re.findall(r"[a-zA-Z]{2,}", words)]
    stems = sorted({unit_name(word) or word.rstrip("s") for word in told if word not in UNTOLD})
    return UNKNOWN + " ".join(stems) if stems else ""


def agree(left: str, right: str) -> bool:
    """Whether two units can be those of one quantity: one is not given, both are the same, one label holds the other.

    >>> agree("cm^1", ""), agree("cm^1", "m^1"), agree("?meal", "?day meal per"), agree("?pack", "?box")
    (True, False, True, False)
    """
    if left == right or not (left and right):
        return True
    if UNKNOWN not in left + right:
        return False
    one, other = ({word.split("^")[0] for word in unit.lstrip(UNKNOWN).split()} for unit in (left, right))
    return one <= other or other <= one
