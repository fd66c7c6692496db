"""Strings that a model may write and no checker should mind: some by hand, many made from real answers."""

import random

from tests.grading.conftest import table

BY_HAND = [
    "9**9**9**9", "9^{9^{9^{9}}}", "9^9^9^9", "(10!)!", "10!!!", "((10!)!)!", "2^{2^{2^{2^{2^{2}}}}}",
    "{" * 5000 + "1" + "}" * 5000, "(" * 5000 + "1" + ")" * 5000, "[" * 300 + "]" * 300, "|" * 2000,
    "\\frac{" * 500, "\\sqrt{" * 200 + "2" + "}" * 200, "7" * 200_000, "7" * 1999, "1." + "3" * 1900, "1e999999999",
    "1e-999999999", "10^{10^{10}}", "10^{999999}", "2^{-10^9}", "\\sum_{k=1}^{10^{12}} k", "\\prod_{k=1}^{10^9} k",
    "\\int_0^{10^9} e^{e^x} dx", "\\lim_{x\\to 0} \\frac{\\sin x}{x}", "\\binom{10^9}{5 \\cdot 10^8}",
    "\\binom{2n}{n}^{10^6}", "(x+y+z)^{10000}", "(1+x)^{2000}-(1+x)^{2000}", "\\sin(10^{10^{5}})", "\\ln(0)",
    "\\ln(-1)",    "\\frac{1}{0}", "\\frac{0}{0}", "0^0", "0^{-1}", "\\infty-\\infty", "\\infty", "-\\infty", "\\tan 90^\\circ",
    "\\log_{0} 5", "\\log_{1} 5", "\\sqrt[0]{5}", "\\sqrt{-1}", "(-1)^{1/2}", "i^i", "i^{i^{i^{i}}}",
    "e^{e^{e^{e^{10}}}}",    "\\input{/etc/passwd}", "\\include{x}", "\\openin5=/etc/passwd", "\\write18{touch owned}", 
    "\\immediate\\write18{ls}",    "\\newcommand{\\x}{\\x\\x}\\x", "\\def\\a{\\a}\\a", "\\csname end\\endcsname", "\\verb|x|", "\\catcode`\\@=11",
    "__import__('os').system('touch owned')", "open('owned','w').write('x')", "eval('1')", "exec('1')", "lambda x: x",
    "().__class__.__bases__[0].__subclasses__()", "os.system('ls')", "${7*7}", "{{7*7}}", "`ls`", "$(ls)", "; rm -rf x",
    "\x00", "\x00" * 500, "\x1b[2J", "\u202e27", "\ufeff27", "\u200b2\u200b7", "\ud800", "\ud83d\ude00", "😀" * 600, "２７",
    "٣٤", "Ⅳ", "²³", "½½", "∑∏∫√∞", "\r\n\t\v\f", "\\", "\\\\", "\\\\\\", "$", "$$", "$$$", "\\(", "\\)", "\\[", "{", "}",
    "{}", "()", "[]", "(,)", "(,,)", "{,}", ",", ",,,", ";", ":", "::", "1:", ":1", "1::2", "=", "==", "=5", "5=", "x==5",
    "<", ">", "<>", "<5", "5<", "x<", "\\le", "\\in", "\\in \\in", "x \\in", "\\cup", "(0,1) \\cup", "\\cup (0,1)",
    "\\setminus", "\\pm", "\\pm\\pm\\pm\\pm\\pm", "\\pm 1" * 30, "1 \\pm", "^", "_", "^^", "__", "x^", "x_", "^2", "_2",
    "x^{", "x^}", "x^2^3", "x_1_2", "x''''", "!", "!!", "5!!", "%", "\\%", "%%", "#", "&", "~", "~~~", "\\,", "\\frac",
    "\\frac1", "\\frac{1}", "\\frac{}{}", "\\frac{1}{}", "\\sqrt", "\\sqrt[3]", "\\sqrt[", "\\sqrt{}", "\\binom{1}",
    "\\begin{pmatrix}", "\\end{pmatrix}", "\\begin{pmatrix}\\end{pmatrix}", "\\begin{pmatrix}1&\\end{pmatrix}",
    "\\begin{pmatrix}\\\\\\\\\\end{pmatrix}", "\\begin{pmatrix}" + "1&" * 900 + "1\\end{pmatrix}",
    "\\begin{pmatrix}" + "1\\\\" * 450 + "1\\end{pmatrix}", ",".join(map(str, range(500))), ",".join("x" * 900),
    "\\{" + ",".join("\\sqrt{%d}" % k for k in range(60)) + "\\}", "(" + ",".join("\\sqrt{%d}" % k for k in range(60)) + ")",
    "\\text{", "\\text{}", "\\text{\\text{x}}", "\\text{" * 100, "\\boxed{", "\\boxed{}", "\\boxed{\\boxed{}}", "\\sin",
    "\\sin\\sin\\sin", "\\sin^", "\\sin^{-1}", "\\log_", "\\log_{}", "\\sin^{\\sin^{2}} x", "sin cos tan", "\\degree", "°",
    "^\\circ", "5^\\circ^\\circ", "\\$", "\\$\\$", "\\$x", "1_0", "1_1", "1_{99}", "9_8", "z_{8}", "ZZ_{36}", "ZZ_{37}",
    "25:61", "99:99:99", "1/0:2", "0:0", "0:1", "1:0", "1 2 3", "1,2,3,4,5,6,7,8", "1,23,456", ",123", "123,", "0x1F", "nan",
    "NaN", "inf", "-inf", "None", "null", "undefined", "true", "-", "+", "--5", "+-+-5", "- - 5", "*", "**", "5*", "*5", "/",
    "//", "1//2", "1/2/3/4", "a" * 2000, "ab " * 600, "x" * 1000 + "=1", "+".join("x" * 700), "*".join("x" * 700),
    "x^{" * 30 + "2" + "}" * 30, "\\sqrt{x+" * 30 + "1" + "}" * 30, "(x+" * 30 + "1" + ")" * 30, "-" * 1500 + "1",
    "|x|y|z|", "||x||", "|x", "\\lfloor x", "\\lfloor x \\rceil", "]1,2[", ")1,2(", "(1,2", "1,2)", "[1,2", "(1,2]]",
    "(x+y+z+w)^{200}", "\\frac{x^{100}-1}{x-1}", "\\sin(\\sin(\\sin(\\sin(\\sin(x)))))", "x^{x^{x^{x}}}", "(x^2+1)^{x^2+1}",
    "\\lfloor\\lfloor\\lfloor x\\rfloor\\rfloor\\rfloor", "\\lfloor 10^{10^{8}}\\pi \\rfloor", "\\binom{x}{10^5}", "(10^6)!",
]  # fmt: skip


def mangled(count: int) -> list[str]:
    """Real answers cut, joined, doubled and sprinkled with signs, the same ones every time."""
    generator = random.Random(0)
    texts = sorted({row[column] for row in table("verdicts.tsv") for column in ("answer", "reference")})
    signs = list("{}()[]|\\^_$%&#!,;:=<>+-*/'\"0e \n") + [
        "\\frac",
        "\\sqrt",
        "\\text{",
        "\\left",
        "\\\\",
        "\\pm",
        "\\cup",
    ]
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


HOSTILE = BY_HAND + mangled(400)
