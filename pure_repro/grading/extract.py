"""Find the answer in a response. Every scan is linear, so a response of any length costs little."""

import re

from pure_repro.grading.cheap import decide
from pure_repro.grading.tex import closing_brace
from pure_repro.grading.units import UNKNOWN, canonical_unit

BOXES = (r"\boxed", r"\fbox", r"\framebox")
COMMANDS = tuple((box, box.index("box")) for box in BOXES)  # and where "box" stands in them
MOST_BOXES = 64  # of one list
NEARBY = 60  # characters before a box in which its sign and its name stand
SIGN = re.compile(r"(?:^|[$=(\[,:;.\n]|\\[(\[]|[a-zA-Z]{2})\s*(-|\\pm\s?)$")
NAME = re.compile(r"(?<![a-zA-Z\\])([a-zA-Z](?:_\{?\w\}?)?)\s*=\s*-?$")
BASE = r"_\{?\(?\d{1,2}\)?\}?|_\{\\text\{[^{}]*\}\}"
SUFFIX = re.compile(rf"\s*(\\%|%|\^\{{?\s*\\circ\s*\}}?|°|{BASE}|\^\{{?-?\d+\}}?)")
UNIT = re.compile(r"\s*(?:\\[,; ]|~)?\s*(\\(?:text|mathrm)\s*\{[^{}]*\}(?:\^\{?\d\}?)?)")
JOINED = re.compile(
    rf"(?:{SUFFIX.pattern})?(?:[\s$]|\\[()\[\]])*(?:,|;|\\text\s*\{{[\s,]*(?:and|or)\s*\}}|\b(?:and|or)\b)"
    r"(?:[\s$,;]|\\[()\[\]]|\\text\s*\{[\s,]*(?:and|or)\s*\}|\b(?:and|or)\b|\\quad)*"
    r"(?:[a-zA-Z](?:_\{?\w\}?)?\s*=)?\s*(?:-|\\pm)?\s*"
)


def last_boxed(response: str) -> str | None:
    r"""The content of the last box, or ``None`` where it is missing, unclosed or empty.

    The last box wins even if it is unusable: a response that was cut inside its final answer has none. A sign in front
    of the box and a percent sign, a degree sign, a base, an exponent or a unit behind it belong to the answer, and
    boxes with nothing but commas, ``and`` or ``or`` between them are one list.

    >>> last_boxed(r"so \boxed{1}, no: \boxed{\frac{1}{2}}.")
    '\\frac{1}{2}'
    >>> last_boxed(r"\boxed{\boxed{7}}"), last_boxed(r"x=-\boxed{3}"), last_boxed(r"\boxed{20}\%")
    ('7', '-3', '20\\%')
    >>> last_boxed(r"\boxed{1} and then \boxed{2") is None, last_boxed(r"\boxed{-2} and \boxed{1}")
    (True, '-2, 1')
    """
    start = last_box(response, len(response))
    found = content(response, start) if start >= 0 else None
    if found is None:
        return None
    inside, end = found
    answer = with_surroundings(response, start, inside, end)
    return answer if response.find("box", 0, start) < 0 else join_boxes(response, start, answer)


def last_box_alone(text: str) -> str | None:
    r"""The content of the last box without what stands around it: as benchmarks pin their references.

    >>> last_box_alone(r"x = -\boxed{3} \text{ cm}"), last_box_alone("none")
    ('3', None)
    """
    start = last_box(text, len(text))
    found = content(text, start) if start >= 0 else None
    return found[0] if found else None


def last_box(response: str, end: int) -> int:
    r"""Where the last box before a place begins, −1 where there is none. One scan from the end finds all three kinds.

    >>> last_box(r"\framebox{1} a box", 18), last_box("a box", 5), last_box(r"\boxed{1}", 9)
    (0, -1, 0)
    """
    at = response.rfind("box", 0, end)
    while at >= 0:
        for command, offset in COMMANDS:
            if response.startswith(command, at - offset, end) and at >= offset:
                return at - offset
        at = response.rfind("box", 0, at)
    return -1


def content(response: str, start: int) -> tuple[str, int] | None:
    """What the box at a place holds and where it closes, ``None`` for nothing or an unclosed one."""
    brace = response.find("{", start)
    if brace < 0 or response[start:brace].strip() not in BOXES:
        return None
    end = closing_brace(response, brace)
    inside = response[brace + 1 : end].strip() if end is not None else ""
    return (inside, end) if inside and end is not None else None


def with_surroundings(response: str, start: int, inside: str, end: int) -> str:
    r"""The answer with its sign before the box and what belongs to it behind.

    >>> with_surroundings(r"5-\boxed{3}", 2, "3", 10), with_surroundings(r"\boxed{x+1}^2", 0, "x+1", 10)
    ('3', '(x+1)^2')
    """
    behind = response[end + 1 : end + 1 + NEARBY]
    if behind[:1] in ("\\", "%", "^", "_", "°", " ", "~"):
        if suffix := SUFFIX.match(behind):
            inside = (f"({inside})" if suffix[1][0] == "^" and not inside.isalnum() else inside) + suffix[1]
        elif (unit := UNIT.match(behind)) and not canonical_unit(unit[1]).startswith((UNKNOWN, " ")):
            inside = f"{inside} {unit[1]}" if canonical_unit(unit[1]) else inside
    if response[start - 1 : start] in ("-", "m", " ") and start:
        sign = SIGN.search(response[max(0, start - NEARBY) : start])
        return f"{sign[1]}{inside}" if sign and inside[0] not in "+-" else inside
    return inside


def join_boxes(response: str, start: int, answer: str) -> str:
    """The answer with those of the boxes before it, as long as only conjunctions stand between them."""
    answers, names, here = [answer], [name_before(response, start)], start
    while len(answers) < MOST_BOXES and (before := last_box(response, here)) >= 0:
        found = content(response, before)
        if found is None or found[1] >= here or here - found[1] > NEARBY:
            break
        if not JOINED.fullmatch(response, found[1] + 1, here):
            break
        answers.append(with_surroundings(response, before, *found))
        names.append(name_before(response, before))
        here = before
    if len(set(names)) > 1 and all(names):
        answers = [f"{name} = {answer}" for name, answer in zip(names, answers, strict=True)]
    return ", ".join(reversed(distinct(answers)))


def distinct(answers: list[str]) -> list[str]:
    r"""Answers without those that are another one's number or text once more: ``\boxed{1.5}`` or ``\boxed{\frac32}``.

    >>> distinct([r"\frac{3}{2}", "1.5", "2"])
    ['\\frac{3}{2}', '2']
    """
    kept: list[str] = []
    for answer in answers:
        if not any(decide(answer, other) for other in kept):
            kept.append(answer)
    return kept


def name_before(response: str, start: int) -> str:
    """The name that a box is the value of, empty where there is none."""
    match = NAME.search(response[max(0, start - NEARBY) : start])
    return match[1] if match else ""
