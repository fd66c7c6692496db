"""Tracking that cannot hurt: a run puts a letter into its store and goes on; a process of its own does the sending.

The letter costs a small file. Whatever becomes of the tracker, the numbers are in the stage folders and the letter
waits in ``store/track/``: the next command with the same tracker sends it, or ``python -m pure_repro.track send``.
"""

import atexit
import fcntl
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from pure_repro.config import Track
from pure_repro.track.outbox import OUTBOX, Child, Letter, Parent, post, tracker_of
from pure_repro.track.redact import redacted_address, words_of

GRACE = 10.0  # seconds that a command waits at its end for what is still being sent

_stages: dict[Path, Mapping[str, Path]] = {}  # of the runs of this process, by the folder they are known by
_posted: dict[str, Path] = {}  # the last letter of this process about each run
_open: dict[str, TextIO] = {}  # held locks: the parents that this process is about to fill


def follow(folder: Path, track: Track) -> None:
    """Have sent what a stage folder holds so far; returns at once, and whatever fails is one line of warning."""
    send_run(_stages.get(folder, {folder.parent.name: folder}), track)


@contextmanager
def tracked(
    stages: Mapping[str, Path], track: Track, *, name: str | None = None, tags: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Track what runs inside as one run with these stages: its scores when it has ended, or that it has failed."""
    known = _child(stages)
    _stages[known.folders(_store(stages))[known.stage]] = stages
    try:
        yield
    except Exception:
        send_run(stages, track, name=name, tags=tags, failed=True)
        raise
    send_run(stages, track, name=name, tags=tags)


def send_run(
    stages: Mapping[str, Path],
    track: Track,
    *,
    name: str | None = None,
    tags: Mapping[str, str] | None = None,
    failed: bool = False,
) -> None:
    """Have a run sent, with all its stages; ``name`` and ``tags`` are what the pages show and group by."""
    if not any((folder / "config.yaml").exists() for folder in stages.values()):
        return  # it failed before it had begun
    said = {"mlflow.source.name": command(), **(tags or {})}
    _send(_store(stages), track, _child(stages).model_copy(update={"name": name, "tags": said}), failed)


def open_parent(store: Path, track: Track, name: str, kind: str, title: str) -> Track:
    """A run above others, for a table or a sweep; returns how its runs are tracked.

    It is found by ``name``, and counts as killed where this process ends before ``send_parent``.
    """
    if track.name == "none":
        return track
    above, parent = track.model_copy(update={"parent": None}), Parent(name=name, kind=kind, title=title)
    with _harmless(track):
        letter = _letter(above, parent, failed=False)
        (store / OUTBOX).mkdir(parents=True, exist_ok=True)
        _open[name] = held = (store / OUTBOX / f".{letter.key}.open").open("w")
        with suppress(BlockingIOError):  # two commands may fill one table
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _send(store, above, parent)
    return track.model_copy(update={"parent": name})


def send_parent(store: Path, track: Track, parent: Parent) -> None:
    """Have a finished table or sweep sent: behind the letters of its runs."""
    _send(store, track.model_copy(update={"parent": None}), parent)


def settle(seconds: float = GRACE) -> list[str]:
    """Wait a little for what is being sent; returns where the pages show the tables and sweeps among it."""
    return _courier.end(seconds)


def command() -> str:
    """The words that started this process, without secrets."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    program = f"python -m {spec.name.removesuffix('.__main__')}" if spec else Path(sys.argv[0]).name
    return shlex.join([*program.split(), *map(redacted_address, sys.argv[1:])])


def _send(store: Path, track: Track, content: Child | Parent, failed: bool = False) -> None:
    if track.name == "none":
        return
    with _harmless(track):
        letter = _letter(track, content, failed)
        path = post(store, letter)
        if (earlier := _posted.get(letter.key)) is not None and earlier.parent == path.parent:
            earlier.unlink(missing_ok=True)
        _posted[letter.key] = path
        _courier.wake({"store": str(store.resolve()), "uri": track.uri, "key": letter.key})


def _letter(track: Track, content: Child | Parent, failed: bool) -> Letter:
    return Letter(
        tracker=tracker_of(track, Path.cwd()),
        experiment=track.experiment,
        parent=track.parent,
        content=content,
        failed=failed,
    )


def _child(stages: Mapping[str, Path]) -> Child:
    return Child(stages={stage: folder.name for stage, folder in stages.items()})


def _store(stages: Mapping[str, Path]) -> Path:
    return next(iter(stages.values())).parents[1]


@contextmanager
def _harmless(track: Track) -> Iterator[None]:
    """Hours of training weigh more than a line of a log: a disk that is full or not ours to write on ends nothing."""
    try:
        yield
    except Exception as error:
        print(f"warning: not tracked ({words_of(error, track.uri)})", file=sys.stderr)


class Courier:
    """The process that sends, ``pure_repro.track.sender``: it is told through a pipe, which nobody waits for."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.folder = Path()

    def wake(self, message: Mapping[str, str | None]) -> None:
        """Say that a letter waits. Where the pipe is full it has been told often enough."""
        if self.process is not None and self.folder != Path.cwd():
            self.end(GRACE)
        if self.process is None or self.process.poll() is not None:
            self.start()
        self.tell(json.dumps(message))

    def tell(self, line: str) -> None:
        """Write a line into the pipe."""
        assert self.process is not None and self.process.stdin is not None
        with suppress(BlockingIOError, BrokenPipeError):
            os.write(self.process.stdin.fileno(), line.encode() + b"\n")

    def start(self) -> None:
        """Start it in a session of its own: Ctrl-C is for the run, and how that ended is the last thing to send."""
        self.folder = Path.cwd()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pure_repro.track.sender"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self.process.stdin is not None
        os.set_blocking(self.process.stdin.fileno(), False)

    def end(self, seconds: float) -> list[str]:
        """Let it finish; when it takes longer it goes on by itself. Returns the lines that it said."""
        if self.process is None:
            return []
        self.tell("end")
        process, self.process = self.process, None
        try:
            said, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            return []
        return said.decode().splitlines()


_courier = Courier()
atexit.register(settle)
