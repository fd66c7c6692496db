r"""Many ways to write an answer, one canonical LaTeX: a list of small named rules, applied in order.

No rule computes anything. What a rule drops is layout (``\left``, ``\,``, ``$``); what it rewrites has one
meaning (``\tfrac12`` is ``\frac{1}{2}``). What has several meanings is left to ``parse``, which keeps them all.
"""

import re
from collections.abc import Callable
from functools import lru_cache

from pure_repro.grading.tex import CLOSERS, OPENERS, TOKEN, Unparsable, closing_brace, closing_bracket
from pure_repro.grading.vocabulary import (
    FUNCTIONS,
    LABELS,
    LAYOUT_COMMANDS,
    NUMBER_WORDS,
    STYLE_COMMANDS,
    SYNONYMS,
    TEXT_COMMANDS,
    UNICODE,
)

LONGEST = 2_000  # characters; the longest reference of the six benchmarks has 348
DEEPEST = 40  # nested brackets

Rule = Callable[[str], str]


UNICODE_TABLE = str.maketrans(UNICODE)
CONTROL = re.compile(r"[\s\x00-\x1f\x7f-\xa0\u200b-\u200f\u2028\u2029\ufeff]+")


def ascii_math(text: str) -> str:
    r"""Unicode mathematics as LaTeX; other control characters as blanks.

    >>> ascii_math("−2 ≤ x")
    '-2 \\le x'
    """
    return CONTROL.sub(" ", text.translate(UNICODE_TABLE))


def join_digit_groups(text: str) -> str:
    r"""Thousands separators that cannot be anything else. A plain comma can, so ``parse`` reads it both ways.

    >>> join_digit_groups(r"11,\! 111,\! 100"), join_digit_groups("1{,}000"), join_digit_groups(r"1\,000")
    ('11111100', '1000', '1000')
    """
    if re.fullmatch(r"\s*[-+]?\d{1,3}(?: \d{3})+\s*", text):
        return text.replace(" ", "")
    return re.sub(r"(?<=\d)(?:,\\!\s*|\\!,\s*|\{,\}\s*|\\,|\\ |~)(?=\d{3}(?!\d))", "", text)


def drop_delimiters(text: str) -> str:
    r"""Math delimiters. A single unescaped dollar before a number is money.

    >>> drop_delimiters("$x$"), drop_delimiters(r"\(x\)"), drop_delimiters("$18.90")
    ('x', 'x', '\\$18.90')
    >>> drop_delimiters(r"\text{$\frac12$}")
    '\\frac12'
    """
    text = re.sub(r"\\(?:text|textbf|mbox)\s*\{\s*\$([^$]*)\$\s*\}", r"\1", text)
    if len(re.findall(r"(?<!\\)\$", text)) % 2:
        text = re.sub(r"(?<!\\)\$(?=\s*\.?\d)", r"\\$", text, count=1)
    return re.sub(r"(?<!\\)(?:\$|\\[()\[\]])", "", text)


LAYOUT = re.compile(
    rf"\\(?:left|right)\s*\.|\\h?phantom\s*\{{[^{{}}]*\}}|\\hspace\*?\s*\{{[^{{}}]*\}}"
    rf"|\\(?:{'|'.join(LAYOUT_COMMANDS)})(?![a-zA-Z])|\\(?:text)?color\s*\{{[a-zA-Z]+\}}|(?<!\\)\\[,;:!> ]|~"
)


def drop_layout(text: str) -> str:
    r"""Sizes, spaces, boxes and colours: they change how an answer looks, not what it says.

    >>> drop_layout(r"\left( 3,\, 4 \right)"), drop_layout(r"\color{red}{9{:}30}")
    (' ( 3,  4  )', ' {9:30}')
    """
    return LAYOUT.sub(" ", text).replace("{:}", ":")


TURNED = re.compile(r"((?:.*\\in)?\s*)([(\[\]])([^()\[\],;]+[,;][^()\[\]]+)([)\[\]])(\s*)")


def turn_brackets(text: str) -> str:
    r"""Open ends of intervals as the French write them, with the bracket turned away.

    >>> turn_brackets("[0,1["), turn_brackets(r"x \in ]-1,0[ \cup [1,2]"), turn_brackets("[1,2],[3,4]")
    ('[0,1)', 'x \\in (-1,0) \\cup [1,2]', '[1,2],[3,4]')
    """
    pieces = re.split(r"(\\(?:cup|cap|setminus)(?![a-zA-Z]))", text)
    for i, piece in enumerate(pieces):
        if match := TURNED.fullmatch(piece):
            before, opening, ends, closing, after = match.groups()
            pieces[i] = (
                before + ("(" if opening == "]" else opening) + ends + (")" if closing == "[" else closing) + after
            )
    return "".join(pieces)


