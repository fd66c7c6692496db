"""600 hostile and 600 good answers in one batch: no neighbour is harmed, and the batch ends (``make test-slow``)."""

import os
import random
import resource
import time
from collections import Counter

import pytest

from pure_repro.grading import grade_many
from pure_repro.grading.pool import shared_pool
from pure_repro.grading.strict import judge
from tests.grading.conftest import table
from tests.grading.hostile import HOSTILE

MOST_SECONDS = 600.0  # of processor time, all workers together


@pytest.mark.slow
def test_hostile_campaign() -> None:
    dice = random.Random(0)
    hostile = [text for text in HOSTILE if judge(text, r"\sqrt{2}x") is None]  # what reaches a worker comes first
    hostile = (hostile + [text for text in HOSTILE if text not in hostile])[:600]
    rows = [row for row in table("verdicts.tsv") if row["verdict"] == "correct" and "boxed" not in row["answer"]]
    algebra = [row for row in rows if judge(row["answer"], row["reference"]) is None]
    good = [(row["answer"], row["reference"]) for row in (algebra + rows)[:600]]
    work = [(text, r"\sqrt{2}x", False) for text in hostile] + [(*pair, True) for pair in good]
    dice.shuffle(work)
    started = time.monotonic()
    verdicts = grade_many(
        [rf"\boxed{{{text}}}" for text, _, _ in work], [reference for _, reference, _ in work], deadline=1.0
    )
    seconds = time.monotonic() - started
    harmed = [(pair, verdict) for pair, verdict in zip(work, verdicts, strict=True) if pair[2] and not verdict.correct]
    statuses = Counter(verdict.status for pair, verdict in zip(work, verdicts, strict=True) if not pair[2])
    shared_pool(2, 1024, os.getpid()).close()  # the workers' own usage is known once they have ended
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"\n{len(hostile)} hostile ({dict(statuses)}), {len(good)} good ({len(algebra)} of the table take algebra), "
        f"{len(harmed)} harmed; {seconds:.0f} s on the clock, {used.ru_utime + used.ru_stime:.0f} s of processors, "
        f"largest worker {used.ru_maxrss / 1024:.0f} MiB"
    )
    assert not harmed and statuses["correct"] == 0
    assert used.ru_utime + used.ru_stime < MOST_SECONDS
