r"""The rules that PURE's and most Qwen-based published numbers were graded with, so that those can be compared.

The behaviour of the Qwen2.5-Math evaluation harness (``evaluation/parser.py`` and ``evaluation/grader.py``, which
PURE's ``eval/`` uses too) in our own code: the last number where there is no box, answers within 0.01 % or off by a
factor of 100 accepted, units and brackets ignored. Two things differ on purpose. Where the harness tries three
parsers, one of which runs text as Python, there is one, ``sympy_algebra``; and Minerva's answers lose their unit
words like all others.
"""

import math
import re

from pure_repro.grading.arguments import brace_arguments
from pure_repro.grading.compare import Algebra
from pure_repro.grading.published_words import NUMBER_WORDS, UNIT_WORDS
from pure_repro.grading.tex import Unparsable
from pure_repro.grading.verdict import Verdict

RELATIVE_TOLERANCE = 1e-4
LAST_NUMBER = re.compile(r"-?\d*\.?\d+")
LONGEST = 2_000  # characters of an answer that rules are applied to; a longer one is compared as it stands
JOINING = re.compile(r"\\[,;:! ]|\\q?quad(?![a-zA-Z])|(?<=\d),(?=\d{3}(?!\d))")
UNITS = [(word, re.compile(rf"(^|\W){word}($|\W)")) for word in UNIT_WORDS]


def extract(response: str) -> str | None:
    r"""The harness's answer: a phrase of few-shot prompts, the last box, "answer is", else the last number.

    >>> extract(r"so \boxed{12.}"), extract("We get 1,200 in 3 steps"), extract("none")
    ('12', '3', None)
    """
    if "final answer is $" in response and "$. I hope" in response:
        found = response.split("final answer is $", 1)[1].split("$. I hope", 1)[0].strip()
    elif "boxed" in response:
        found = after_box(response.rsplit("boxed", 1)[1])
    elif "he answer is" in response:
        found = response.rsplit("he answer is", 1)[1].strip()
    elif "final answer is" in response:
        found = response.rsplit("final answer is", 1)[1].strip()
    elif "答案是" in response:
        found = response.split("答案是")[1].strip().split("\n\n")[0].strip()
    else:
        numbers = LAST_NUMBER.findall(response.replace(",", ""))
        found = numbers[-1] if numbers else ""
    found = re.sub(r"\n\s*", "", found).removeprefix(":").removesuffix(".").removesuffix("/")
    return found or None


def after_box(text: str) -> str:
    """What a box holds; all of the rest where it is never closed, up to a dollar sign where it has no braces."""
    if not text.startswith("{"):
        return text.split("$")[0].strip()
    depth = 0
    for match in re.finditer(r"[{}]", text):
        depth += 1 if match[0] == "{" else -1
        if depth == 0:
            return text[1 : match.start()]
    return text[1:]


def strip(text: str) -> str:
    r"""The harness's normal form of an answer or a reference.

    >>> strip(r"x=\dfrac12"), strip("27.000"), strip(r"90^\circ"), strip("12 miles"), strip("1/2")
    ('\\frac{1}{2}', '27', '90', '12', '\\frac{1}{2}')
    """
    text = text.strip().replace("\n", "").rstrip(".")
    if len(text) > LONGEST:
        return text
    text = text.replace(r"\!", "")
    text = re.sub(r"\\begin\{array\}\{.*?\}", r"\\begin{pmatrix}", text).replace(r"\end{array}", r"\end{pmatrix}")
    for old, new in (
        ("bmatrix", "pmatrix"), ("tfrac", "frac"), ("dfrac", "frac"), (r"\neq", r"\ne"), (r"\leq", r"\le"),
        (r"\geq", r"\ge"), (r"\left", ""), (r"\right", ""), (r"\{", "{"), (r"\}", "}"),
    ):  # fmt: skip
        text = text.replace(old, new)
    text = re.sub(r"\\text{.*?}$", "", text).strip() or text
    text = without_units(text)
    for drop in (r"^{\circ}", r"^\circ", r"\$", "$", r"\(", r"\)"):
        text = text.replace(drop, "")
    text = NUMBER_WORDS.get(text.strip().lower(), str(int(text)) if text.isascii() and text.isdigit() else text)
    text = re.sub(r"\\text\{(.*?)\}", r"\1", text)
    for name in "xyz":
        for sign in ("=", r"\in", r"\to"):
            text = text.replace(name + sign, "")
    text = text.replace(r"\emptyset", "{}").replace(r"(-\infty,\infty)", r"\mathbb{R}")
    text = text.replace(r"\%", "").replace("%", "").replace(" .", " 0.").replace("{.", "{0.")
    text = text.replace("infinity", r"\infty")
    text = text if r"\infty" in text else text.replace("inf", r"\infty")
    text = re.sub(r"\\mbox{.*?}", "", text.replace("and", "").replace(r"\mathbf", ""))
    text = text.replace("j", "i") if "i" not in text else text
    text = re.sub(r"(\d+)\.0*(\D|$)", r"\1\2", text)
    text = "0" + text if text.startswith(".") else text
    left, equals, right = text.partition("=")
    text = right if equals and len(left) <= 2 and "=" not in right else text
    text = re.sub(r"\\sqrt(\w+)", r"\\sqrt{\1}", text).replace(" ", "")
    return slash_fraction(brace_fractions(text))


def without_units(text: str) -> str:
    """Unit words between other signs taken out, twice over the list; never all of an answer."""
    for word, pattern in UNITS * 2:
        if word in text:
            text = pattern.sub(r"\1\2", text) or text
    return text