TEXT = re.compile(rf"\\(?:text|{'|'.join(TEXT_COMMANDS)})\*?\s*(?=\{{)")
STYLE = re.compile(rf"\\(?:{'|'.join(STYLE_COMMANDS)})(?![a-zA-Z])\s*")
NAMED_FUNCTION = re.compile(rf"\\(?:operatorname\*?|mathrm|text)\s*\{{\s*({'|'.join(FUNCTIONS)})\s*\}}")
MATRIX = re.compile(r"\\(begin|end)\s*\{(?:[pbB]?matrix|smallmatrix|array)\}(?:\s*\{[clr|\s]*\})?")


def unify_commands(text: str) -> str:
    r"""One name per command; text in any font is ``\text``, mathematics in any font is itself.

    >>> unify_commands(r"\dfrac{1}{2} \leqslant \mathrm{cm} \mathbf{v}")
    '\\frac{1}{2} \\le \\text{cm} {v}'
    """
    text = re.sub(r"\\mathrm\s*\{\s*([eid])\s*\}", r"\1", NAMED_FUNCTION.sub(r"\\\1 ", text))
    text = re.sub(r"\{([^{}]*)\\choose(?![a-zA-Z])([^{}]*)\}", r"\\binom{\1}{\2}", text)
    text = STYLE.sub("", TEXT.sub(r"\\text", text))
    text = MATRIX.sub(r"\\\1{pmatrix}", re.sub(r"\\mathbb\s*\{?\s*R\s*\}?", r"\\mathbb{R}", text))
    text = re.sub(r"\^\s*\{?((?:\s*\\prime)+)\s*\}?", lambda match: "'" * match[1].count("prime"), text)
    return re.sub(r"\\[a-zA-Z]+", lambda match: SYNONYMS.get(match[0], match[0]), text)


PLAIN = "|".join([*FUNCTIONS, "sqrt", "pi", "infty", "theta", "alpha", "beta", "lambda"])


def plain_programs(text: str) -> str:
    r"""Mathematics written as a program or a keyboard would: ``**``, ``>=``, ``sqrt(2)``, ``pi``.

    >>> plain_programs("2*sqrt(3)"), plain_programs("x**2 >= pi")
    ('2\\cdot \\sqrt{3}', 'x^2 \\ge  \\pi ')
    """
    text = re.sub(r"(?<![a-zA-Z\\])(?:np|math|sp|sympy)\.(?=[a-z])", "", text)
    for plain, latex in (("**", "^"), ("*", r"\cdot "), (">=", r"\ge "), ("<=", r"\le "), ("!=", r"\neq ")):
        text = text.replace(plain, latex)
    if r"\text{" not in text:
        text = re.sub(rf"(?<![a-zA-Z\\{{])({PLAIN})(?![a-zA-Z])", r"\\\1 ", text)
        text = re.sub(r"(?<![a-zA-Z\\])(?:infinity|inf|oo)(?![a-zA-Z])", r"\\infty ", text)
    return brace_root(text)


def brace_root(text: str) -> str:
    r"""``\sqrt(x)`` as ``\sqrt{x}``.

    >>> brace_root(r"\sqrt((2+x))y")
    '\\sqrt{(2+x)}y'
    """
    for match in reversed(list(re.finditer(r"\\sqrt\s*\(", text))):
        end = closing_bracket(text, match.end() - 1)
        if end is not None:
            text = rf"{text[: match.start()]}\sqrt{{{text[match.end() : end]}}}{text[end + 1 :]}"
    return text


ARGUMENTS = {r"\frac": 2, r"\binom": 2, r"\sqrt": 1, "^": 1, "_": 1}
ROOT_INDEX = re.compile(r"\s*\[([^\[\]]*)\]")
DIGITS = re.compile(r"-?\d+")


def brace_arguments(text: str) -> str:
    r"""Braces around every argument: ``\frac12``, ``\sqrt2``, ``x^10``, ``\log_2``.

    TeX takes one character as an argument; writers of ``\sqrt13`` and ``x^10`` mean the whole number, so a root,
    a power and an index take all digits. ``\frac`` takes one character, as TeX does.

    >>> brace_arguments(r"\frac12"), brace_arguments(r"\frac{270}7"), brace_arguments(r"\sqrt2 x^10")
    ('\\frac{1}{2}', '\\frac{270}{7}', '\\sqrt{2} x^{10}')
    """
    return braced(text, DEEPEST)


def braced(text: str, depth: int) -> str:
    """``brace_arguments`` for arguments that nest up to ``depth`` deep."""
    out, i = "", 0
    while i < len(text):
        piece, i = braced_token(text, i, depth)
        out += piece
    return out


