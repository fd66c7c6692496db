"""The wrong responses of a run that were paid most, from the first kept step to the last.

python experiments/hacking/gallery.py store/train/<address> results/hacking/fillers.md
"""

import sys
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from pure_repro.score.markdown import markdown_table
from pure_repro.train.journal import Journal

SHOWN = 3  # of each step


def worst(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The wrong responses of one step with the largest advantage."""
    wrong = [row for row in rows if not row["correct"]]
    return sorted(wrong, key=lambda row: -row["advantage"])[:SHOWN]


def line(row: Mapping[str, Any]) -> list[str]:
    """A rollout as a line of the gallery; ¶ ends a step."""
    response = row["response"].replace("\n\n", " ¶ ").replace("\\", "").replace("|", "/") or "(empty)"
    scores = " ".join(f"{score:+.2f}" for score in row["process_rewards"]) or "–"
    return [str(row["step"]), f"`{row['problem']}`", f"`{response}`", scores, f"{row['advantage']:+.2f}"]


def main(run: Path, out: Path) -> None:
    """Write the gallery of one run."""
    rows = Journal(run / "rollouts.jsonl").rows()
    shown = [row for _, of_step in groupby(rows, key=lambda row: row["step"]) for row in worst(list(of_step))]
    header = ["step", "problem", "response", "score of each step", "advantage of its first token"]
    out.parent.mkdir(parents=True, exist_ok=True)
    text = "Wrong responses that were paid most, up to three of each step that was kept."
    out.write_text(f"# Paid for being wrong\n\n{text}\n\n{markdown_table(header, [line(row) for row in shown])}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
