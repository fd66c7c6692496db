r"""Words in and around an answer: conjunctions, labels, units, announcements. Rules of ``normalise``."""

import re

from pure_repro.grading.numerals import number_in_words
from pure_repro.grading.tex import outside_text
from pure_repro.grading.vocabulary import LABELS, MONEY, SHORT_NOUNS


def mark_degrees(text: str) -> str:
    r"""Every degree sign is ``\degree``, every percent sign ``\%``.

    >>> mark_degrees(r"90^{\circ}"), mark_degrees(r"90\text{ degrees}"), mark_degrees("8%")
    ('90\\degree ', '90\\degree ', '8\\%')
    """
    text = re.sub(r"(?:\{\s*\}\s*)?\^\{\s*\\circ\s*\}", r"\\degree ", text)
    text = re.sub(r"\\text\{\s*(?:degrees?|deg\.?)\s*\}", r"\\degree ", text)
    text = re.sub(r"(?<=[\d}) ])\s*degrees?(?![a-zA-Z])", r"\\degree ", text)
    text = re.sub(
        r"\\text\{\s*(?:percent|pct\.?|\\?%)\s*\}|(?<=[\d}) ])\s*(?:percent|pct\.?)(?![a-zA-Z])", r"\\%", text
    )
    return re.sub(r"(?<!\\)%", r"\\%", text)


def plain_indices(text: str) -> str:
    r"""Words as indices, without the font.

    >>> plain_indices(r"m_{\max }"), plain_indices(r"m_{\text{max}}")
    ('m_{max}', 'm_{max}')
    """
    if "_" not in text:
        return text
    text = re.sub(r"_\{\s*\\(max|min)\s*\}", r"_{\1}", text)
    return re.sub(r"_\{\s*\\text\{\s*([^{}]*?)\s*\}\s*\}", r"_{\1}", text)


OHMS = re.compile(r"(?<=\d) *(?:\\text\{\s*([kM])\s*\})?\s*\\Omega\s*$")
MICRO = re.compile(r"(?<=[\d ])\\mu\s*\\text\{\s*([a-zA-Z]+)\s*\}")
PREFIXED = re.compile(rf"(?:^|(?<=[=,(]))\s*({'|'.join(MONEY)})\.?\s*(?=\d)")


def symbols_as_units(text: str) -> str:
    r"""Units that are no words: ohms, micrometres, a currency in front of its amount.

    >>> symbols_as_units(r"5 \Omega"), symbols_as_units(r"3 \mu \text{m}"), symbols_as_units("USD 5")
    ('5\\text{ohm}', '3 \\text{um}', '\\text{USD}5')
    """
    text = PREFIXED.sub(r"\\text{\1}", text)
    if "\\" not in text:
        return text
    return MICRO.sub(r"\\text{u\1}", OHMS.sub(lambda ohms: rf"\text{{{ohms[1] or ''}ohm}}", text))


def lift_powers(text: str) -> str:
    r"""Exponents out of a unit's text.

    >>> lift_powers(r"\text{m s^{-1}}")
    '\\text{m s}^{-1}'
    """
    if r"\text" not in text:
        return text
    inside = re.compile(r"\\text\{([^{}]*?)\s*\^\{(-?\d+)\}")
    while inside.search(text):
        text = inside.sub(r"\\text{\1}^{\2}\\text{", text, count=1)
    return re.sub(r"\\text\{\s*\}", "", text)


WORD_BEFORE, WORD_BEHIND = re.compile(r"(?<![\\a-zA-Z])[a-zA-Z]{3,}\s*$"), re.compile(r"\s*[a-zA-Z]{3,}")
CONJUNCTION = re.compile(r"(?<![\\a-zA-Z])(or|and)(?![a-zA-Z])")


def mark_conjunctions(text: str) -> str:
    r"""``or`` and ``and`` between answers, as ``\lor`` and ``\land``; ``to`` between the parts of a ratio.

    Between two words they are words, as in ``salt and pepper``.

    >>> mark_conjunctions(r"1 \text{ to } 4")
    '1:4'

    >>> mark_conjunctions(r"2 \text{ or } 3"), mark_conjunctions("x and y"), mark_conjunctions("salt and pepper")
    ('2 \\lor  3', 'x \\land  y', 'salt and pepper')
    >>> mark_conjunctions(r"\pi or 2\pi"), mark_conjunctions("ab and cd"), mark_conjunctions("(1,2)or(3,4)")
    ('\\pi \\lor  2\\pi', 'ab \\land  cd', '(1,2)\\lor (3,4)')
    """
    text = re.sub(r"\\text\{[\s,]*(or|and)[\s,]*\}", r"\\l\1 ", text)
    text = re.sub(r"\\text\{\s*,\s*\}", ", ", text)
    text = re.sub(r"(?<=\d)\s*(?:\\text\{\s*to\s*\}|\bto\b)\s*(?=\d)", ":", text)
    return outside_text(text, between_answers) if "or" in text or "and" in text else text


