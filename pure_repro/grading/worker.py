"""A child process that judges one answer after another: a JSON object a line in, a JSON list a line out.

It may be killed at any moment. It bounds its own memory, writes no file, and ends itself if an answer takes longer
than its deadline and nobody is left to kill it.
"""

import json
import os
import resource
import signal
import sys

from pure_repro.grading.profiles import rules
from pure_repro.grading.verdict import Verdict

AT_THE_BOUND = 0.9  # of its memory: a failure of such a process is one of memory
GRACE = 1.0  # seconds after the deadline that the parent has to kill this process itself


def main() -> None:
    """Serve until stdin closes."""
    out = os.fdopen(os.dup(1), "w")  # ours alone: whatever a library prints goes to stderr
    os.dup2(2, 1)
    memory = int(sys.argv[1]) * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    from pure_repro.grading.sympy_algebra import SympyAlgebra

    algebra = SympyAlgebra()
    rules("strict").judge(r"\frac{\sqrt{2}x}{3}", r"\sin x", algebra=algebra)  # fills the parser's tables
    for limit in (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE):
        resource.setrlimit(limit, (0, 0))
    print("ready", file=out, flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        signal.setitimer(signal.ITIMER_REAL, job.pop("deadline") + GRACE)  # unhandled: ends the process
        verdict = judge(algebra=algebra, **job)
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(json.dumps([verdict.status, verdict.answer, verdict.reason]), file=out, flush=True)


def judge(profile: str, answer: str, reference: str, **options: object) -> Verdict:
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
