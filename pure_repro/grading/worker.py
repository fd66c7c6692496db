"""A child process that judges one answer after another: a JSON object a line in, a JSON list a line out.

It imports sympy once and then forks: its own child judges, and may be killed at any moment. The kernel ends that child
when an answer has taken more processor time than its deadline, and the next child, forked from the process that has
everything imported, goes on with the next answer within milliseconds. The deadline is processor time of the answer
alone, so neither a busy machine nor the start of a worker makes a ``timeout`` of a right answer. A child bounds its own
memory and writes no file.
"""

import gc
import json
import os
import resource
import signal
import sys
from typing import TextIO

from pure_repro.grading.profiles import rules
from pure_repro.grading.verdict import Verdict

AT_THE_BOUND = 0.9  # of its memory: a failure of such a process is one of memory
WARMING = (  # pairs that make sympy import and cache what most answers need
    (r"\frac{\sqrt{2}x}{3}", r"\sin x"),
    (r"(x+1)^2", r"x^2+2x+1"),
    (r"\sin^2 x+\cos^2 x", "1"),
    (r"\sqrt{7-4\sqrt{3}}", r"2-\sqrt{3}"),
    (r"\log_2 8+e^{i\pi}", r"\binom{4}{2}"),
    ("y=2x+3", "2x-y+3=0"),
    (r"(-\infty,\sqrt{2})\cup(2,3)", r"(2,3)\cup(-\infty,\sqrt{2})\cup(2,\sqrt{5})"),
)


def main() -> None:
    """Fork one judging child after the other until stdin closes."""
    out = os.fdopen(os.dup(1), "w")  # ours alone: whatever a library prints goes to stderr
    os.dup2(2, 1)
    memory = int(sys.argv[1]) * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    from pure_repro.grading.sympy_algebra import SympyAlgebra

    algebra = SympyAlgebra()
    for answer, reference in WARMING:
        rules("strict").judge(answer, reference, algebra=algebra)
    gc.freeze()  # what is here stays shared with every child
    for limit in (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE):
        resource.setrlimit(limit, (0, 0))
    print("ready", file=out, flush=True)
    while True:
        child = os.fork()
        if not child:
            serve(out, algebra)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) == 0:
            return  # stdin is closed
        print(json.dumps(["timeout", None, why(os.waitstatus_to_exitcode(status))]), file=out, flush=True)


def why(exit_code: int) -> str:
    """How a judging child was lost.

    >>> why(-signal.SIGPROF), why(1)
    ('no verdict before its deadline', 'worker ran out of memory or crashed')
    """
    return "no verdict before its deadline" if exit_code == -signal.SIGPROF else "worker ran out of memory or crashed"


def serve(out: TextIO, algebra: object) -> None:
    """Judge until stdin closes. The timer counts this process's time and is not handled: it ends the process."""
    for line in sys.stdin:
        job = json.loads(line)
        signal.setitimer(signal.ITIMER_PROF, job.pop("deadline"))
        verdict = worker_verdict(algebra=algebra, **job)
        signal.setitimer(signal.ITIMER_PROF, 0)
        print(json.dumps([verdict.status, verdict.answer, verdict.reason]), file=out, flush=True)


def worker_verdict(profile: str, answer: str, reference: str, **options: object) -> Verdict:
    """The verdict, whatever sympy makes of the answer; a process at its memory bound ends, and a fresh one follows."""
    try:
        verdict: Verdict = rules(profile).judge(answer, reference, **options)
    except MemoryError:
        os._exit(1)
    except Exception as error:  # sympy raises many kinds, and none may cost another answer its verdict
        verdict = Verdict("unparsable", answer, f"{type(error).__name__} in the checker")
    if verdict.status == "unparsable" and memory_used() > AT_THE_BOUND:
        os._exit(1)  # an allocation that failed inside sympy comes out as an error of its own
    return verdict


def memory_used() -> float:
    """The share of its address space that this process has had in use at its peak."""
    bound, _ = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/status") as status:
        peak = next(int(line.split()[1]) for line in status if line.startswith("VmPeak:"))
    return peak * 1024 / bound


if __name__ == "__main__":
    main()
