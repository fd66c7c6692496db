"""Worker processes that can be killed, so that no answer takes longer than its deadline.

Children are started with ``exec``, not forked: they share no lock, no thread and no CUDA context with the caller,
and import neither torch nor the caller's ``__main__``. Nothing here uses signals, so any thread may call. What forks is
the worker itself (``worker.py``), which has one thread: the child that judges is replaced at no cost when it is lost.
"""

import atexit
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from queue import LifoQueue

from pure_repro.grading.verdict import Verdict

START_LIMIT = 300.0  # seconds that a worker may take to import sympy
PATIENCE = 100.0  # seconds on the clock for every second of processor time: a machine may be that busy
PACKAGE_ROOT = Path(__file__).resolve().parents[2]

GradeRequest = dict[str, str | float | None]  # profile, answer, reference, rel_tol, abs_tol


class Lost(Exception):
    """A worker ended or fell silent."""


class Worker:
    """One child process.

    Raises ``RuntimeError`` where it cannot start.
    """

    def __init__(self, memory_mib: int) -> None:
        path = os.pathsep.join(filter(None, [str(PACKAGE_ROOT), os.environ.get("PYTHONPATH")]))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pure_repro.grading.worker", str(memory_mib)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,  # a group of its own, to be ended with its child
        )
        assert self.process.stdin and self.process.stdout  # for the type checker: both are pipes
        self.stdin, self.stdout = self.process.stdin, self.process.stdout
        try:
            self.line(START_LIMIT)
        except Lost as error:
            self.kill()
            raise RuntimeError(
                f"A grading worker could not start ({error}); its message is above, memory_mib={memory_mib} bounds it."
            ) from None

    def ask(self, job: GradeRequest, deadline: float) -> Verdict:
        """The verdict on one job; ``timeout`` where it takes more processor time than ``deadline`` seconds, or memory.

        Raises ``Lost`` where the worker itself ends or says nothing for a very long time.
        """
        try:
            self.stdin.write(json.dumps({**job, "deadline": deadline}).encode() + b"\n")
            self.stdin.flush()
        except BrokenPipeError:
            raise Lost("worker ended") from None
        status, answer, reason = json.loads(self.line(START_LIMIT + PATIENCE * deadline))
        return Verdict(status, str(job["answer"]) if status == "timeout" else answer, reason)

    def line(self, limit: float) -> bytes:
        """The next line it writes, within ``limit`` seconds."""
        poll, expires, received = select.poll(), time.monotonic() + limit, b""
        poll.register(self.stdout, select.POLLIN)
        while not received.endswith(b"\n"):
            if not poll.poll(max(0.0, expires - time.monotonic()) * 1000):
                raise Lost(f"silent for {limit:g} s")
            chunk = os.read(self.stdout.fileno(), 65_536)
            if not chunk:
                raise Lost("worker ended")
            received += chunk
        return received

    def kill(self) -> None:
        """End the process and its child for real."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Pool:
    """Up to ``workers`` children, each started when first needed and kept; any number of threads may ask."""

    def __init__(self, workers: int, memory_mib: int) -> None:
        self.workers, self.memory_mib = workers, memory_mib
        self.slots: LifoQueue[Worker | None] = LifoQueue()  # last in, first out: a warm worker before a new one
        for _ in range(workers):
            self.slots.put(None)
        atexit.register(self.close)

    def ask(self, job: GradeRequest, deadline: float) -> Verdict:
        """One verdict; ``timeout`` where the answer outlives its deadline or kills its worker."""
        worker = self.slots.get()
        try:
            worker = worker or Worker(self.memory_mib)
            return worker.ask(job, deadline)
        except BaseException as error:
            if worker:
                worker.kill()
            worker = None  # the next one to need this slot starts a new worker
            if isinstance(error, Lost):
                return Verdict("timeout", str(job["answer"]), str(error))
            raise
        finally:
            self.slots.put(worker)

    def ask_all(self, jobs: Sequence[GradeRequest], deadline: float) -> list[Verdict]:
        """``ask`` for every job, order kept."""
        if len(jobs) < 2:
            return [self.ask(job, deadline) for job in jobs]
        with ThreadPoolExecutor(self.workers) as threads:
            return list(threads.map(lambda job: self.ask(job, deadline), jobs))

    def close(self) -> None:
        """End all children."""
        while not self.slots.empty():
            if worker := self.slots.get():
                worker.kill()


@lru_cache(maxsize=8)
def shared_pool(workers: int, memory_mib: int, process_id: int) -> Pool:
    """The pool of this process; a forked child makes its own."""
    return Pool(workers, memory_mib)
