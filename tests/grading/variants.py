r"""References written another way: equal variants, which must be accepted, and near misses, which must not.

A transformation takes a reference and yields pairs of an answer and the reference that it is to be compared with; it
yields nothing where it does not apply. They are run over references made here and over those of real benchmarks.
"""

import random
import re
from collections.abc import Callable, Iterator
from fractions import Fraction

from pure_repro.grading.tex import closing_bracket, split_top

Pairs = Iterator[tuple[str, str]]
Transformation = Callable[[str], Pairs]
EQUAL: dict[str, Transformation] = {}
NEAR: dict[str, Transformation] = {}


def equal(transformation: Transformation) -> Transformation:
    """Keep a transformation whose answers are right."""
    EQUAL[transformation.__name__] = transformation
    return transformation


def near(transformation: Transformation) -> Transformation:
    """Keep a transformation whose answers are wrong."""
    NEAR[transformation.__name__] = transformation
    return transformation


def made(count: int) -> list[str]:
    """References of every kind that the transformations take, the same ones every time."""
    dice = random.Random(1)
    texts: list[str] = []
    for _ in range(count):
        a, b, c = (dice.randint(-40, 40) for _ in range(3))
        n, q = dice.randint(1000, 999_999), dice.randint(2, 12)
        over = f"{n % 97 + q * 2 + 1}"
        texts += [
            *(str(dice.randint(2, 999)), str(n), rf"\frac{{{over}}}{{{q}}}", rf"-\frac{{{a * a + 1}}}{{{q}}}"),
            *(f"({a},{b})", rf"\left(\frac{{{a}}}{{7}}, {b}\right)", f"({a},{b},{c})", f"{a}, {b + 90}, {c + 200}"),
            *(rf"{q}\sqrt{{{n % 30 + 2}}}", rf"e^{{{q}t+1}}", f"x^{{n+{q}}}", f"x^4+{q}x", rf"\frac{{\pi}}{{{q}}}"),
            *(
                rf"\begin{{pmatrix}} {a} & {b} \\ {c} & {q} \end{{pmatrix}}",
                f"{oct(n)[2:]}_8",
                f"{q}:{dice.randint(10, 59)}",
            ),
            *(f"[{a},{a + q}]", f"({a},{a + q}]", rf"\text{{{dice.choice(['east', 'Yes', 'odd', 'Evelyn'])}}}"),
            rf"(-\infty,{a})\cup({a + q},\infty)",
        ]
    return list(dict.fromkeys(texts))


def items(reference: str) -> list[str]:
    r"""What a tuple holds, nothing for other references."""
    text = re.sub(r"\\(?:left|right)(?![a-z])", "", reference).strip()
    whole = text.startswith("(") and text.endswith(")") and closing_bracket(text, 0) == len(text) - 1
    parts = split_top(text[1:-1], {","})[0] if whole else []
    return parts if len(parts) in (2, 3) and r"\infty" not in reference and all(parts) else []


def listed(reference: str) -> list[str]:
    """The parts of a list without brackets, nothing for other references."""
    parts, commas = split_top(reference, {","})
    plain = len(commas) > 0 and not re.search(
        r"\d,\d{3}(?!\d)|\{,\}|\\[,!]|[=<>$]|text|\\l|\\in\b|\\pm|or\b|and\b", reference
    )
    return parts if plain and all(parts) else []


def integer(reference: str) -> int | None:
    """The value of a plain natural number."""
    return int(reference) if re.fullmatch(r"[1-9]\d{0,8}", reference) else None


def improper(reference: str) -> Fraction | None:
    """The value of a fraction above one in lowest terms."""
    match = re.fullmatch(r"\\d?frac\{(\d+)\}\{(\d+)\}", reference)
    value = Fraction(int(match[1]), int(match[2])) if match and int(match[2]) else None
    return value if value is not None and value > 1 and value.denominator > 1 else None


def entries(reference: str) -> list[list[str]]:
    """The rows of a matrix of integers."""
    match = re.fullmatch(r"\\begin\{pmatrix\}(.*)\\end\{pmatrix\}", reference.strip(), re.DOTALL)
    rows = (
        [[entry.strip() for entry in row.split("&")] for row in match[1].split(r"\\") if row.strip()] if match else []
    )
    return rows if all(re.fullmatch(r"-?\d+", entry) for row in rows for entry in row) else []


