r"""The subset of LaTeX that reaches the parser library, written so that it has one meaning.

Every variable becomes ``\variable{…}`` with its name in hexadecimal, every product gets its ``\cdot``, every
function its parentheses, every decimal its fraction. A token that is not on the list makes the text unparsable:
no model can hand the library anything but numbers, these operators and these functions.
"""

import re
from functools import lru_cache

from pure_repro.grading.cheap import rational
from pure_repro.grading.tex import Unparsable
from pure_repro.grading.vocabulary import FUNCTIONS, GREEK

MOST_TOKENS = 600
DEEPEST = 30

TOKENS = re.compile(
    r"\d+\.?\d*|\.\d+|\\[a-zA-Z]+|[a-zA-Z]|\\[{}%]|'+|[-+*/^_!(){}\[\]|]|(?P<blank>\s+)|(?P<other>.)",
    re.DOTALL,
)
SUMS = {"+": "+", "-": "-"}
PRODUCTS = {r"\cdot": r"\cdot ", r"\times": r"\cdot ", "*": r"\cdot ", "/": "/", r"\div": "/"}
BRACKETS = {"(": ")", "[": "]", "{": "}", r"\{": r"\}", "|": "|", r"\lfloor": r"\rfloor", r"\lceil": r"\rceil"}
CONSTANTS = {r"\pi", "e", "i"}
LETTERS = {"\\" + name for name in GREEK} | CONSTANTS
FUNCTION_NAMES = set("fghpquvyFGHINPQSTV")
ACCENTS = {r"\hat", r"\bar", r"\tilde", r"\dot", r"\ddot", r"\overline"}


def variable(name: str) -> str:
    r"""A name that no grammar rule can mistake for anything else.

    >>> variable("x_{1}")
    '\\variable{v785f7b317d}'
    """
    return rf"\variable{{v{name.encode().hex()}}}"


PI = variable(r"\pi")


def symbol_name(variable_name: str) -> str:
    r"""The name behind a variable.

    >>> symbol_name("v785f7b317d")
    'x_{1}'
    """
    return bytes.fromhex(variable_name[1:]).decode()


@lru_cache(maxsize=4_096)
def explicit(latex: str) -> str:
    r"""An expression in the subset.

    Raises ``Unparsable`` with the token that is not in it.

    >>> explicit(r"2.5\sin 2x(x+1)").replace(variable("x"), "x")
    '\\frac{25}{10}\\cdot \\sin(2\\cdot x)\\cdot (x+1)'
    >>> explicit(r"\input{passwd}")
    Traceback (most recent call last):
    pure_repro.grading.tex.Unparsable: \input is not in an answer's vocabulary
    """
    tokens: list[str] = []
    for match in TOKENS.finditer(latex):
        if match["other"]:
            raise Unparsable(f"{match['other']!r} is not in an answer's vocabulary")
        if match["blank"] and tokens and tokens[-1][-1].isdigit() and latex[match.end() : match.end() + 1].isdigit():
            raise Unparsable("two numbers side by side")
        if not match["blank"]:
            tokens.append(match[0])
        if len(tokens) > MOST_TOKENS:
            raise Unparsable(f"more than {MOST_TOKENS} signs")
    return Rewriter(tokens).whole()


