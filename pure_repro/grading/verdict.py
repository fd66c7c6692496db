"""What grading says about one response."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["correct", "wrong", "no_answer", "unparsable", "timeout", "bad_reference"]


@dataclass(frozen=True)
class Verdict:
    """The verdict on one response.

    ``status`` tells apart why a response earns nothing: it is ``wrong``, it has ``no_answer``, its answer is
    ``unparsable`` (we cannot say what it means), deciding took longer than the deadline (``timeout``), or the
    reference is the one that means nothing to the checker (``bad_reference``): no answer but its own text is right.

    >>> Verdict("correct", "27", "same number").correct
    True
    """

    status: Status
    answer: str | None  # the text that was compared, None where the response gives none
    reason: str  # which rule decided, in a few words

    @property
    def correct(self) -> bool:
        """``status == "correct"``."""
        return self.status == "correct"
