"""Any string gets a verdict in time, and nothing it says is ever run."""

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from itertools import cycle
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pure_repro
from pure_repro.grading import answers_match, extract_answer, grade, grade_many, published
from pure_repro.grading.pool import Pool, Worker
from pure_repro.grading.strict import judge
from tests.grading.conftest import table
from tests.grading.hostile import HOSTILE

ROOT = Path(pure_repro.__file__).parents[1]
ANSWERS = sorted({row["answer"] for row in table("verdicts.tsv")})
DEADLINE = 1.0
PATIENCE = 300.0  # where the verdict counts, not the time: a busy machine may take long
LATEX = st.text(alphabet=r"\{}()[]^_$%&,;:=<>+-*/!|. 0123456789abcxyzπ√", max_size=60)


def job(answer: str, reference: str = r"\sqrt{2}x", profile: str = "strict") -> dict[str, str | float]:
    return {"profile": profile, "answer": answer, "reference": reference, "rel_tol": 0.0, "abs_tol": 0.0}


def test_hostile_strings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every one gets a verdict, none is right, few outlive a deadline, no file appears, memory stays bounded."""
    assert len(HOSTILE) >= 500
    monkeypatch.chdir(tmp_path)
    pool, statuses = Pool(1, 1024), Counter()
    here = 0.0  # processor time of the slowest that is decided in this process
    for text, reference in zip(HOSTILE, cycle((r"\sqrt{2}x", r"(1,\frac{\pi}{2}]")), strict=False):
        start = time.process_time()
        verdict = judge(text, reference)
        here = max(here, time.process_time() - start)
        if verdict is None:
            verdict = pool.ask(job(text, reference), DEADLINE)
        statuses[verdict.status] += 1
        assert verdict.status in ("wrong", "unparsable", "timeout"), (text[:80], verdict)
    pool.close()
    assert here < 5 * DEADLINE  # a busy machine's clock of the processor is coarse
    assert statuses["timeout"] <= 40
    assert not list(tmp_path.iterdir())


def test_hostile_responses_in_every_profile() -> None:
    for profile in ("strict", "published"):
        for text in HOSTILE:
            extract_answer(text, profile)
            extract_answer(rf"\boxed{{{text}}}", profile)
    for text in HOSTILE:
        published.judge(text[:5000], r"\frac{1}{2}")


def test_the_parser_runs_no_text() -> None:
    """An audit hook sees every compile, write and process start of a worker's algebra: there is none.

    Rows are judged once before, because sympy imports parts of itself when it first needs them; the polynomial
    arithmetic that it generates from templates of its own is left out.
    """
    program = """
import sys
from sympy.core.cache import clear_cache
from pure_repro.grading import normalise, parse, strict, sympy_algebra, whitelist
from tests.grading.conftest import table

def judge_all():
    algebra = sympy_algebra.SympyAlgebra()
    for cached in (normalise.normalise, parse.parse, whitelist.explicit, sympy_algebra.expression):
        cached.cache_clear()
    clear_cache()
    return [strict.judge(row["answer"], row["reference"], algebra=algebra).status for row in table("verdicts.tsv")]

seen, watching = [], False
def watch(event, arguments):
    if event == "compile" and "def monomial_" in str(arguments[0]):
        return
    if watching and (
        event in ("compile", "os.system", "subprocess.Popen", "os.remove")
        or (event == "open" and set(str(arguments[1])) & set("wax+"))
    ):
        seen.append((event, arguments))

sys.addaudithook(watch)
first = judge_all()
watching = True
compile("1", "seen", "eval")  # proves that the hook sees
second = judge_all()
watching = False
sys.exit(0 if len(seen) == 1 and first == second else repr(seen[:4]))
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200))
def test_any_text_gets_a_verdict(text: str) -> None:
    for profile in ("strict", "published"):
        grade(text, "1", profile)
    assert grade(rf"\boxed{{{text}}}", r"\sqrt{2}").status != "timeout"


@settings(max_examples=300, deadline=None)
@given(LATEX, st.sampled_from(ANSWERS))
def test_symmetric(one: str, other: str) -> None:
    assert answers_match(one, other, deadline=PATIENCE) == answers_match(other, one, deadline=PATIENCE)


@settings(max_examples=300, deadline=None)
@given(st.integers(-(10**12), 10**12), st.integers(-(10**12), 10**12))
def test_integers(one: int, other: int) -> None:
    assert answers_match(str(one), str(other)) == (one == other)
    assert answers_match(f"{one:,}", f"{one}.0")


@settings(max_examples=200, deadline=None)
@given(st.fractions(max_denominator=10**6), st.integers(2, 99))
def test_fractions(value, factor: int) -> None:
    latex = rf"\frac{{{value.numerator * factor}}}{{{value.denominator * factor}}}"
    assert answers_match(latex, f"{value.numerator}/{value.denominator}")
    assert not answers_match(latex, rf"\frac{{{value.numerator + 1}}}{{{value.denominator}}}")


def test_only_the_slow_answer_times_out() -> None:
    responses = [r"\boxed{\sqrt{8}}", r"\boxed{(10!)!}", r"\boxed{\sqrt{12}}", "none", r"\boxed{(10!)!+1}"]
    references = [r"2\sqrt{2}", "1", r"2\sqrt{2}", "1", "2"]
    verdicts = grade_many(responses, references, deadline=2.0)
    assert [verdict.status for verdict in verdicts] == ["correct", "timeout", "wrong", "no_answer", "timeout"]


