r"""Is this answer right? One checker for the verifiable reward and for the score.

>>> grade(r"Half of 54, so \boxed{27}.", "27.0").status
'correct'
>>> answers_match(r"\frac{1}{2}", "0.5")
True
>>> [v.status for v in grade_many([r"\boxed{1}", "no box"], ["1", "1"])]
['correct', 'no_answer']
"""

from collections.abc import Sequence

from pure_repro.grading.cheap import decide
from pure_repro.grading.extract import last_boxed
from pure_repro.grading.verdict import Status, Verdict

__all__ = ["Status", "Verdict", "answers_match", "extract_answer", "grade", "grade_many"]


def extract_answer(response: str, profile: str = "strict") -> str | None:
    """The answer a response gives, or ``None``."""
    return last_boxed(response)


def grade(response: str, reference: str, profile: str = "strict") -> Verdict:
    """Find the answer in a whole response and compare it with the reference."""
    answer = extract_answer(response, profile)
    if answer is None:
        return Verdict("no_answer", None, "no complete box")
    equal = decide(answer, reference)
    return Verdict("correct" if equal else "wrong", answer, "compared without algebra")


def answers_match(answer: str, reference: str, profile: str = "strict") -> bool:
    """Whether two bare answers are equal."""
    return bool(decide(answer, reference))


def grade_many(responses: Sequence[str], references: Sequence[str], profile: str = "strict") -> list[Verdict]:
    """``grade`` for many responses, order kept."""
    return [grade(response, reference, profile) for response, reference in zip(responses, references, strict=True)]
