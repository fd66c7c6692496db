r"""Equality by sympy, for the workers. Nothing here reads a model's text: it comes through ``whitelist.explicit``.

Two expressions are unequal as soon as their values differ at one point, which is quick to find out; they are equal
when sympy reduces their difference to zero. Where it can do neither, values that agree to 200 digits decide.
"""

import re
from functools import lru_cache

import sympy
from antlr4.atn.PredictionMode import PredictionMode
from latex2sympy2_extended.gen.antlr4_9_3.PSParser import PSParser
from latex2sympy2_extended.latex2sympy2 import ConversionConfig, _Latex2Sympy
from sympy import Expr, Integer, Rational, S, Symbol

from pure_repro.grading.cheap import rational
from pure_repro.grading.compare import Algebra
from pure_repro.grading.nodes import Bag, Group, Leaf, Named, Node, Region, Relation
from pure_repro.grading.tex import Unparsable
from pure_repro.grading.whitelist import explicit, symbol_name

CONSTANTS = {r"\pi": sympy.pi, "e": sympy.E, "i": sympy.I}
DIGITS = 50  # of a value at a point
DECISIVE_DIGITS = 200  # that must agree where sympy proves nothing
PLAIN = re.compile(r"-?(?:\d+|\\frac\{\d+\}\{\d+\})")  # what needs no grammar
ON_INTEGERS = (sympy.floor, sympy.ceiling, sympy.factorial, sympy.binomial)
POINTS = 6


class Converter(_Latex2Sympy):
    """The library's parser, on the subset: exact numbers, our names, and its fast prediction mode only.

    The library makes numbers with ``sympy.Number(text)``, which evaluates text; integers are made here instead.
    """

    def create_parser(self, latex_str: str) -> PSParser:
        """The library's, without its second and slow try."""
        parser = super().create_parser(latex_str)
        parser._interp.predictionMode = PredictionMode.SLL
        return parser

    def parse_number(self, text: str) -> Integer:
        """An exact integer; the whitelist lets no other number through."""
        return Integer(int(text))

    def create_symbol(self, text: str, enforce_case: bool = False) -> Expr:
        """A constant of ours, or else a real variable."""
        name = symbol_name(text)
        return CONSTANTS.get(name) or Symbol(name, real=True)


@lru_cache(maxsize=4_096)
def expression(latex: str) -> Expr:
    r"""What an expression is in sympy.

    Raises ``Unparsable`` where it is not in the whitelist, has no value (1/0) or is no expression.

    >>> expression(r"\frac{\sqrt{8}}{2}x")
    sqrt(2)*x
    """
    text = explicit(latex)
    if PLAIN.fullmatch(text) and (number := rational(text)) is not None:
        return Rational(number.numerator, number.denominator)
    try:
        value = Converter(is_real=True, config=ConversionConfig(lowercase_symbols=False)).parse(text)
    except MemoryError:
        raise
    except Exception as error:  # the library raises plain Exception for whatever it does not accept
        raise Unparsable("no expression") from error
    value = value.doit() if isinstance(value, Expr) else value
    if not isinstance(value, Expr) or value.has(S.NaN, S.ComplexInfinity):
        raise Unparsable("no value")
    return value


