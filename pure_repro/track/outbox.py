"""What is on its way to a tracker, on disk: ``store/track/`` holds a letter for each run that is not yet wholly sent.

A letter says what to send, not the numbers: those are in the stage folders, and the tracker knows which it has. So a
later letter about the same run stands for every earlier one, and nothing is lost where a letter waits.
"""

import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from pure_repro.config import Track
from pure_repro.config.base import Strict
from pure_repro.track.manifest import write_whole
from pure_repro.track.redact import redacted_address

OUTBOX = "track"  # the folder of a store


class Child(Strict):
    """A run with all its stages: ``stages`` maps each to its address in the store."""

    stages: dict[str, str]
    name: str | None = None
    tags: dict[str, str] = Field(default_factory=dict)

    @property
    def stage(self) -> str:
        """The stage that the run is known by: its training, or the last where nothing was trained.

        >>> Child(stages={"base": "0f4a", "train": "9c1b", "score": "77d2"}).key
        'train/9c1b'
        """
        return "train" if "train" in self.stages else list(self.stages)[-1]

    @property
    def key(self) -> str:
        """What tells it from other runs of the store."""
        return f"{self.stage}/{self.stages[self.stage]}"

    def folders(self, store: Path) -> dict[str, Path]:
        """Its stage folders."""
        return {stage: store / stage / address for stage, address in self.stages.items()}


class Parent(Strict):
    """A table or a sweep: what is shown above its runs. ``folder`` holds its files; none while it is not finished."""

    name: str  # by which it is found
    kind: str  # table or sweep
    title: str
    description: str = ""
    folder: str | None = None
    table: list[dict[str, Any]] = Field(default_factory=list)

    @property
    def key(self) -> str:
        """What tells it from other parents of the store."""
        return f"{self.kind}/{self.name}"


class Letter(Strict):
    """Something to send, and where to. ``tracker`` is its address without secrets."""

    tracker: str
    experiment: str
    parent: str | None
    content: Child | Parent
    failed: bool = False

    @property
    def key(self) -> str:
        """The same for every letter about the same run at the same place."""
        parts = json.dumps([self.tracker, self.experiment, self.parent, self.content.key])
        return hashlib.sha256(parts.encode()).hexdigest()[:12]


def tracker_of(track: Track, folder: Path) -> str:
    """How letters name a tracker; the default one is the database of the working folder."""
    return redacted_address(track.uri) if track.uri else str(folder / "mlflow.db")


def post(store: Path, letter: Letter) -> Path:
    """Put a letter into the outbox of a store, behind all others."""
    path = store / OUTBOX / f"{time.time_ns()}-{letter.key}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, letter.model_dump_json(indent=2) + "\n")
    return path


def waiting(store: Path) -> list[tuple[Letter, Sequence[Path]]]:
    """The letters of a store in the order in which they were posted: the last about each run, and all its files."""
    files: dict[str, list[Path]] = {}
    for path in sorted((store / OUTBOX).glob("*-*.json")):
        key = path.stem.split("-")[1]
        files[key] = [*files.pop(key, []), path]
    return [(letter, paths) for paths in files.values() if (letter := _read(paths[-1]))]


def unread_letters(store: Path) -> list[Path]:
    """Files among the letters that are none, or are those of another version."""
    return [path for path in sorted((store / OUTBOX).glob("*-*.json")) if path.exists() and _read(path) is None]


def _read(path: Path) -> Letter | None:
    """A letter; none where another process has just sent it, or where the file is none."""
    try:
        return Letter.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
