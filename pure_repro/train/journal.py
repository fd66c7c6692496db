"""A run's own record: one JSON object a line, cut back to the checkpoint when a run resumes."""

import gzip
import json
import math
from pathlib import Path


def as_row(line: bytes) -> dict | None:
    r"""The row that a line holds, if it holds a whole one.

    >>> as_row(b'{"step": 4, "loss": 0.5}'), as_row(rb'{"step": 4, "response": "\boxed{2}'), as_row(b'{"step": \xff}')
    ({'step': 4, 'loss': 0.5}, None, None)
    """
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and type(row.get("step")) is int else None


def finite(row: dict) -> dict:
    """The row without numbers that are none, which JSON has no word for.

    >>> finite({"step": 4, "loss": float("nan"), "problem": "1+1"})
    {'step': 4, 'problem': '1+1'}
    """
    return {name: value for name, value in row.items() if not isinstance(value, float) or math.isfinite(value)}


class Journal:
    """Append-only rows, each with a ``step``.

    >>> import tempfile
    >>> journal = Journal(Path(tempfile.mkdtemp()) / "metrics.jsonl")
    >>> for step in (1, 2, 3): journal.append({"step": step, "loss": 0.5})
    >>> journal.cut_after(2)
    >>> [row["step"] for row in journal.rows()]
    [1, 2]
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.packed = path.with_name(path.name + ".gz")

    def append(self, row: dict) -> None:
        """Write one row, strict JSON: a number that is none is left out. It is on disk before the next step begins."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(finite(row), allow_nan=False) + "\n")

    def lines(self) -> list[bytes]:
        """The lines as they were written, of the compressed file where only that is left."""
        if self.path.exists():
            return self.path.read_bytes().split(b"\n")
        return gzip.decompress(self.packed.read_bytes()).split(b"\n") if self.packed.exists() else []

    def rows(self) -> list[dict]:
        """All rows in order. A line that is none counts for nothing, as the last one where its writer was killed."""
        return [row for line in self.lines() if (row := as_row(line)) is not None]

    def cut_after(self, step: int) -> None:
        """Drop the rows of later steps, and what is none: they belong to work that the checkpoint does not hold."""
        whole = [(row["step"], line) for line in self.lines() if (row := as_row(line)) is not None]
        self.path.write_bytes(b"".join(line + b"\n" for at, line in whole if at <= step))

    def broken(self) -> list[int]:
        """Numbers of the lines that are no rows, but for the last: a killed process leaves half of that one."""
        return [n for n, line in enumerate(self.lines()[:-1], 1) if line.strip() and as_row(line) is None]

    def compress(self) -> None:
        """Replace the finished file by its gzip, without a time stamp, so that equal runs give equal bytes."""
        self.packed.write_bytes(gzip.compress(self.path.read_bytes(), mtime=0))
        self.path.unlink()
