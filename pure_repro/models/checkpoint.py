"""The state of a reinforcement run: everything that a resumed run needs to equal the unbroken one.

Problem order and sampling noise are functions of (seed, step), so weights, optimizer and position are all there is.
``state.pt`` is written last and replaced in one move: a kill leaves the old state or the new one, never half.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

SHARDS = "shards"  # the folder of an engine that writes a file a rank
COMPANIONS = "companions"  # the folder of the states of models that learn beside the policy


class OtherRanks(Exception):
    """A checkpoint that another number of ranks wrote."""


@dataclass
class Progress:
    """Where a run stands: updates done, and its best validated sampled accuracy with the step it had it at.

    ``redraws`` counts the draws of problems beyond one a step, which a prompt filter asks for.
    """

    step: int = 0
    redraws: int = 0
    best: float = -1.0
    chosen_step: int = 0
    seconds: float = 0.0


def save_state(out: Path, state: dict[str, Any], progress: Progress) -> None:
    """Write the state of a run into its folder."""
    partial = out / "state.partial"
    torch.save(state | {"progress": vars(progress)}, partial)
    os.replace(partial, out / "state.pt")


def load_state(out: Path) -> tuple[dict[str, Any], Progress]:
    """What was saved and the position; both empty where the run has not started."""
    if not (out / "state.pt").exists():
        return {}, Progress()
    state = torch.load(out / "state.pt", weights_only=True, map_location="cpu")
    return state, Progress(**state.pop("progress"))


def drop_state(out: Path) -> None:
    """Remove the state of a finished run."""
    (out / "state.pt").unlink(missing_ok=True)
    for folder in (SHARDS, COMPANIONS):
        shutil.rmtree(out / folder, ignore_errors=True)