def test_hostile_neighbours_harm_no_answer() -> None:
    """A small part of the campaign of ``make test-slow``, at a deadline that a busy machine's clock would outrun."""
    hostile = [
        "(10!)!",
        "9^{9^{9^{9}}}",
        "(x+y+z)^{10000}",
        r"2^{2^{2^{2^{2^{2}}}}}+x",
        r"\binom{10^9}{5 \cdot 10^8}",
    ] * 2
    good = [
        (r"x^2-1", r"(x-1)(x+1)"),
        (r"y=2x+3", r"2x-y+3=0"),
        (r"\sin^2x+\cos^2x", "1"),
        (r"\sqrt{8}", r"2\sqrt{2}"),
    ] * 3
    pairs = [pair for one, other in zip(hostile, good, strict=False) for pair in ((one, "7"), other)]
    verdicts = grade_many(
        [rf"\boxed{{{answer}}}" for answer, _ in pairs], [reference for _, reference in pairs], deadline=0.5
    )
    assert all(verdict.correct for verdict in verdicts[1::2]), verdicts[1::2]
    assert not any(verdict.correct for verdict in verdicts[::2])
    assert any(verdict.status == "timeout" for verdict in verdicts[::2])


def test_a_deadline_is_processor_time_of_the_answer() -> None:
    """A worker that is held up longer than the deadline still gives its verdict; one that computes longer does not."""
    pool, verdicts = Pool(1, 1024), []
    assert pool.ask(job(r"\sqrt{8}", r"2\sqrt{2}"), PATIENCE).correct
    worker = pool.slots.get()
    pool.slots.put(worker)
    os.killpg(worker.process.pid, signal.SIGSTOP)
    asking = threading.Thread(target=lambda: verdicts.append(pool.ask(job(r"\sqrt{18}", r"3\sqrt{2}"), 0.5)))
    asking.start()
    time.sleep(1.0)
    os.killpg(worker.process.pid, signal.SIGCONT)
    asking.join()
    assert verdicts[0].correct
    before = seconds_of_children(worker.process.pid)
    assert pool.ask(job("(10!)!"), 0.5).status == "timeout"
    assert 0.4 < seconds_of_children(worker.process.pid) - before < 2.5  # with what the child had used before
    assert pool.slots.get() is worker, "a lost child costs no new worker"
    worker.kill()


def seconds_of_children(process: int) -> float:
    """Processor time of the children that a process has seen end."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def test_memory_is_bounded() -> None:
    """A worker that needs more than its bound dies; the answer times out, the next one gets a new worker."""
    pool = Pool(1, 500)
    verdict = pool.ask(job(r"(x^2+2xy+y^2)^{3000}", r"(x+y)^{6000}"), PATIENCE)  # expands to eight million terms
    assert (verdict.status, verdict.reason) == ("timeout", "worker ran out of memory or crashed"), verdict
    assert pool.ask(job(r"\sqrt{8}", r"2\sqrt{2}"), PATIENCE).status == "correct"
    worker = pool.slots.get()
    assert resource.prlimit(worker.process.pid, resource.RLIMIT_AS) == (500 * 2**20, 500 * 2**20)
    pool.slots.put(worker)
    pool.close()


def test_a_worker_that_cannot_start_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="memory_mib=1 bounds it"):
        Pool(1, 1).ask(job("x"), 5.0)


def test_a_killed_worker_is_replaced() -> None:
    pool = Pool(1, 1024)
    assert pool.ask(job(r"\sqrt{8}", r"2\sqrt{2}"), PATIENCE).correct
    worker = pool.slots.get()
    os.killpg(worker.process.pid, signal.SIGKILL)
    pool.slots.put(worker)
    assert pool.ask(job(r"\sqrt{8}", r"2\sqrt{2}"), PATIENCE).status == "timeout"
    assert pool.ask(job(r"\sqrt{8}", r"2\sqrt{2}"), PATIENCE).correct
    pool.close()


def test_a_worker_ends_itself_if_nobody_does() -> None:
    """A parent that was killed cannot end its worker; the kernel's timer and the end of its input do."""
    worker = Worker(1024)
    line = '{"profile": "strict", "answer": "(10!)!", "reference": "1", "rel_tol": 0, "abs_tol": 0, "deadline": 0.2}\n'
    worker.stdin.write(line.encode())
    worker.stdin.close()
    assert worker.process.wait(timeout=PATIENCE) == 0


def test_threads_may_grade() -> None:
    """No signals are used, so a thread that is not the main one gets the same verdicts."""
    verdicts: dict[int, list[str]] = {}

    def run(n: int) -> None:
        responses = [rf"\boxed{{\sqrt{{{8 * k * k}}}}}" for k in range(1, 9)]
        verdicts[n] = [
            v.status for v in grade_many(responses, [rf"{2 * k}\sqrt{{2}}" for k in range(1, 9)], deadline=PATIENCE)
        ]

    threads = [threading.Thread(target=run, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verdicts == {n: ["correct"] * 8 for n in range(4)}


def test_importing_is_light() -> None:
    """Neither the caller nor a worker imports torch; the caller imports no sympy."""
    check = "import sys, pure_repro.grading as g; g.grade('a box: ' + chr(92) + 'boxed{7}', '7.0'); "
    caller = subprocess.run(
        [sys.executable, "-c", check + "sys.exit(bool({'sympy', 'torch', 'antlr4', 'numpy'} & sys.modules.keys()))"],
        cwd=ROOT,
    )
    worker = subprocess.run(
        [sys.executable, "-c", "import sys, pure_repro.grading.worker, pure_repro.grading.sympy_algebra; "
         "sys.exit('torch' in sys.modules)"],
        cwd=ROOT,
    )  # fmt: skip
    assert (caller.returncode, worker.returncode) == (0, 0)