def brace_fractions(text: str) -> str:
    r"""``\frac12`` and ``\frac1{72}`` with braces."""
    return re.sub(
        r"\\frac([^{])(?:([^{])|(?=\{))",
        lambda m: rf"\frac{{{m[1]}}}" + (f"{{{m[2]}}}" if m[2] else ""),
        text,
    )


def slash_fraction(text: str) -> str:
    r"""``a/b`` of two integers as ``\frac{a}{b}``."""
    return re.sub(r"^(-?(?:0|[1-9]\d*))/(-?(?:0|[1-9]\d*))$", r"\\frac{\1}{\2}", text)


def judge(
    answer: str, reference: str, rel_tol: float = 0.0, abs_tol: float = 0.0, algebra: Algebra | None = None
) -> Verdict | None:
    """The harness's verdict. It has a tolerance of its own; a wider one may be asked for.

    >>> judge("33.33", "33.333").status, judge("0.5", "50").status, judge("(1,2)", "[1,2]").status
    ('correct', 'correct', 'correct')
    """
    answer = strip(strip(answer))  # where it is found and once more, as in the harness: "x = 5" loses its name then
    equal = same(answer, strip(reference), max(rel_tol, RELATIVE_TOLERANCE), algebra)
    if equal is None:
        return None
    return Verdict("correct" if equal else "wrong", answer, "by the published rules")


def same(answer: str, reference: str, rel_tol: float, algebra: Algebra | None) -> bool | None:
    """Equality of two stripped answers, ``None`` where it takes an algebra."""
    answer, reference = answer.strip(), reference.strip()
    if answer.lower() == reference.lower():
        return True
    if reference in ("A", "B", "C", "D", "E") and last_letter(answer) == reference:
        return True
    if same_number(answer, reference, rel_tol):
        return True
    if not answer or without_brackets(answer, reference):
        return bool(answer)
    for pattern, parts in ((r"[(\[].+[)\]]", items), (r"\\begin\{pmatrix\}.*\\end\{pmatrix\}$", entries)):
        if re.match(pattern, answer) and re.match(pattern, reference):
            equal = every(parts(answer), parts(reference), rel_tol, algebra)
            if equal is not False:
                return equal
    if answer.count("=") == 1 and reference.count("=") == 1:
        left, right = (f"{side[0]}-({side[2]})" for side in (answer.partition("="), reference.partition("=")))
        return by_algebra(left, right, rel_tol, algebra) or by_algebra(f"-({left})", right, rel_tol, algebra)
    for one, other in ((answer, reference), (reference, answer)):
        if one.count("=") == 1 and len(one.split("=")[0].strip()) <= 2 and "=" not in other:
            return same(one.split("=")[1], other, rel_tol, algebra)
    return by_algebra(answer, reference, rel_tol, algebra)


def last_letter(answer: str) -> str:
    """The last of A to E that stands alone."""
    letters = re.findall(r"\b[A-E]\b", answer.upper())
    return letters[-1] if letters else ""


def same_number(answer: str, reference: str, rel_tol: float) -> bool:
    """Within the tolerance of the reference, a hundredth of it or a hundred times it."""
    value, target = float_without_commas(answer), float_without_commas(reference)
    if value is None or target is None:
        return False
    return any(math.isclose(value, target * factor, rel_tol=rel_tol) for factor in (0.01, 1, 100))


def float_without_commas(text: str) -> float | None:
    """A float without its commas."""
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return None


def without_brackets(answer: str, reference: str) -> bool:
    """Equal but for braces and parentheses; a square bracket is ignored where the other side has no round one."""
    if (wrapped(answer, "[]") and not wrapped(reference, "()")) or (
        wrapped(answer, "()") and not wrapped(reference, "[]")
    ):
        answer, reference = answer.strip("[]()"), reference.strip("[]()")
    table = str.maketrans("", "", "{}()")
    return answer.translate(table).lower() == reference.translate(table).lower()


def wrapped(text: str, brackets: str) -> bool:
    """Whether a text begins and ends with brackets."""
    return text.startswith(brackets[0]) and text.endswith(brackets[1])


def items(group: str) -> list[str]:
    """What the first and last sign enclose, at its commas."""
    return group[1:-1].split(",")


def entries(matrix: str) -> list[str]:
    """The entries of a matrix, row ends kept as entries of their own."""
    body = matrix[len(r"\begin{pmatrix}") : -len(r"\end{pmatrix}")]
    rows = [row.strip() for row in body.split(r"\\") if row.strip()]
    return [entry for row in rows for entry in (*row.split("&"), "row")]


def every(left: list[str], right: list[str], rel_tol: float, algebra: Algebra | None) -> bool | None:
    """Equal one by one."""
    if len(left) != len(right):
        return False
    results = [same(one, other, rel_tol, algebra) for one, other in zip(left, right, strict=True)]
    return False if False in results else None if None in results else True


def by_algebra(left: str, right: str, rel_tol: float, algebra: Algebra | None) -> bool | None:
    """Equal in sympy, or as numbers within the tolerance; what sympy cannot read is wrong.

    Spaces and commas in groups of three join digits, as in the first parser of the harness.
    """
    if algebra is None:
        return None
    try:
        left, right = (brace_arguments(JOINING.sub("", side)) for side in (left, right))
        return algebra.equal(left, right, 0.0, 0.0) or algebra.equal(left, right, rel_tol, 0.0)
    except Unparsable:
        return False
