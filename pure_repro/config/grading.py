"""Which answers are right (``conf/grading/``)."""

from typing import Literal

from pure_repro.config.base import Count, Positive, Strict


class Grading(Strict):
    """Which rules say that an answer is right, for the verifiable reward and for the score, and what they may cost."""

    profile: Literal["strict", "published", "math_verify"]
    deadline: Positive
    workers: Count
    memory_mib: Count