def braced_token(text: str, i: int, depth: int) -> tuple[str, int]:
    """The token at ``i`` with its arguments, braced, and where it ends."""
    token = TOKEN.match(text, i)[0]  # type: ignore[index]  # matches any character
    i += len(token)
    if token == r"\sqrt" and (index := ROOT_INDEX.match(text, i)):
        token += f"[{index[1].strip()}]"
        i = index.end()
    for _ in range(ARGUMENTS.get(token.split("[")[0], 0)):
        argument, i = braced_argument(text, i, depth - 1, digits=token != r"\frac" and token != r"\binom")
        token += argument
    return token, i


def braced_argument(text: str, i: int, depth: int, digits: bool) -> tuple[str, int]:
    r"""The argument at or after ``i`` in braces, and where it ends.

    Raises ``Unparsable`` where there is none, or arguments of arguments nest too deep (``\sqrt\sqrt\sqrt…``).
    """
    if not depth:
        raise Unparsable(f"nests deeper than {DEEPEST} arguments")
    while text[i : i + 1] == " ":
        i += 1
    if i == len(text):
        raise Unparsable("an argument is missing")
    if text[i] == "{":
        end = closing_brace(text, i)
        if end is None:
            raise Unparsable("a brace is not closed")
        return "{" + braced(text[i + 1 : end], depth).strip() + "}", end + 1
    if digits and (number := DIGITS.match(text, i)):
        return "{" + number[0] + "}", number.end()
    if text[i] in "^_":
        raise Unparsable("an argument is missing")
    token, end = braced_token(text, i, depth)
    return "{" + token + "}", end


def mark_degrees(text: str) -> str:
    r"""Every degree sign is ``\degree``, every percent sign ``\%``.

    >>> mark_degrees(r"90^{\circ}"), mark_degrees(r"90\text{ degrees}"), mark_degrees("8%")
    ('90\\degree ', '90\\degree ', '8\\%')
    """
    text = re.sub(r"(?:\{\s*\}\s*)?\^\{\s*\\circ\s*\}", r"\\degree ", text)
    text = re.sub(r"\\text\{\s*(?:degrees?|deg\.?)\s*\}", r"\\degree ", text)
    text = re.sub(r"(?<=[\d}) ])\s*degrees?(?![a-zA-Z])", r"\\degree ", text)
    text = re.sub(r"\\text\{\s*(?:percent|\\?%)\s*\}|(?<=[\d}) ])\s*percent(?![a-zA-Z])", r"\\%", text)
    return re.sub(r"(?<!\\)%", r"\\%", text)


def plain_indices(text: str) -> str:
    r"""Words as indices, without the font.

    >>> plain_indices(r"101_{\text{base }2}"), plain_indices(r"101_{\text{base 2}}")
    ('101_{2}', '101_{2}')
    >>> plain_indices(r"m_{\max }"), plain_indices(r"m_{\text{max}}"), plain_indices(r"52_{\text{eight}}")
    ('m_{max}', 'm_{max}', '52_{8}')
    """
    text = re.sub(r"_\{\s*\\(max|min)\s*\}", r"_{\1}", text)
    text = re.sub(r"_\{\s*\\text\{\s*base\s*(?:\}\s*(\d+)|(\d+)\s*\})\s*\}", r"_{\1\2}", text)
    words = r"_\{\s*\\text\{\s*([^{}]*?)\s*\}\s*\}"
    return re.sub(words, lambda match: f"_{{{NUMBER_WORDS.get(match[1], match[1])}}}", text)


SCIENTIFIC = re.compile(
    r"(?<![a-zA-Z\\\d.])(\d+(?:\.\d*)?|\.\d+)[eE]([-+]?\d+)(?![\d.a-zA-Z(^]|\\(?!text|cdot|times|%))"
)


def scientific_notation(text: str) -> str:
    r"""``1.5e-3`` as a power of ten; ``4e`` and ``4e-2t`` stay products with Euler's number.

    >>> scientific_notation("4.5e33"), scientific_notation("1E-08"), scientific_notation("7p+4e")
    ('4.5\\cdot 10^{33}', '1\\cdot 10^{-08}', '7p+4e')
    """
    return SCIENTIFIC.sub(r"\1\\cdot 10^{\2}", text)


def lift_powers(text: str) -> str:
    r"""Exponents out of a unit's text.

    >>> lift_powers(r"\text{m s^{-1}}")
    '\\text{m s}^{-1}'
    """
    inside = re.compile(r"\\text\{([^{}]*?)\s*\^\{(-?\d+)\}")
    while inside.search(text):
        text = inside.sub(r"\\text{\1}^{\2}\\text{", text, count=1)
    return re.sub(r"\\text\{\s*\}", "", text)


