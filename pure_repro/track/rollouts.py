"""The responses that a training has shown, as a reader wants them."""

import gzip
import json
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any


def rollouts(folder: Path) -> Iterator[dict[str, Any]]:
    """The shown responses in the order of training; the file is compressed once the run is finished."""
    for path, read in ((folder / "rollouts.jsonl", open), (folder / "rollouts.jsonl.gz", gzip.open)):
        if path.exists():
            with read(path, "rt") as file:
                for row in map(json.loads, file):
                    yield {
                        "step": row["step"],
                        "problem": row["problem"],
                        "verdict": "right" if row["correct"] else "wrong",
                        "advantage": row["advantage"],
                        "steps with their scores": with_step_scores(row["response"], row["process_rewards"]),
                        "answer": row["answer"],
                    }


def with_step_scores(response: str, scores: Sequence[float]) -> str:
    """A response with the score of each step before it; where there are none, as it is.

    >>> print(with_step_scores("7+4=11\\n\\nso 11", [0.8, -0.25]))
    +0.80  7+4=11
    -0.25  so 11
    """
    if not scores:
        return response
    pairs = zip_longest(response.split("\n\n"), [f"{score:+.2f}" for score in scores], fillvalue="")
    return "\n".join(f"{score:>5}  {step}" for step, score in pairs)
