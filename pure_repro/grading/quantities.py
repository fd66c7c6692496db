r"""Single quantities: a number with its unit, in another base, a time of day, a ratio."""

import re

from pure_repro.grading.nodes import Based, Leaf, Node, Ratio, TimeOfDay
from pure_repro.grading.tex import CLOSERS, OPENERS, TOKEN, Unparsable, split_top, without_blanks
from pure_repro.grading.units import canonical_unit
from pure_repro.grading.vocabulary import MONEY

GROUPS = re.compile(r"(?<![\d.,])(\d{1,3}(?:,\d{3})+)(?![\d,])")


def join_groups(latex: str) -> str:
    r"""Numbers with plain commas in one, outside of brackets that may hold a list; braces hold arguments.

    >>> join_groups("1,000(1.05)^{10}"), join_groups("(20,100)"), join_groups(r"\sqrt{1,200}")
    ('1000(1.05)^{10}', '(20,100)', '\\sqrt{1200}')
    """
    if not GROUPS.search(latex):
        return latex
    depths, depth = {}, 0
    for token in TOKEN.finditer(latex):
        depths[token.start()] = depth
        if token[0] not in "{}":
            depth += (token[0] in OPENERS) - (token[0] in CLOSERS)
    return GROUPS.sub(lambda number: number[0] if depths[number.start()] > 0 else number[0].replace(",", ""), latex)


BASED = re.compile(r"(-?)(?:\(([0-9A-Z]+)\)|([0-9A-Z]*[0-9][0-9A-Z]*|[A-F]+(?=_\{16\})))_\{(\d{1,2})\}")


def based(latex: str) -> Node | None:
    """A number in another base; base ten is the number itself.

    >>> based("2516_{8}"), based("12_{10}"), based("x_{1}")
    (Based(digits='2516', base=8), Leaf(latex='12', unit=''), None)
    """
    if "_" not in latex:
        return None
    capitals = re.sub(r"\\text\{([0-9a-fA-F]+)\}(?=_)", lambda digits: digits[1].upper(), without_blanks(latex))
    match = BASED.fullmatch(capitals)
    if not match:
        return None
    digits, base = match[1] + ((match[2] or match[3]).lstrip("0") or "0"), int(match[4])
    if base == 10:
        return Leaf(digits)
    try:
        int(digits, base)
    except ValueError:
        raise Unparsable(f"{digits} is no number in base {base}") from None
    return Based(digits, base)


CLOCK = re.compile(r"(\d{1,2})(?:\s*:\s*(\d{2})(?:\s*:\s*(\d{2}))?)?\s*(?:([ap])\.?\s*m\.?)?", re.IGNORECASE)


def clock(latex: str) -> Node | None:
    r"""What is written like a time of day: ``9:24``, ``8:34 p.m.``, ``9 a.m.``

    >>> clock(r"8:34 \text{ p.m.}"), clock("9"), clock("2:8")
    (TimeOfDay(hour=8, minute=34, second=0, half='p'), None, None)
    """
    match = CLOCK.fullmatch(re.sub(r"\\text\{([^{}]*)\}", r" \1 ", latex).strip())
    if not match or not (match[2] or match[4]):
        return None
    hour, minute, second = (int(part or 0) for part in match.groups()[:3])
    half = (match[4] or "").lower()
    if half and (hour > 24 or minute > 59 or second > 59):
        return None
    return TimeOfDay(hour, minute, second, half)


def ratio(latex: str) -> Node | None:
    """``a : b``.

    >>> len(ratio("3 : 2 : 1").parts)
    3
    """
    pieces, found = split_top(latex, {":"})
    return Ratio(tuple(leaf(piece) for piece in pieces)) if found else None


AMOUNT = re.compile(rf"(-?)\s*(?:\\\$|\\text\{{({'|'.join(MONEY)})\.?\}})\s*(?=[-\d.\\])")
TRIGONOMETRY = re.compile(r"\\(?:sin|cos|tan|cot|sec|csc|cis)")
LABEL = re.compile(r"(?:/\s*|\\cdot\s*)?(?:\\text\{[^{}]*\}|\\degree|\\%|\\\$)")
MODULO = re.compile(r"(.*?)\(?\s*\\[pb]?mod\s*(?:\{\s*(\d+)\s*\}|(\d+))\s*\)?")
SIGNS = {r"\degree": "°", r"\%": "%", r"\$": "$^1"}


def leaf(latex: str) -> Leaf:
    r"""An expression and its unit.

    >>> leaf(r"5.4 \text{ cents}"), leaf(r"90\degree"), leaf(r"9 \text{ multiples}"), leaf(r"3 \pmod{7}").unit
    (Leaf(latex='5.4', unit='cent^1'), Leaf(latex='90', unit='°'), Leaf(latex='9', unit='?multiple'), 'mod7^1')
    """
    unit = ""
    if money := AMOUNT.match(latex):
        unit = canonical_unit(money[2] or "$")
        latex = money[1] + latex[money.end() :]
    if "mod" in latex and (modulo := MODULO.fullmatch(latex)):
        latex, unit = modulo[1], f"mod{modulo[2] or modulo[3]}^1"
    if start := first_label(latex):
        latex, label = latex[:start].strip(), latex[start:].strip()
        sign = r"\%" if label.startswith(r"\%") else without_blanks(label)  # percent of something is percent
        unit = SIGNS.get(sign, "") or canonical_unit(label) or unit
    compact = without_blanks(join_groups(latex))
    if not compact or r"\text" in compact or '"' in compact:
        raise Unparsable("words in an expression")
    if " " in compact and re.search(r"\d [\d.]", compact):
        raise Unparsable("two numbers side by side")
    return Leaf(compact.removeprefix("+"), unit)


def first_label(latex: str) -> int:
    """Where the unit at the end of an expression begins; 0 where there is none. Degrees of an angle are no unit."""
    depth = 0
    for match in re.finditer(r"\\[{}]|[{}]|" + LABEL.pattern, latex):
        token = match[0]
        of_an_angle = token == r"\degree" and TRIGONOMETRY.search(latex[: match.start()])
        outside = depth == 0 and match.start() and LABEL.fullmatch(token)
        if outside and not of_an_angle and ends_with_label(latex[match.start() :]):
            return match.start()
        depth += (token == "{") - (token == "}")
    return 0


def ends_with_label(latex: str) -> bool:
    """Whether nothing but units follows."""
    return not re.sub(LABEL.pattern + r"|\^\{-?\d\}|[/\s]|\\cdot|(?<![a-zA-Z])[a-zA-Z]{1,3}(?![a-zA-Z])", "", latex)
