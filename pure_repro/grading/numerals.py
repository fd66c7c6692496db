r"""How a number is written: groups of digits, mixed numbers, powers of ten, bases, indices. Rules of ``normalise``."""

import re

from pure_repro.grading.vocabulary import NUMBER_WORDS

GROUPED = re.compile(r"(?<![\d.,^_/])(\d{1,3}(?: \d{3})+)(?! ?[\d/])")
SEPARATED = re.compile(r"(?<=\d)(?:,\\!\s*|\\!,\s*|\{,\}\s*|\\[,;: ]|~)(?=\d{3}(?!\d))")


def join_digit_groups(text: str) -> str:
    r"""Thousands separators that cannot be anything else. A plain comma can, so ``parse`` reads it both ways.

    Any other blank between two numbers stays: ``1 2`` is not 12.

    >>> join_digit_groups(r"11,\! 111,\! 100"), join_digit_groups("1{,}000"), join_digit_groups(r"1\,000")
    ('11111100', '1000', '1000')
    >>> join_digit_groups("x = 10 000"), join_digit_groups("1 2")
    ('x = 10000', '1 2')
    """
    text = GROUPED.sub(lambda number: number[1].replace(" ", ""), text)
    return SEPARATED.sub("", text)


MIXED = re.compile(r"(?<![\d.^_/])(\d+) +(?:(\d+) ?/ ?(\d+)|\((\d+)\)/\((\d+)\))(?![\d.^/]| *\d)")
FACTORS = re.compile(r"(?<![\d.])(\d+\.?\d*) +(?=\d+\.?\d*\s*\^)")


def mixed_numbers(text: str) -> str:
    r"""An integer, a blank and a proper fraction are their sum, wherever they stand; a number before a power, a factor.

    >>> mixed_numbers("3 1/2 cups"), mixed_numbers("2 3/2"), mixed_numbers("3 5^{2}")
    ('3\\frac{1}{2} cups', '2 3/2', '3\\cdot 5^{2}')
    """

    def as_sum(match: re.Match[str]) -> str:
        """The fraction in LaTeX; text that is no mixed number stays as it is."""
        above, below = match[2] or match[4], match[3] or match[5]
        proper = 0 < int(above) < int(below) and above[0] != "0" if len(above + below) < 40 else False
        return rf"{match[1]}\frac{{{above}}}{{{below}}}" if proper else match[0]

    return FACTORS.sub(r"\1\\cdot ", MIXED.sub(as_sum, text)) if " " in text else text


SCIENTIFIC = re.compile(
    r"(?<![a-zA-Z\\\d.])(\d+(?:\.\d*)?|\.\d+)[eE]([-+]?\d+)(?![\d.a-zA-Z(^]|\\(?!text|cdot|times|%))"
)
TIMES_TEN = re.compile(r"(?<=\d)\s*[xX]\s*(?=10\s*\^)")


def scientific_notation(text: str) -> str:
    r"""``1.5e-3`` and ``1.5 x 10^-3`` as a power of ten; ``4e`` and ``4e-2t`` stay products with Euler's number.

    >>> scientific_notation("4.5e33"), scientific_notation("1E-08"), scientific_notation("7p+4e")
    ('4.5\\cdot 10^{33}', '1\\cdot 10^{-08}', '7p+4e')
    """
    return SCIENTIFIC.sub(r"\1\\cdot 10^{\2}", TIMES_TEN.sub(r"\\cdot ", text))


PARENTHESISED = re.compile(r"(?<![\d.])(\d+\.)\((\d+)\)")
DOTS = r"(?:\.\.\.|\\[ldc]?dots(?![a-zA-Z])|…)"
GOES_ON = re.compile(rf"(?<![\d.])(\d*\.\d*?)(?:(\d)\2\2+|(\d\d+?)\3+){DOTS}")


def repeating_decimals(text: str) -> str:
    r"""``0.(3)`` and ``0.333...``, whose digits repeat before our eyes, with the period under a line.

    >>> repeating_decimals("0.(3)"), repeating_decimals("0.1666..."), repeating_decimals("3.14159...")
    ('0.\\overline{3}', '00.1\\overline{6}', '3.14159...')
    """
    if "." not in text:
        return text
    text = PARENTHESISED.sub(r"\1\\overline{\2}", text)
    return GOES_ON.sub(lambda match: rf"0{match[1]}\overline{{{match[2] or match[3]}}}", text)


LITERAL = re.compile(r"(?<![\da-zA-Z.])0([bxo])([0-9a-fA-F]+)(?![\da-zA-Z.])")
LITERAL_BASES = {"b": 2, "o": 8, "x": 16}
BASE_BEHIND = re.compile(r"(?<=[\dA-F)])\s*\\text\{\s*base\s*(?:\}\s*\{?(\w+)\}?|(\w+)\s*\})|(?<=[\dA-F]) +base +(\w+)")


def bases(text: str) -> str:
    r"""The base of a number as its index, however it is told.

    >>> bases(r"52\text{ base }8"), bases("52_{(8)}"), bases("0b101"), bases(r"52_{\text{eight}}")
    ('52_{8}', '52_{8}', '101_{2}', '52_{8}')
    """
    text = LITERAL.sub(lambda literal: f"{literal[2].upper()}_{{{LITERAL_BASES[literal[1]]}}}", text)
    if "_" not in text and "base" not in text:
        return text
    text = BASE_BEHIND.sub(lambda base: f"_{{{in_digits(base[1] or base[2] or base[3])}}}", text)
    text = re.sub(r"_\{\s*\((\d+)\)\s*\}", r"_{\1}", text)
    text = re.sub(r"_\{\s*\\text\{\s*base\s*(?:\}\s*(\d+)|(\d+)\s*\})\s*\}", r"_{\1\2}", text)
    words = re.compile(r"(?<=[\dA-F)])_\{\s*(?:\\text\{)?\s*(?:base )?([a-z]+)\s*\}(?:\s*\})?")
    return words.sub(lambda word: f"_{{{in_digits(word[1])}}}", text)


def in_digits(word: str) -> str:
    """A number word as digits, another word as it is."""
    return str(NUMBER_WORDS.get(word, word))


def number_in_words(words: str) -> str | None:
    """The digits of a whole number below a million in English words, ``None`` for other words.

    >>> number_in_words("one hundred and five"), number_in_words("twenty-two thousand"), number_in_words("east")
    ('105', '22000', None)
    """
    total = part = 0
    parts = [word for word in re.split(r"[\s-]+", words.lower()) if word != "and"]
    for word in parts:
        if word in ("hundred", "thousand") and part:
            part *= 100 if word == "hundred" else 1
            total, part = (total + part * 1000, 0) if word == "thousand" else (total, part)
        elif word in NUMBER_WORDS and (part == 0 or fits(part, NUMBER_WORDS[word])):
            part += NUMBER_WORDS[word]
        else:
            return None
    return str(total + part) if parts else None


def fits(part: int, value: int) -> bool:
    """Whether a number word may follow: a unit after tens, anything below a hundred after hundreds.

    >>> fits(20, 5), fits(5, 20), fits(300, 20)
    (True, False, True)
    """
    return value > 0 and (part % 100 == 0 or (part % 100 >= 20 and part % 10 == 0 and value < 10))
