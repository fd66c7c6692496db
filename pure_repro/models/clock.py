"""Where the time and the memory of a training step go."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

GIB = 2**30


class Clock:
    """Seconds by phase since they were taken last, and on a GPU the most memory that each has held.

    >>> clock = Clock()
    >>> with clock.phase("sample"): pass
    >>> [*clock.take()], clock.take()
    (['sample'], {})
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.gibibytes: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the time spent inside."""
        gpu = torch.cuda.is_available()
        if gpu:
            torch.cuda.reset_peak_memory_stats()
        start = time.perf_counter()
        yield
        if gpu:  # it works behind the program's back
            torch.cuda.synchronize()
            held = torch.cuda.max_memory_allocated() / GIB
            self.gibibytes[name] = max(held, self.gibibytes.get(name, 0.0))
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    def take(self) -> dict[str, float]:
        """The seconds of each phase; the next ones count from here."""
        taken, self.seconds = self.seconds, {}
        return taken

    def take_gibibytes(self) -> dict[str, float]:
        """The same of memory; empty without a GPU."""
        taken, self.gibibytes = self.gibibytes, {}
        return taken
