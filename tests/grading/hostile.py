"""Strings that a model may write and no checker should mind: some by hand, many made from real answers."""

import random
from pathlib import Path

from tests.grading.conftest import table

SHORT = (Path(__file__).parent / "hostile.txt").read_text().splitlines()

LONG = [
    *("{" * 5000 + "1" + "}" * 5000, "(" * 5000 + "1" + ")" * 5000, "[" * 300 + "]" * 300, "|" * 2000),
    *("\\frac{" * 500, "\\sqrt{" * 200 + "2" + "}" * 200, "\\text{" * 100, "\\pm 1" * 30, "-" * 1500 + "1"),
    *("7" * 200_000, "7" * 1999, "1." + "3" * 1900, "a" * 2000, "ab " * 600, "x" * 1000 + "=1", "😀" * 600),
    *("+".join("x" * 700), "*".join("x" * 700), ",".join("x" * 900), ",".join(map(str, range(500)))),
    *("x^{" * 30 + "2" + "}" * 30, "\\sqrt{x+" * 30 + "1" + "}" * 30, "(x+" * 30 + "1" + ")" * 30),
    "\\begin{pmatrix}" + "1&" * 900 + "1\\end{pmatrix}",
    "\\begin{pmatrix}" + "1\\\\" * 450 + "1\\end{pmatrix}",
    "\\{" + ",".join(rf"\sqrt{{{k}}}" for k in range(60)) + "\\}",
    "(" + ",".join(rf"\sqrt{{{k}}}" for k in range(60)) + ")",
    *("\x00", "\x00" * 500, "\x1b[2J", "\u202e27", "\ufeff27", "\u200b2\u200b7", "\r\n\t\v\f", "\ud800", " ", "\n"),
]


def mangled(count: int) -> list[str]:
    """Real answers cut, joined, doubled and sprinkled with signs, the same ones every time."""
    generator = random.Random(0)
    texts = sorted({row[column] for row in table("verdicts.tsv") for column in ("answer", "reference")})
    signs = [*"{}()[]|\\^_$%&#!,;:=<>+-*/'\"0e \n", "\\frac", "\\sqrt", "\\text{", "\\left", "\\\\", "\\pm", "\\cup"]
    made = []
    for _ in range(count):
        text = generator.choice(texts)
        for _ in range(generator.randint(1, 4)):
            at = generator.randint(0, len(text))
            match generator.randrange(4):
                case 0:
                    text = text[:at]
                case 1:
                    text = text[:at] + generator.choice(signs) + text[at:]
                case 2:
                    text = text[:at] + generator.choice(texts)
                case 3:
                    text = text[:at] + text[at + 1 :]
        made.append(text)
    return made


HOSTILE = SHORT + LONG + mangled(400)
