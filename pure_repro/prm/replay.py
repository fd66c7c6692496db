"""Rows of a reward model's own fit, kept beside it: who goes on learning learns them again, not to forget them."""

import gzip
import json
import random
from collections.abc import Sequence
from pathlib import Path

from pure_repro.config import ConfigError
from pure_repro.models.supervised import Example

KEPT = 4096  # rows
FILE = "replay.jsonl.gz"


def save_replay(examples: Sequence[Example], folder: Path, seed: int) -> None:
    """Some of the examples, drawn evenly: tokens, and the verdicts at the ends of steps."""
    drawn = random.Random(seed).sample(examples, min(KEPT, len(examples)))
    lines = "".join(json.dumps({key: row[key] for key in ("input_ids", "labels")}) + "\n" for row in drawn)
    (folder / FILE).write_bytes(gzip.compress(lines.encode(), mtime=0))


def load_replay(folder: Path) -> list[Example]:
    """Those examples.

    Raises ``ConfigError`` where the reward model was fitted before they were kept.
    """
    try:
        text = gzip.decompress((folder / FILE).read_bytes()).decode()
    except FileNotFoundError:
        raise ConfigError(
            f"{folder} holds no {FILE}, which prm.online learns again: remove {folder.parent} to fit it once more"
        ) from None
    return [json.loads(line) for line in text.splitlines()]
