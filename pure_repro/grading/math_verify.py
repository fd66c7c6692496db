"""Math-Verify's verdict, where that library is installed (``pip install math-verify``): a second opinion.

It finds the answer in the response itself. It is given no time limit of its own, because its limit is a signal
that only works in the main thread; the worker's deadline takes its place.
"""

from pure_repro.grading.compare import Algebra
from pure_repro.grading.verdict import Verdict


def extract(response: str) -> str | None:
    """The whole response; the library looks for the answer in it."""
    return response or None


def judge(
    answer: str, reference: str, rel_tol: float = 0.0, abs_tol: float = 0.0, algebra: Algebra | None = None
) -> Verdict | None:
    r"""What ``math_verify.verify`` says. It has no tolerance: ``rel_tol`` and ``abs_tol`` change nothing.

    Nothing is decided in the caller's process, where ``algebra`` is ``None``.
    """
    if algebra is None:
        return None
    from math_verify import parse, verify

    found = parse(answer, parsing_timeout=None)
    if not found:
        return Verdict("no_answer", None, "Math-Verify finds no answer")
    target = parse(f"${reference}$", parsing_timeout=None)
    equal = verify(target, found, timeout_seconds=None)
    return Verdict("correct" if equal else "wrong", str(found[-1]), "by Math-Verify")
