r"""How an answer looks: signs of Unicode, delimiters, sizes, fonts, environments. Rules of ``normalise``."""

import re
import unicodedata

from pure_repro.grading.tex import TOKEN, closing_brace
from pure_repro.grading.vocabulary import (
    ENVIRONMENTS,
    FUNCTIONS,
    GREEK,
    LAYOUT_COMMANDS,
    STYLE_COMMANDS,
    SUBSCRIPTS,
    SUPERSCRIPTS,
    SYNONYMS,
    TEXT_COMMANDS,
    UNICODE,
)

ITALIC = {chr(code): unicodedata.normalize("NFKC", chr(code)) for code in range(0x1D400, 0x1D800)}  # and bold letters
UNICODE_TABLE = str.maketrans(UNICODE | {chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)} | ITALIC)
CONTROL = re.compile(r"[\s\x00-\x1f\x7f-\xa0\u2000-\u200f\u2028-\u202f\u205f-\u2064\u3000\ufeff]+")
RAISED = re.compile(f"[{''.join(SUPERSCRIPTS)}]+")
LOWERED = re.compile(f"[{''.join(SUBSCRIPTS)}]+")


def ascii_math(text: str) -> str:
    r"""Unicode mathematics as LaTeX; other control characters as blanks.

    >>> ascii_math("−2 ≤ x"), ascii_math("10⁻³"), ascii_math("x₁")
    ('-2 \\le x', '10^{-3}', 'x_{1}')
    """
    if text.isascii():
        return CONTROL.sub(" ", text)
    text = RAISED.sub(lambda run: "^{" + "".join(SUPERSCRIPTS[sign] for sign in run[0]) + "}", text)
    text = LOWERED.sub(lambda run: "_{" + "".join(SUBSCRIPTS[sign] for sign in run[0]) + "}", text)
    return CONTROL.sub(" ", text.translate(UNICODE_TABLE))


MARKED_UP = re.compile(r"\s*(\*\*|\*|`+|\"|')\s*(.+?)\s*\1\s*\.?\s*", re.DOTALL)
KNOWN = sorted({*FUNCTIONS, *GREEK, *(name[1:] for name in SYNONYMS), "frac", "sqrt", "text", "pi", "times", "infty"})
DOUBLED = re.compile(rf"\\\\(?=(?:{'|'.join(name for name in KNOWN if len(name) > 1)})(?![a-zA-Z]))")


def drop_markup(text: str) -> str:
    r"""Marks of a document around the answer, and backslashes that a program doubled.

    >>> drop_markup("**5**"), drop_markup("`x`"), drop_markup(r"\\frac{1}{2}")
    ('5', 'x', '\\frac{1}{2}')
    """
    while match := MARKED_UP.fullmatch(text):
        text = match[2]
    return text if r"\begin" in text else DOUBLED.sub(r"\\", text)


def drop_delimiters(text: str) -> str:
    r"""Math delimiters. A single unescaped dollar before a number is money.

    >>> drop_delimiters("$x$"), drop_delimiters(r"\(x\)"), drop_delimiters("$18.90")
    ('x', 'x', '\\$18.90')
    >>> drop_delimiters(r"\text{$\frac12$}")
    '\\frac12'
    """
    if "$" not in text and r"\(" not in text and r"\[" not in text:
        return text
    text = re.sub(r"\\(?:text|textbf|mbox)\s*\{\s*\$([^$]*)\$\s*\}", r"\1", text)
    if len(re.findall(r"(?<!\\)\$", text)) % 2:
        text = re.sub(r"(?<!\\)\$(?=\s*\.?\d)", r"\\$", text, count=1)
    return re.sub(r"(?<!\\)(?:\$|\\[()\[\]])", "", text)


SYSTEM = re.compile(
    rf"(?:\\left\s*)?(?:\\\{{\s*)?\\begin\{{({'|'.join(map(re.escape, ENVIRONMENTS))}|array)\}}(?:\{{[clr|\s]*\}})?"
    r"(.*?)\\end\{\1\}",
    re.DOTALL,
)
SIGN = r"(?:=|<|>|\\leq?|\\geq?|\\in)(?![a-zA-Z])"


def open_systems(text: str) -> str:
    r"""Equations one below the other as a list. Cases with a condition each are no list.

    >>> open_systems(r"\begin{cases} x=1 \\ y&=2 \end{cases}")
    ' x=1 , y=2 '
    """
    if r"\begin" not in text:
        return text

    def listed(match: re.Match[str]) -> str:
        """The rows with commas between them, where each of them is a relation."""
        rows = [row.strip() for row in re.split(r"\\\\(?:\s*\[[^\]]*\])?", match[2]) if row.strip(" ,")]
        relations = all(
            re.search(SIGN, row.split(r"\text")[0]) and not re.search(rf"&(?!\s*(?:{SIGN}|$))(?<!{'='}&)", row)
            for row in rows
        )
        if not relations and (match[1] in ("cases", "array") or "&" in match[2]):
            return match[0]
        return " " + " , ".join(row.replace("&", "").rstrip(" ,;") for row in rows) + " "

    return SYSTEM.sub(listed, text)