def matrix(rows: list[list[str]]) -> str:
    """In LaTeX."""
    return r"\begin{pmatrix}" + r" \\ ".join(" & ".join(row) for row in rows) + r"\end{pmatrix}"


def plain(reference: str) -> bool:
    """Whether a reference is mathematics without dollars or sentences."""
    return not re.search(r"\$|\\text|\\mbox|[a-zA-Z]{4}(?<!frac)(?<!sqrt)", reference)


# Equal


@equal
def announced(reference: str) -> Pairs:
    if plain(reference) and "=" not in reference:
        yield f"= {reference}", reference
        yield rf"\therefore {reference}", reference


@equal
def marked_up(reference: str) -> Pairs:
    if plain(reference):
        yield f"**{reference}**", reference
        yield f"`{reference}`", reference


@equal
def boxed_again(reference: str) -> Pairs:
    if plain(reference):
        yield rf"\boxed{{{reference}}}", reference
        yield rf"\large{{{reference}}}", reference


@equal
def thousands_with_unit(reference: str) -> Pairs:
    if (n := integer(reference)) is not None and n >= 1000:
        yield rf"{n:,}\text{{ m}}^2", reference
        yield rf"V = {n:,}\text{{ cm}}^3", reference
        yield rf"{n:,}\sqrt{{2}}", rf"{n}\sqrt{{2}}"
        yield rf"x^2+{n:,}", f"{n}+x^2"
        yield f"{n:,}".replace(",", " "), reference
        yield f"{n:,}".replace(",", r"\,"), reference


@equal
def in_seconds(reference: str) -> Pairs:
    if integer(reference) is not None:
        yield f"{reference} sec", reference
        yield rf"{reference}\text{{ sec}}", rf"{reference}\text{{ seconds}}"
        yield rf"{reference}\,\mathrm{{sec}}", reference


@equal
def counted(reference: str) -> Pairs:
    if integer(reference) is not None:
        for noun in ("men", "pts", "apples"):
            yield f"{reference} {noun}", reference


@equal
def mixed(reference: str) -> Pairs:
    if value := improper(reference):
        whole, part = divmod(value.numerator, value.denominator)
        for text in ("{}", "{} cups", "x = {}", r"{}\text{{ miles}}", r"\${}"):
            yield text.format(f"{whole} {part}/{value.denominator}"), reference
        yield f"({whole} {part}/{value.denominator}, 4)", f"({reference},4)"


@equal
def other_fractions(reference: str) -> Pairs:
    if match := re.fullmatch(r"(-?)\\d?frac\{(\d+)\}\{(\d+)\}", reference):
        yield f"{match[1]}{{{match[2]} \\over {match[3]}}}", reference
        yield rf"{match[1]}\sfrac{{{match[2]}}}{{{match[3]}}}", reference


@equal
def named_values(reference: str) -> Pairs:
    if parts := items(reference):
        named = [f"{name} = {part}" for name, part in zip("xyz", parts, strict=False)]
        yield ", ".join(named), reference
        yield ", ".join(reversed(named)), reference
        yield r" \text{ and } ".join(reversed(named)), reference
        yield r"\begin{cases} " + r" \\ ".join(named) + r" \end{cases}", reference
        yield r"\begin{aligned} " + r" \\ ".join(one.replace("=", "&=") for one in named) + r" \end{aligned}", reference


@equal
def named_tuples(reference: str) -> Pairs:
    if parts := items(reference):
        yield f"P({', '.join(parts)})", reference
        yield rf"\vec{{v}} = ({', '.join(parts)})", reference
        yield f"({','.join('zyx'[-len(parts) :])}) = ({', '.join(reversed(parts))})", reference


@equal
def other_lists(reference: str) -> Pairs:
    if parts := listed(reference):
        yield "{" + ", ".join(parts) + "}", reference
        yield r"\{" + ", ".join(reversed(parts)) + r"\}", reference
        yield " or ".join(parts), reference
        yield r" \text{ and } ".join(parts), reference


