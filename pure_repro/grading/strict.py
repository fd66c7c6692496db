r"""The default rules: an answer is what the last box holds, and it is right if it equals the reference.

Exact, unless a tolerance is asked for: ``0.333`` is not 1/3.
"""

from pure_repro.grading.cheap import decide
from pure_repro.grading.compare import Algebra, Comparison, Undecided, require_readable
from pure_repro.grading.extract import last_boxed
from pure_repro.grading.normalise import normalise
from pure_repro.grading.parse import parse
from pure_repro.grading.tex import Unparsable, without_blanks
from pure_repro.grading.verdict import Verdict

extract = last_boxed


def judge(
    answer: str, reference: str, rel_tol: float = 0.0, abs_tol: float = 0.0, algebra: Algebra | None = None
) -> Verdict | None:
    r"""The verdict on a bare answer, or ``None`` where it takes an algebra and there is none.

    >>> judge("27", "27.0").reason
    'same number'
    >>> judge(r"\sqrt{8}", r"2\sqrt{2}") is None
    True
    """
    equal = decide(answer, reference, rel_tol, abs_tol)
    if equal is not None:
        return Verdict("correct" if equal else "wrong", answer, "same number" if equal else "another number")
    algebra = algebra or Algebra()
    try:
        if same_text(answer, reference):
            return Verdict("correct", answer, "same text")
        equal = Comparison(algebra, rel_tol, abs_tol).same(parse(answer), parse(reference))
    except Undecided:
        return None
    except Unparsable as error:
        fault = unreadable(reference, algebra)
        return Verdict("bad_reference", answer, fault) if fault else Verdict("unparsable", answer, str(error))
    if equal:
        return Verdict("correct", answer, "equal")
    fault = unreadable(reference, algebra)
    return Verdict("bad_reference", answer, fault) if fault else Verdict("wrong", answer, "not equal")


def unreadable(reference: str, algebra: Algebra) -> str | None:
    r"""What of a reference the checker cannot read, ``None`` where it can read all of it.

    >>> unreadable(r"\sum_{k=1}^n k", Algebra()), unreadable("x=5", Algebra())
    ("'=' is not in an answer's vocabulary", None)
    """
    try:
        require_readable(parse(reference), algebra)
    except Unparsable as error:
        return str(error)
    return None


def same_text(answer: str, reference: str) -> bool:
    """Whether two answers are one text in canonical LaTeX."""
    return without_blanks(normalise(answer)) == without_blanks(normalise(reference))
