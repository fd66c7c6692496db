"""A run's own record: one JSON object a line, cut back to the checkpoint when a run resumes."""

import gzip
import json
from pathlib import Path


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
        """Write one row; it is on disk before the next step begins."""
        with self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")

    def rows(self) -> list[dict]:
        """All rows in order, of the compressed file where only that is left."""
        if self.path.exists():
            text = self.path.read_text()
        elif self.packed.exists():
            text = gzip.decompress(self.packed.read_bytes()).decode()
        else:
            return []
        return [json.loads(line) for line in text.splitlines() if line.endswith("}")]

    def cut_after(self, step: int) -> None:
        """Drop the rows of later steps: they belong to work that the checkpoint does not hold."""
        kept = [row for row in self.rows() if row["step"] <= step]
        self.path.write_text("".join(json.dumps(row) + "\n" for row in kept))

    def compress(self) -> None:
        """Replace the finished file by its gzip, without a time stamp, so that equal runs give equal bytes."""
        self.packed.write_bytes(gzip.compress(self.path.read_bytes(), mtime=0))
        self.path.unlink()