def between_answers(text: str) -> str:
    """``mark_conjunctions`` for text without labels."""

    def mark(match: re.Match[str]) -> str:
        """A conjunction, unless it joins two words."""
        words = WORD_BEFORE.search(text, 0, match.start()) and WORD_BEHIND.match(text, match.end())
        return match[0] if words else rf"\l{match[1]} "

    return CONJUNCTION.sub(mark, text)


def join_text(text: str) -> str:
    r"""Words set one by one.

    >>> join_text(r"\text{two} \text{ lines}")
    '\\text{two lines}'
    """
    if r"\text" not in text:
        return text
    text = re.sub(r"\\text\{\s*(\\text\{[^{}]*\})\s*\}", r"\1", text)
    adjacent = re.compile(r"\\text\{\s*([^{}]*?)\s*\}\s*\\text\{\s*")
    while adjacent.search(text):
        text = adjacent.sub(r"\\text{\1 ", text, count=1)
    return text


def open_text(text: str) -> str:
    r"""Text that is no label: a number in words, mathematics set as text, a list.

    >>> open_text(r"\text{two}"), open_text(r"\text{5 cm}"), open_text(r"\text{A,C}"), open_text(r"\text{A and C}")
    ('2', '5 cm', '\\text{A}, \\text{C}', '\\text{A}, \\text{C}')
    """

    def replace(match: re.Match[str]) -> str:
        """What one label stands for."""
        words = match[1].strip(" ,")
        if number := number_in_words(words):
            return number
        if re.search(r"\d", words):
            return re.sub(r"(?<=\d)(?:st|nd|rd|th)(?![a-zA-Z])", "", words)
        listed = re.sub(r"^(\S{1,2}) (?:and|or) (\S{1,2})$", r"\1,\2", match[1])
        return ", ".join(rf"\text{{{word.strip()}}}" for word in listed.split(","))

    return re.sub(r"\\text\{([^{}]*)\}", replace, text) if r"\text" in text else text


ANNOUNCED = re.compile(
    r"^\s*(?:=(?!\s*=)|\\(?:Rightarrow|implies|therefore|to)(?![a-zA-Z])"
    r"|(?:thus|so|hence|therefore)\s*,|(?:the\s+)?(?:final\s+)?answer\s*(?:is\b|[:=]))\s*(?=\S)",
    re.IGNORECASE,
)


def drop_introduction(text: str) -> str:
    r"""Signs and words that announce an answer.

    >>> drop_introduction(r"\text{Area: }5"), drop_introduction("The answer is 5"), drop_introduction("= 5")
    ('5', '5', '5')
    """
    return re.sub(r"^\s*\\text\{[^{}]*(?:[:=]|\bis)\s*\}\s*(?=\S)", "", ANNOUNCED.sub("", text))


WORDS = r"[a-zA-Z]+\.?(?:[ /-]+[a-zA-Z]+\.?)*"
LABELLED = re.compile(rf"(.*[\d}})])\s*({WORDS})(\s*\^\{{\d\}})?")


def mark_plain_labels(text: str) -> str:
    r"""Units and other words after a number, written without ``\text``.

    >>> mark_plain_labels("5 cm"), mark_plain_labels("12 square inches"), mark_plain_labels("3 apples")
    ('5\\text{cm}', '12\\text{square inches}', '3\\text{apples}')
    >>> mark_plain_labels("5 m"), mark_plain_labels("2 xyz"), mark_plain_labels("22 men")
    ('5 m', '2 xyz', '22\\text{men}')
    """
    match = LABELLED.fullmatch(text)
    if not match:
        return text
    value, words, power = match.groups()
    parts = re.findall(r"[a-zA-Z]+", words)
    unit = len(words) > 1 and all(part in LABELS or part.lower() in LABELS for part in parts)
    label = text[len(value)] == " " and all(len(part) > 3 or part in SHORT_NOUNS for part in parts)
    return rf"{value}\text{{{words}}}{power or ''}" if unit or label else text