def points(*expressions: Expr) -> list[dict[Symbol, Expr]]:
    """Where to compare values: fixed rationals of both signs, or integers where only those make sense."""
    symbols = sorted(set().union(*(one.free_symbols for one in expressions)), key=str)
    whole = any(one.has(*ON_INTEGERS) for one in expressions)
    return [
        {
            symbol: Integer(6 + k + 4 * (n if k % 2 else len(symbols) - n))
            if whole
            else Rational((-1) ** (k // 2 + n * k) * (17 + 31 * k + 13 * n), 29)
            for n, symbol in enumerate(symbols)
        }
        for k in range(POINTS if symbols else 1)
    ]


def is_real_at(value: Expr, point: dict[Symbol, Expr]) -> bool:
    """Whether no root, logarithm or factorial of a negative number is taken."""
    taken = [root.base for root in value.atoms(sympy.Pow) if not root.exp.is_integer]
    taken += [function.args[0] for function in value.atoms(sympy.log, sympy.factorial)]
    return not any(part.xreplace(point).evalf().is_negative for part in taken)


def size(number: Expr) -> Expr:
    """The larger of the moduli of real and imaginary part; sympy's own modulus of a complex number takes milliseconds.

    >>> size(Integer(3) - 4 * sympy.I)
    4
    """
    return max(abs(part) for part in number.as_real_imag())


def differ(left: Expr, right: Expr) -> bool | None:
    """Whether two expressions take different values somewhere; ``None`` where no point gives both a value.

    Points with roots, logarithms or factorials of negative numbers are passed over if there are others: √a·√b and
    √(ab) are equal where all of it is real.
    """
    compared = False
    everywhere = points(left, right)
    real = [point for point in everywhere if is_real_at(left, point) and is_real_at(right, point)]
    for point in real or everywhere:
        one, other = (expr.xreplace(point).evalf(DIGITS) for expr in (left, right))
        if not (one.is_number and other.is_number and one.is_finite and other.is_finite):
            continue
        compared = True
        scale = max(size(one), size(other))
        if size(one - other) > scale * Rational(1, 10 ** (DIGITS - 10)):
            return True
    return False if compared else None


def is_zero(difference: Expr) -> bool:
    """Whether sympy proves an expression zero."""
    if difference == 0 or sympy.expand(difference) == 0:
        return True
    if difference.is_rational_function() or difference.is_polynomial():
        return sympy.cancel(difference) == 0
    return sympy.simplify(difference) == 0


def same_value(left: Expr, right: Expr) -> bool:
    """Whether two expressions are equal wherever both are defined."""
    if left == right:
        return True
    if left.has(S.Infinity, S.NegativeInfinity) or right.has(S.Infinity, S.NegativeInfinity):
        return False
    if differ(left, right):
        return False
    positive = {symbol: Symbol(symbol.name, positive=True) for symbol in left.free_symbols | right.free_symbols}
    difference = (left - right).xreplace(positive)
    if is_zero(difference):
        return True
    return not is_exact(difference) and vanishes(difference)


def is_exact(difference: Expr) -> bool:
    """Whether sympy's reduction of an expression is final: only rational numbers, variables, integer powers."""
    powers = all(power.exp.is_Integer for power in difference.atoms(sympy.Pow))
    return (
        powers
        and difference.is_rational_function()
        and all(atom.is_Rational or atom.is_Symbol for atom in difference.atoms())
    )


def vanishes(difference: Expr) -> bool:
    """Whether a difference vanishes to 200 digits at every point."""
    values = [difference.xreplace(point).evalf(DECISIVE_DIGITS) for point in points(difference)]
    return all(value.is_number and abs(value) < Rational(1, 10 ** (DECISIVE_DIGITS - 20)) for value in values)


class SympyAlgebra(Algebra):
    r"""Equality of expressions, relations and sets of real numbers.

    >>> SympyAlgebra().equal(r"\sqrt{8}", r"2\sqrt{2}", 0.0, 0.0), SympyAlgebra().equal("x", "y", 0.0, 0.0)
    (True, False)
    """

    def read(self, latex: str) -> None:
        """Raises ``Unparsable`` where an expression is none or has no value."""
        expression(latex)

    def equal(self, left: str, right: str, rel_tol: float, abs_tol: float) -> bool:
        """The same value; of two numbers, one within a tolerance that is not 0."""
        one, other = expression(left), expression(right)
        if (rel_tol or abs_tol) and one.is_number and other.is_number:
            gap = abs((one - other).evalf(DIGITS))
            return bool(gap <= max(rel_tol * max(abs(one.evalf()), abs(other.evalf())), abs_tol))
        return same_value(one, other)

    def same_relation(self, left: Relation, right: Relation) -> bool:
        """Two sides each: the differences of the sides are proportional, for an inequality by a positive factor."""
        if len(left.sides) != len(right.sides):
            return False
        if len(left.sides) > 2:
            return all(self.equal(a, b, 0, 0) for a, b in zip(left.sides, right.sides, strict=True)) and (
                left.operators == right.operators
            )
        one, other = (expression(relation.sides[0]) - expression(relation.sides[1]) for relation in (left, right))
        kinds = {left.operators[0], right.operators[0]}
        if one == 0 or other == 0:
            return bool(one == other) and len(kinds) == 1
        factor = sympy.cancel(sympy.together(one / other))
        factor = factor if factor.is_number else sympy.simplify(factor)
        if not factor.is_number:
            return False
        if kinds in ({"="}, {r"\neq"}):
            return True
        if len(kinds) == 1:
            return bool(factor > 0)
        return kinds in ({"<", ">"}, {r"\le", r"\ge"}) and bool(factor < 0)

    def same_region(self, left: Node, right: Node) -> bool:
        """As sympy sets, where every end is a number."""
        try:
            return bool(real_set(left) == real_set(right))
        except (TypeError, ValueError, NotImplementedError) as error:
            raise Unparsable("no set of real numbers") from error


def real_set(node: Node) -> sympy.Set:
    """A region as a sympy set."""
    if isinstance(node, Named):
        return real_set(node.value)
    if isinstance(node, Region):
        parts = [real_set(part) for part in node.parts]
        if node.operation == "difference":
            return sympy.Complement(parts[0], sympy.Union(*parts[1:]))
        both = sympy.Intersection(*parts)
        either = node.operation == "union" or (node.operation == "joined" and both.is_empty)
        return sympy.Union(*parts) if either else both
    if isinstance(node, Bag):
        return sympy.FiniteSet(*(real_end(item) for item in node.items))
    if isinstance(node, Group) and len(node.items) == 2:
        low, high = (real_end(item) for item in node.items)
        return sympy.Interval(low, high, node.opening == "(", node.closing == ")")
    return sympy.FiniteSet(real_end(node))


def real_end(node: Node) -> Expr:
    """A number that bounds an interval."""
    value = expression(node.latex) if isinstance(node, Leaf) else None
    if value is None or not (value.is_extended_real and value.is_number):
        raise Unparsable("no set of real numbers")
    return value