@equal
def bold_matrices(reference: str) -> Pairs:
    if rows := entries(reference):
        yield rf"\mathbf{{A}} = {matrix(rows)}", reference
        yield rf"-{matrix([[str(-int(entry)) for entry in row] for row in rows])}", reference
        yield rf"\frac{{1}}{{2}}{matrix([[str(2 * int(entry)) for entry in row] for row in rows])}", reference
        yield rf"{matrix([list(column) for column in zip(*rows, strict=True)])}^T", reference


@equal
def parenthesised_exponents(reference: str) -> Pairs:
    answer = re.sub(r"\^\{([^{}]{2,})\}", r"^(\1)", reference)
    if answer != reference and plain(reference):
        yield answer, reference
        yield answer.replace("^", "**"), reference


@equal
def raised_signs(reference: str) -> Pairs:
    answer = re.sub(
        r"\^(?:([2-9])(?!\d)|\{([2-9])\})", lambda power: "⁰¹²³⁴⁵⁶⁷⁸⁹"[int(power[1] or power[2])], reference
    )
    if answer != reference and "^" not in answer and plain(reference):
        yield answer, reference


@equal
def upright_constants(reference: str) -> Pairs:
    answer = re.sub(r"(?<![a-zA-Z\\])e\^", r"\\text{e}^", reference)
    if answer != reference and plain(reference):
        yield answer, reference
        yield answer.replace("text", "mathrm"), reference


@equal
def programs(reference: str) -> Pairs:
    answer = re.sub(r"\\pi(?![a-zA-Z])", "pi", re.sub(r"\\sqrt\{([^{}]*)\}", r"sqrt(\1)", reference))
    if answer != reference and plain(reference) and not re.search(r"[a-zA-Z](?:pi|sqrt)|(?:pi|\))[a-zA-Z]", answer):
        yield answer, reference


@equal
def told_bases(reference: str) -> Pairs:
    if match := re.fullmatch(r"(\d+)_\{?(\d)\}?", reference):
        yield rf"{match[1]}\text{{ base }}{match[2]}", reference
        yield f"{match[1]}_{{({match[2]})}}", reference


@equal
def bounded_names(reference: str) -> Pairs:
    if match := re.fullmatch(r"\[(-?\d+),\s*(-?\d+)\]", reference):
        low, high = int(match[1]), int(match[2])
        yield rf"{low} \le x \le {high}", reference
        yield rf"{-3 * high} \le -3x \le {-3 * low}", reference
        yield rf"x \ge {low}, x \le {high}", reference
    if match := re.fullmatch(r"\(-\\infty,(-?\d+)\)\\cup\((-?\d+),\\infty\)", reference):
        yield f"x<{match[1]}, x>{match[2]}", reference
        yield rf"2x<{2 * int(match[1])} \text{{ or }} -x<{-int(match[2])}", reference
        yield rf"(-\infty,{match[1]}), ({match[2]},\infty)", reference


@equal
def other_cases(reference: str) -> Pairs:
    if match := re.fullmatch(r"\\text\{([a-zA-Z]+)\}", reference):
        yield match[1].upper() if match[1].lower() in ("yes", "no", "odd") else match[1].lower(), reference
        yield match[1].capitalize(), reference


@equal
def calculated(reference: str) -> Pairs:
    if (n := integer(reference)) is not None and n > 3:
        yield f"{n - 3} + 3 = {n:,}", reference
        yield rf"\frac{{{2 * n}}}{{2}} = {n}", reference


# Near misses


@near
def digits_apart(reference: str) -> Pairs:
    if integer(reference) is not None and len(reference) > 1:
        for i in range(1, len(reference)):
            for blank in (" ", r"\quad ", r"\,", "~"):
                if len(reference) - i != 3:
                    yield f"{reference[:i]}{blank}{reference[i:]}", reference


@near
def digits_of_a_mixed_number(reference: str) -> Pairs:
    match = re.fullmatch(r"\\d?frac\{([1-9])(\d+)\}\{(\d+)\}", reference)
    if (
        match
        and not match[2].startswith("0")
        and int(match[1]) * int(match[3]) + int(match[2]) != int(match[1] + match[2])
    ):
        for text in ("{} cups", "x = {}", r"{}\text{{ miles}}"):
            yield text.format(f"{match[1]} {match[2]}/{match[3]}"), reference
        yield f"({match[1]} {match[2]}/{match[3]}, 4)", f"({reference},4)"