class Rewriter:
    """Recursive descent over the tokens of one expression; each method returns explicit LaTeX."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens, self.at, self.depth = tokens, 0, 0

    def peek(self) -> str:
        """The next token, empty at the end."""
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, expected: str = "") -> str:
        """Consume the next token."""
        token = self.peek()
        if not token or (expected and token != expected):
            raise Unparsable(f"{expected or 'more'} is missing")
        self.at += 1
        return token

    def whole(self) -> str:
        """The expression, to its end."""
        text = self.sum("")
        if self.peek():
            raise Unparsable(f"{self.peek()} is not in an answer's vocabulary")
        return text

    def sum(self, closing: str) -> str:
        """Terms with signs between them."""
        text = self.sign() + self.product(closing)
        while self.peek() in SUMS:
            operator = self.take()
            sign = self.sign()
            text += f"{operator}({sign}{self.product(closing)})" if sign else operator + self.product(closing)
        return text

    def sign(self) -> str:
        """Signs in front of a term, as one."""
        minus = 0
        while self.peek() in SUMS:
            minus += self.take() == "-"
        return "-" if minus % 2 else ""

    def product(self, closing: str) -> str:
        """Factors, with or without signs between them."""
        text = self.power(closing)
        while (token := self.peek()) and token not in SUMS and token != closing and not self.closes(token):
            operator = PRODUCTS[self.take()] if token in PRODUCTS else r"\cdot "
            sign = self.sign()
            factor = self.power(closing)
            text += f"{operator}({sign}{factor})" if sign else operator + factor
        return text

    @staticmethod
    def closes(token: str) -> bool:
        """Whether a token ends a bracket other than |."""
        return token in (")", "]", "}", r"\}", r"\rfloor", r"\rceil")

    def power(self, closing: str) -> str:
        """A factor with its exponents and factorials; every nesting goes through here."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise Unparsable(f"nests deeper than {DEEPEST} brackets")
        text = self.mixed() or self.factor(closing)
        while (token := self.peek()) in ("^", "!", r"\degree"):
            self.take()
            base = text if re.fullmatch(r"\d+|\\variable\{\w+\}|\([^()]*\)", text) else f"({text})"
            if token == "!" == self.peek():
                raise Unparsable("double factorials are not evaluated")
            if token == "^":
                text = f"{base}^{{{self.group('{')}}}"
            else:
                text = f"({base}!)" if token == "!" else rf"({base}\cdot {PI}/180)"
        self.depth -= 1
        return text

    def mixed(self) -> str:
        """An integer in front of a proper fraction is their sum."""
        following = "".join(self.tokens[self.at : self.at + 8])
        match = re.match(r"\d+\\frac\{\d+\}\{\d+\}", following)
        value = rational(match[0]) if match else None
        if value is None:
            return ""
        self.at += 8
        return rf"\frac{{{value.numerator}}}{{{value.denominator}}}"

    def group(self, opening: str) -> str:
        """The inside of a bracket."""
        self.take(opening)
        inner = self.sum(BRACKETS[opening])
        self.take(BRACKETS[opening])
        return inner

    def factor(self, closing: str) -> str:
        """One number, variable, bracket, fraction, root or function."""
        token = self.peek()
        if token[:1].isdigit() or token[:1] == ".":
            return self.number()
        if token in ("(", "[", "{"):
            return f"({self.group(token)})"
        if token in (r"\lfloor", r"\lceil"):
            return f"{token} {self.group(token)}{BRACKETS[token]} "
        if token == "|" != closing:
            return f"|{self.group('|')}|"
        if token in LETTERS or (len(token) == 1 and token.isalpha()) or token in ACCENTS:
            return self.symbol()
        if token.startswith("\\") and token[1:] in FUNCTIONS:
            return self.function()
        if token in (r"\frac", r"\binom"):
            return f"{self.take()}{{{self.group('{')}}}{{{self.group('{')}}}"
        if token == r"\sqrt":
            return self.root()
        if token == r"\infty":
            return self.take()
        raise Unparsable(f"{token or 'more'} is not in an answer's vocabulary")

    def number(self) -> str:
        """An integer, or a decimal as an exact fraction."""
        token = self.take()
        whole, _, decimals = token.partition(".")
        if self.peek() in (r"\overline", r"\bar", r"\dot") and "." in token:
            return self.repeating(whole, decimals)
        if decimals.strip("0"):
            return rf"\frac{{{int(whole + decimals)}}}{{{10 ** len(decimals)}}}"
        return str(int(whole or 0))

    def repeating(self, whole: str, decimals: str) -> str:
        r"""``0.1\overline{6}`` as 1/6."""
        self.take()
        self.take("{")
        period = self.take()
        self.take("}")
        if not period.isdigit():
            raise Unparsable("a repeating decimal repeats digits")
        scale, nines = 10 ** len(decimals), 10 ** len(period) - 1
        return rf"\frac{{{int(whole + decimals or 0) * nines + int(period)}}}{{{scale * nines}}}"

    def symbol(self) -> str:
        """A letter with its accent, index and primes."""
        name = self.take()
        if name in ACCENTS:
            name += "{" + self.literal() + "}"
        if self.peek() == "_":
            self.take()
            name += "_{" + self.literal() + "}"
        if self.peek().startswith("'"):
            name += self.take()
        following = self.tokens[self.at : self.at + 3]
        known = name in FUNCTION_NAMES and "".join(following[1:2]).isdigit()
        applied = name in ("f", "g") and "".join(following[1:2]).isalpha()
        if (known or applied) and following[::2] == ["(", ")"]:
            name += "".join(following)  # f(0) and f(x) are no products
            self.at += 3
        return variable(name)

    def literal(self) -> str:
        """The text of a braced group, for a name."""
        self.take("{")
        text, depth = "", 1
        while True:
            token = self.take()
            depth += (token == "{") - (token == "}")
            if depth == 0:
                return text
            text += token

    def root(self) -> str:
        """A root with its index."""
        self.take(r"\sqrt")
        index = f"[{self.group('[')}]" if self.peek() == "[" else ""
        return rf"\sqrt{index}{{{self.group('{')}}}"

    def function(self) -> str:
        r"""A function with its base, its power and its argument: ``\sin^2 2x`` is ``(\sin(2x))^2``."""
        name, base, exponent = self.take(), "", ""
        while self.peek() in ("^", "_"):
            if self.take() == "_":
                base = "_{" + self.group("{") + "}"
            else:
                exponent = self.group("{")
        if exponent == "-1" and name[1:4] in ("sin", "cos", "tan", "cot", "sec", "csc"):
            name, exponent = rf"\arc{name[1:]}", ""
        argument = self.group(self.peek()) if self.peek() in ("(", "{", "[", r"\{") else self.sign() + self.run()
        text = rf"{name}{base}({argument})"
        if name == r"\cis":
            text = rf"(\cos({argument})+{variable('i')}\cdot \sin({argument}))"
        if name == r"\exp":
            text = f"{variable('e')}^{{{argument}}}"
        return f"({text})^{{{exponent}}}" if exponent else text

    def run(self) -> str:
        r"""The argument of a function without parentheses: factors up to a sign, a bracket or a function."""
        text = self.power("")
        while (token := self.peek()) and token not in SUMS and not self.closes(token):
            if token in ("(", "[", "|", r"\times", r"\cdot") or token[1:] in FUNCTIONS:
                break
            operator = PRODUCTS[self.take()] if token in PRODUCTS else r"\cdot "
            text += operator + self.power("")
        return text
