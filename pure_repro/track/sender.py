"""The process that sends letters to a tracker, beside a run: started and told by :mod:`pure_repro.track.follow`.

It reads its standard input: a line for each new letter. Between two lines, and once more when the run has ended, it
sends what waits. It gives up an attempt after seconds, warns once, and leaves what it could not send in the outbox.
"""

import fcntl
import json
import logging
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from pure_repro.config import Track
from pure_repro.track.outbox import OUTBOX, Child, Letter, tracker_of, waiting
from pure_repro.track.redact import words_of

PATIENCE = 5  # seconds for one answer of a tracker
LONGEST = 120  # seconds for one letter, whatever a tracker is doing
AFTERLIFE = 3  # seconds in which the processes of a killed run let go of its locks
QUIET = {  # of MLflow, read when it is imported; what a user has set stays
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": str(PATIENCE),
}
REMEDY = "it waits in {}: the next run sends it, or python -m pure_repro.track send"


class Overdue(BaseException):
    """A letter that took too long; MLflow catches every ``Exception`` and would try again."""

    def __str__(self) -> str:
        return f"no end after {LONGEST} seconds"


@dataclass
class Sender:
    """What a sender knows: its stores with the address of their tracker, and the letters of its own run."""

    uris: dict[Path, str | None] = field(default_factory=dict)
    own: set[str] = field(default_factory=set)
    warned: bool = False

    def hear(self, lines: list[str]) -> None:
        """Take up what the run has said."""
        for message in map(json.loads, lines):
            self.uris[Path(message["store"])] = message["uri"]
            self.own.add(message["key"])

    def attempt(self, ended: bool) -> None:
        """Send what waits for the trackers of this run; ``ended``: nobody works on its letters any more."""
        for store, uri in self.uris.items():
            try:
                for page in send(store, uri, self.own, ended, self.warn):
                    print(page, flush=True)
            except (Exception, Overdue) as error:
                self.warn(store, words_of(error, uri))

    def warn(self, store: Path, reason: str) -> None:
        """Say it once: a tracker that is away stays away, and a log is read by people."""
        if not self.warned:
            print(f"warning: not tracked yet ({reason}); {REMEDY.format(store / OUTBOX)}", file=sys.stderr, flush=True)
        self.warned = True


def send(store: Path, uri: str | None, own: set[str], ended: bool, warn: Callable[[Path, str], None]) -> Iterator[str]:
    """Send every letter of a store that waits for a tracker, in order; yields the pages of tables and sweeps.

    A run that another process still works on has a sender of its own. A letter that cannot be sent for its own sake
    leaves the others to be sent; raises what the tracker does where it is that which fails.
    """
    here = Track(name="mlflow", uri=uri, experiment="", parent=None)
    letters = [both for both in waiting(store) if both[0].tracker == tracker_of(here, Path.cwd())]
    if letters:
        reach(uri)
    for letter, files in letters:
        mine = letter.key in own
        working = (mine and not ended) or in_work(store, letter, AFTERLIFE if mine else 0)
        if working and not mine:
            continue
        try:
            with deadline(LONGEST), alone(store / OUTBOX / f".{letter.key}.lock"):
                status, page = deliver(letter, store, uri, working)
        except (ValueError, KeyError, FileNotFoundError) as error:  # its files are not what they should be
            warn(store, words_of(error, uri))
            continue
        for path in files if status != "RUNNING" else files[:-1]:
            path.unlink(missing_ok=True)
        if page:
            yield page


def deliver(letter: Letter, store: Path, uri: str | None, working: bool) -> tuple[str, str | None]:
    """Send one letter; returns how the run stands, and the page of a table or sweep."""
    from pure_repro.track.parents import sync_parent
    from pure_repro.track.runs import sync

    track = Track(name="mlflow", uri=uri, experiment=letter.experiment, parent=letter.parent)
    if isinstance(letter.content, Child):
        status = standing(letter, store, working)
        sync(letter.content, store, track, status)
        return status, None
    finished = letter.content.folder is not None
    status = "FINISHED" if finished else "RUNNING" if working else "KILLED"
    page = sync_parent(letter.content, track, status)
    return status, page if finished else None


def standing(letter: Letter, store: Path, working: bool) -> str:
    """How a run stands, in MLflow's words."""
    assert isinstance(letter.content, Child)
    folders = letter.content.folders(store).values()
    if all((folder / "manifest.json").exists() for folder in folders):
        return "FINISHED"
    return "FAILED" if letter.failed else "RUNNING" if working else "KILLED"


def in_work(store: Path, letter: Letter, seconds: float) -> bool:
    """Whether a process holds what a letter is about, after so many seconds to let go of it."""
    if isinstance(letter.content, Child):
        locks = [folder / ".lock" for folder in letter.content.folders(store).values()]
    else:
        locks = [store / OUTBOX / f".{letter.key}.open"]
    until = time.monotonic() + seconds
    while (holding := any(map(held, locks))) and time.monotonic() < until:
        time.sleep(0.1)
    return holding


def held(path: Path) -> bool:
    """Whether a process holds a file lock."""
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def reach(uri: str | None) -> None:
    """Raise within seconds where a tracker is away: MLflow itself asks a database for minutes."""
    if uri is None or uri.startswith("sqlite:///"):
        from sqlalchemy import make_url

        path = Path((make_url(uri).database if uri else None) or "mlflow.db")
        if path.exists():
            with closing(sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)) as database:
                database.execute("BEGIN IMMEDIATE")


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """One sender at a time: two would both make the run."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def deadline(seconds: int) -> Iterator[None]:
    """Raise ``Overdue`` in the block after so many seconds."""

    def overdue(number: int, frame: FrameType | None) -> NoReturn:
        raise Overdue

    before: Any = signal.signal(signal.SIGALRM, overdue)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def pulses(pipe: int) -> Iterator[list[str]]:
    """The lines that have come since the last look, until the pipe is closed or says ``end``."""
    rest = b""
    while some := os.read(pipe, 2**16):
        *lines, rest = (rest + some).split(b"\n")
        words = [line.decode() for line in lines]
        yield [word for word in words if word != "end"]
        if "end" in words:
            return


def main() -> None:
    """Send until the run has ended, and once more then."""
    os.nice(5)  # the run comes first
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    logging.disable(logging.CRITICAL)
    with suppress(ImportError):  # which takes seconds, and is no fault of a tracker
        import_module("mlflow")
    sender = Sender()
    for lines in pulses(sys.stdin.fileno()):
        sender.hear(lines)
        sender.attempt(ended=False)
    sender.attempt(ended=True)


if __name__ == "__main__":
    main()