@near
def names_swapped(reference: str) -> Pairs:
    parts = items(reference)
    if len(parts) == 2 and re.sub(r"\s", "", parts[0]) != re.sub(r"\s", "", parts[1]):
        yield f"x = {parts[1]}, y = {parts[0]}", reference
        yield f"y = {parts[0]}, x = {parts[1]}", reference
        yield f"(y,x) = ({parts[0]}, {parts[1]})", reference
        yield rf"\begin{{cases}} x = {parts[1]} \\ y = {parts[0]} \end{{cases}}", reference
        yield f"{parts[1]}, {parts[0]}", f"x={parts[0]}, y={parts[1]}"


@near
def times_as_ratios(reference: str) -> Pairs:
    if match := re.fullmatch(r"(\d{1,2}):(\d\d)", reference):
        if int(match[1]) < 50 and int(match[2]) < 50:
            yield f"{2 * int(match[1])}:{2 * int(match[2]):02}", reference
        yield f"{int(match[1]) + 1}:{match[2]}", reference


@near
def times_of_full_hours(reference: str) -> Pairs:
    if (n := integer(reference)) is not None and n < 12:
        yield f"{n + 1}:00", f"{n}:00"


@near
def one_side_of_a_modulus(reference: str) -> Pairs:
    if (n := integer(reference)) is not None:
        yield f"|x|<{n}", rf"(-\infty,{n})"
        yield rf"|x| \ge {n}", rf"[{n},\infty)"
        yield f"|x|={n}", reference
        yield rf"\sin x<{n}", rf"(-\infty,{n})"


@near
def other_labels(reference: str) -> Pairs:
    if integer(reference) is not None:
        for one, other in (("pints", "quarts"), ("decades", "centuries"), ("red marbles", "boxes"), ("cm", "pencils")):
            yield rf"{reference}\text{{ {one}}}", rf"{reference}\text{{ {other}}}"


@near
def neighbours(reference: str) -> Pairs:
    if (n := integer(reference)) is not None:
        for text in ("{}", "{} sec", "= {}", r"{}\text{{ m}}^2", "**{}**", "{} men", r"{} \pmod{{7}}"):
            yield text.format(n + 1), reference
        yield f"{n + 1} = {n}", reference
        yield f"-{n}", reference
        yield rf"{n}\sec x", reference


@near
def other_bases(reference: str) -> Pairs:
    if match := re.fullmatch(r"(\d+)_\{?(\d)\}?", reference):
        yield rf"{match[1]}\text{{ base }}9" if match[2] != "9" else rf"{match[1]}_8", reference
        yield match[1], reference


@near
def other_matrices(reference: str) -> Pairs:
    if rows := entries(reference):
        columns = [list(column) for column in zip(*rows, strict=True)]
        if columns != rows and len(rows) > 1 and len(columns) > 1:
            yield rf"{matrix(rows)}^T", reference
        if any(entry != "0" for row in rows for entry in row):
            yield rf"2{matrix(rows)}", reference
            yield rf"-{matrix(rows)}", reference


@near
def parts_of_a_list(reference: str) -> Pairs:
    parts = listed(reference)
    if len(set(parts)) > 1:
        yield "{" + ", ".join(parts[1:]) + "}", reference
        yield " or ".join(parts[:-1]), reference
        yield f"({', '.join(parts)})", reference


@near
def exponent_cut_short(reference: str) -> Pairs:
    if match := re.fullmatch(r"([a-z])\^\{([a-z])\+(\d+)\}", reference):
        yield f"{match[1]}^{match[2]}+{match[3]}", reference
        yield f"{match[1]}^({match[2]}-{match[3]})", reference


@near
def other_bounds(reference: str) -> Pairs:
    if match := re.fullmatch(r"\[(-?\d+),\s*(-?\d+)\]", reference):
        low, high = int(match[1]), int(match[2])
        yield rf"{low} < x \le {high}", reference
        if low != -high:
            yield rf"{3 * low} \le -3x \le {3 * high}", reference
        yield rf"x \le {high}", reference
    if match := re.fullmatch(r"\(-\\infty,(-?\d+)\)\\cup\((-?\d+),\\infty\)", reference):
        if match[1] != match[2]:
            yield f"x>{match[1]}, x<{match[2]}", reference
        yield f"x<{match[1]}", reference
        yield rf"x \le {match[1]}, x>{match[2]}", reference
