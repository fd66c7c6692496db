r"""Is this answer right? One checker for the verifiable reward and for the score.

>>> grade(r"Half of 54, so \boxed{27}.", "27.0").status
'correct'
>>> answers_match(r"\frac{1}{2}", "0.5")
True
>>> [v.status for v in grade_many([r"\boxed{1}", "no box"], ["1", "1"])]
['correct', 'no_answer']

What cannot be decided by comparing text and exact fractions goes to child processes that are killed at the
deadline; they start at the first such answer. Importing this package imports neither sympy nor torch.
"""

import os
from collections.abc import Callable, Sequence

from pure_repro.grading.pool import GradeRequest, shared_pool
from pure_repro.grading.profiles import PROFILES, rules
from pure_repro.grading.verdict import Status, Verdict

__all__ = ["PROFILES", "Status", "Verdict", "answers_match", "extract_answer", "grade", "grade_many"]

JudgeFunction = Callable[[str, str, float, float], Verdict | None]

NO_ANSWER = Verdict("no_answer", None, "no complete answer")


def extract_answer(response: object, profile: str = "strict") -> str | None:
    r"""The answer that a whole response gives, ``None`` where it gives none.

    >>> extract_answer(r"so \boxed{1}, no: \boxed{\frac{1}{2}}.")
    '\\frac{1}{2}'
    """
    return rules(profile).extract(response) if isinstance(response, str) else None


def grade(
    response: object,
    reference: object,
    profile: str = "strict",
    *,
    rel_tol: float = 0.0,
    abs_tol: float = 0.0,
    deadline: float = 5.0,
    workers: int = 2,
    memory_mib: int = 1024,
) -> Verdict:
    r"""Find the answer in a whole response and compare it with the reference.

    ``rel_tol`` and ``abs_tol`` are for benchmarks with measured numbers: |answer − reference| at most
    max(rel_tol · max(|answer|, |reference|), abs_tol). Zero, the default, compares exactly. ``deadline`` is in
    seconds per answer; ``memory_mib`` bounds each worker.

    Whatever is given gets a verdict: a response that is no text has no answer, a number as the reference is its
    digits, and any other reference that is no text is a ``bad_reference``. Raises ``ValueError`` for an unknown
    profile, ``RuntimeError`` where a worker cannot start.

    >>> grade("The area is 12.", "12").status, grade("The area is 12.", "12", "published").status
    ('no_answer', 'correct')
    """
    (verdict,) = grade_many(
        [response],
        [reference],
        profile,
        rel_tol=rel_tol,
        abs_tol=abs_tol,
        deadline=deadline,
        workers=workers,
        memory_mib=memory_mib,
    )
    return verdict


def answers_match(
    answer: object,
    reference: object,
    profile: str = "strict",
    *,
    rel_tol: float = 0.0,
    abs_tol: float = 0.0,
    deadline: float = 5.0,
    workers: int = 2,
    memory_mib: int = 1024,
) -> bool:
    r"""Whether two bare answers are equal. Arguments and errors are those of ``grade``.

    >>> answers_match(r"\{1, 2\}", "2,1"), answers_match("(1,2)", "(2,1)"), answers_match("0.333", r"\frac13")
    (True, False, False)
    """
    text, target = answer if isinstance(answer, str) else None, as_text(reference)
    verdict = at_once(rules(profile).judge, text, target, rel_tol, abs_tol)
    if verdict is None:
        job = {"profile": profile, "answer": text, "reference": target, "rel_tol": rel_tol, "abs_tol": abs_tol}
        verdict = shared_pool(workers, memory_mib, os.getpid()).ask(job, deadline)
    return verdict.correct


def grade_many(
    responses: Sequence[object],
    references: Sequence[object],
    profile: str = "strict",
    *,
    rel_tol: float = 0.0,
    abs_tol: float = 0.0,
    deadline: float = 5.0,
    workers: int = 2,
    memory_mib: int = 1024,
) -> list[Verdict]:
    r"""``grade`` for many responses, order kept. Arguments and errors are those of ``grade``.

    >>> [verdict.reason for verdict in grade_many([r"\boxed{7}", r"\boxed{8}"], ["7.0", "7"])]
    ['same number', 'another number']
    """
    profile_rules = rules(profile)
    verdicts: list[Verdict | None] = []
    jobs: dict[int, GradeRequest] = {}
    for i, (response, reference) in enumerate(zip(responses, references, strict=True)):
        answer = profile_rules.extract(response) if isinstance(response, str) else None
        target = as_text(reference)
        verdict = at_once(profile_rules.judge, answer, target, rel_tol, abs_tol)
        verdicts.append(verdict)
        if verdict is None:
            jobs[i] = {
                "profile": profile, "answer": answer, "reference": target, "rel_tol": rel_tol, "abs_tol": abs_tol,
            }  # fmt: skip
    if jobs:
        pool = shared_pool(workers, memory_mib, os.getpid())
        for i, verdict in zip(jobs, pool.ask_all(list(jobs.values()), deadline), strict=True):
            verdicts[i] = verdict
    return [verdict for verdict in verdicts if verdict is not None]


def as_text(reference: object) -> str | None:
    """A reference as text: a number is its digits, ``None`` what is neither.

    >>> as_text("x"), as_text(27), as_text([27])
    ('x', '27', None)
    """
    return str(reference) if isinstance(reference, str | int | float) else None


def at_once(
    judge: JudgeFunction, answer: str | None, reference: str | None, rel_tol: float, abs_tol: float
) -> Verdict | None:
    """The verdict that needs no algebra, or ``None``.

    Whatever goes wrong here is left to a worker, too, where it costs this one answer its verdict and no other: a
    caller that is deep in its own stack, say, has less room for ours.
    """
    if answer is None:
        return NO_ANSWER
    if reference is None:
        return Verdict("bad_reference", answer, "the reference is no text")
    try:
        return judge(answer, reference, rel_tol, abs_tol)
    except Exception:
        return None
