"""Where the time of a training step goes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Clock:
    """Seconds by phase, since they were taken last.

    >>> clock = Clock()
    >>> with clock.phase("sample"): pass
    >>> [*clock.take()], clock.take()
    (['sample'], {})
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the time spent inside."""
        start = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    def take(self) -> dict[str, float]:
        """The seconds of each phase; the next ones count from here."""
        taken, self.seconds = self.seconds, {}
        return taken