def mark_conjunctions(text: str) -> str:
    r"""``or`` and ``and`` between answers, as ``\lor`` and ``\land``; ``to`` between the parts of a ratio.

    >>> mark_conjunctions(r"1 \text{ to } 4")
    '1:4'

    >>> mark_conjunctions(r"2 \text{ or } 3"), mark_conjunctions("x and y"), mark_conjunctions("salt and pepper")
    ('2 \\lor  3', 'x \\land  y', 'salt and pepper')
    """
    text = re.sub(r"\\text\{[\s,]*(or|and)[\s,]*\}", r"\\l\1 ", text)
    text = re.sub(r"(?<=\d)\s*(?:\\text\{\s*to\s*\}|\bto\b)\s*(?=\d)", ":", text)
    return re.sub(r"(?<![a-zA-Z]{2})\s+(or|and)\s+(?![a-zA-Z]{2})", r" \\l\1  ", text)


def join_text(text: str) -> str:
    r"""Words set one by one.

    >>> join_text(r"\text{two} \text{ lines}")
    '\\text{two lines}'
    """
    text = re.sub(r"\\text\{\s*(\\text\{[^{}]*\})\s*\}", r"\1", text)
    adjacent = re.compile(r"\\text\{\s*([^{}]*?)\s*\}\s*\\text\{\s*")
    while adjacent.search(text):
        text = adjacent.sub(r"\\text{\1 ", text, count=1)
    return text


def open_text(text: str) -> str:
    r"""Text that is no label: a number in words, mathematics set as text, a list.

    >>> open_text(r"\text{two}"), open_text(r"\text{5 cm}"), open_text(r"\text{A,C}")
    ('2', '5 cm', '\\text{A}, \\text{C}')
    """

    def replace(match: re.Match[str]) -> str:
        """What one label stands for."""
        words = match[1].strip(" ,")
        if words.lower() in NUMBER_WORDS:
            return NUMBER_WORDS[words.lower()]
        if re.search(r"\d", words):
            return words
        return ", ".join(rf"\text{{{word.strip()}}}" for word in match[1].split(","))

    return re.sub(r"\\text\{([^{}]*)\}", replace, text)


def drop_introduction(text: str) -> str:
    r"""Words that announce an answer.

    >>> drop_introduction(r"\text{Area: }5"), drop_introduction("The answer is 5"), drop_introduction("answer: 5")
    ('5', '5', '5')
    """
    text = re.sub(r"^\s*(?:the\s+)?(?:final\s+)?answer\s*(?:is\b|[:=])\s*(?=\S)", "", text, flags=re.IGNORECASE)
    return re.sub(r"^\s*\\text\{[^{}]*(?:[:=]|\bis)\s*\}\s*(?=\S)", "", text)


WORDS = r"[a-zA-Z]+\.?(?:[ /-]+[a-zA-Z]+\.?)*"
LABELLED = re.compile(rf"(.*[\d}})])\s*({WORDS})(\s*\^\{{\d\}})?")


def mark_plain_labels(text: str) -> str:
    r"""Units and other words after a number, written without ``\text``.

    >>> mark_plain_labels("5 cm"), mark_plain_labels("12 square inches"), mark_plain_labels("3 apples")
    ('5\\text{cm}', '12\\text{square inches}', '3\\text{apples}')
    >>> mark_plain_labels("5 m"), mark_plain_labels("2 xyz")
    ('5 m', '2 xyz')
    """
    match = LABELLED.fullmatch(text)
    if not match:
        return text
    value, words, power = match.groups()
    parts = re.findall(r"[a-zA-Z]+", words)
    unit = len(words) > 1 and all(part in LABELS or part.lower() in LABELS for part in parts)
    label = text[len(value)] == " " and all(len(part) > 3 for part in parts)
    return rf"{value}\text{{{words}}}{power or ''}" if unit or label else text


def trim_punctuation(text: str) -> str:
    r"""Outer blanks, empty groups, and what ends a sentence.

    >>> trim_punctuation(" 5. "), trim_punctuation("x=5,"), trim_punctuation(r"{}^2\{\}")
    ('5', 'x=5', '^2\\{\\}')
    """
    text = re.sub(r"(?<!\\)\{\s*\}", "", text).lstrip(" ,;")
    while text.endswith((" ", ".", ",", ";")) and text[-2:-1] != "\\":
        text = text[:-1]
    return text


RULES: tuple[Rule, ...] = (
    ascii_math,
    join_digit_groups,
    drop_delimiters,
    drop_layout,
    turn_brackets,
    unify_commands,
    plain_programs,
    scientific_notation,
    brace_arguments,
    mark_degrees,
    plain_indices,
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