LAYOUT = re.compile(
    rf"\\(?:left|right)\s*\.|\\h?phantom\s*\{{[^{{}}]*\}}|\\hspace\*?\s*\{{[^{{}}]*\}}|\\(?:tag|label)\*?\s*\{{[^{{}}]*\}}"
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
    if "[" not in text and "]" not in text:
        return text
    pieces = re.split(r"(\\(?:cup|cap|setminus)(?![a-zA-Z]))", text)
    for i, piece in enumerate(pieces):
        if match := TURNED.fullmatch(piece):
            before, opening, ends, closing, after = match.groups()
            pieces[i] = (
                before + ("(" if opening == "]" else opening) + ends + (")" if closing == "[" else closing) + after
            )
    return "".join(pieces)


TEXT = re.compile(rf"\\(?:text|{'|'.join(TEXT_COMMANDS)})\*?\s*(?=\{{)")
STYLES = "|".join(STYLE_COMMANDS)
NORM = re.compile(rf"(?:\||\\[lr]?[vV]ert)\s*\\(?:{STYLES})\s*\{{?\s*([a-zA-Z])\s*\}}?\s*(?:\||\\[lr]?[vV]ert)")
UNIT_VECTOR = re.compile(
    r"\\(?:mathbf|vec|hat|boldsymbol|bm|bf)\s*(?:\{\s*\\?([ijk])(?:math)?\s*\}|\s([ijk])(?![a-zA-Z]))"
)
STYLED_NAME = re.compile(rf"\\(?:{STYLES})\s*\{{\s*([a-zA-Z]|[A-Z]{{2}}|\\(?:{'|'.join(GREEK)}))\s*\}}")
STYLE = re.compile(rf"\\(?:{STYLES})(?![a-zA-Z])\s*")
NAMED_FUNCTION = re.compile(rf"\\(?:operatorname\*?|mathrm|text)\s*\{{\s*({'|'.join(FUNCTIONS)})\s*\}}")
UPRIGHT = re.compile(
    r"(?<=.)\\(?:mathrm|text)\s*\{\s*([eixyz])\s*\}|\\(?:mathrm|text)\s*\{\s*([eixyz])\s*\}(?=.)", re.DOTALL
)
MATRIX = re.compile(r"\\(begin|end)\s*\{(?:[pbB]?matrix|smallmatrix|array)\}(?:\s*\{[clr|\s]*\})?")


def unify_commands(text: str) -> str:
    r"""One name per command; text in any font is ``\text``, mathematics in any font is itself.

    >>> unify_commands(r"\dfrac{1}{2} \leqslant \mathrm{cm} \mathbf{v}")
    '\\frac{1}{2} \\le \\text{cm} v'
    >>> unify_commands(r"\mathbf{i}+2\vec{j}"), unify_commands(r"|\vec{v}|"), unify_commands(r"3\text{e}^2")
    ('\\hat{i}+2\\hat{j}', '\\|v\\|', '3e^2')
    """
    if "\\" not in text:
        return text
    text = NORM.sub(r"\\|\1\\|", NAMED_FUNCTION.sub(r"\\\1 ", text))
    text = re.sub(r"\\not\s*=", r"\\neq ", text)
    text = re.sub(r"\\mathrm\s*\{\s*d\s*\}", "d", UPRIGHT.sub(r"\1\2", text))
    text = re.sub(r"\\text\s*\{\s*(\\\$|\\%)\s*\}", r"\1", text)
    if any((unit[1] or unit[2]) in "jk" for unit in UNIT_VECTOR.finditer(text)):
        text = UNIT_VECTOR.sub(lambda unit: rf"\hat{{{unit[1] or unit[2]}}}", text)
    text = re.sub(r"\\mathbb\s*\{?\s*([A-Z])\s*\}?", r"\\mathbb{\1}", TEXT.sub(r"\\text", text))
    text = MATRIX.sub(r"\\\1{pmatrix}", STYLE.sub("", STYLED_NAME.sub(r"\1", text)))
    text = re.sub(r"\^\s*\{?((?:\s*\\prime)+)\s*\}?", lambda match: "'" * match[1].count("prime"), text)
    return re.sub(r"\\[a-zA-Z]+", lambda match: SYNONYMS.get(match[0], match[0]), text)


INFIX = re.compile(r"\\(over|choose)(?![a-zA-Z])")


def infix_commands(text: str) -> str:
    r"""``{a \over b}`` and ``{n \choose k}`` with the command in front.

    >>> infix_commands(r"3 + {1 \over \sqrt{2}}"), infix_commands(r"{n \choose k}")
    ('3 + \\frac{1}{\\sqrt{2}}', '\\binom{n}{k}')
    """
    while match := INFIX.search(text):
        start, end = enclosing_braces(text, match.start())
        above, below = text[start : match.start()].strip(), text[match.end() : end].strip()
        command = r"\frac" if match[1] == "over" else r"\binom"
        text = f"{text[: max(start - 1, 0)]}{command}{{{above}}}{{{below}}}{text[end + 1 :]}"
    return text


def enclosing_braces(text: str, at: int) -> tuple[int, int]:
    """Where the inside of the innermost group around a place begins and ends; the whole text where there is none."""
    opened = [0]
    for token in TOKEN.finditer(text, 0, at):
        if token[0] == "{":
            opened.append(token.end())
        elif token[0] == "}" and len(opened) > 1:
            opened.pop()
    start = opened[-1]
    end = closing_brace(text, start - 1) if len(opened) > 1 else None
    return start, len(text) if end is None else end


ENDING = re.compile(r"(?:\s|,|;|\.|\\\\|\\(?:blacksquare|square|Box|checkmark|qed)(?![a-zA-Z]))+$")


def trim_punctuation(text: str) -> str:
    r"""Outer blanks, empty groups, and what ends a sentence or a proof.

    >>> trim_punctuation(" 5. "), trim_punctuation(r"x=5,\\"), trim_punctuation(r"{}^2\{\}"), trim_punctuation("{5.}")
    ('5', 'x=5', '^2\\{\\}', '{5}')
    """
    text = ENDING.sub("", re.sub(r"(?<!\\)\{\s*\}", "", text).lstrip(" ,;"))
    if text.startswith("{") and closing_brace(text, 0) == len(text) - 1:  # the box, say, in which it was
        return f"{{{ENDING.sub('', text[1:-1])}}}"
    return text
