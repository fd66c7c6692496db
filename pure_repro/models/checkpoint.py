"""The state of a reinforcement run: everything that a resumed run needs to equal the unbroken one.

Problem order and sampling noise are functions of (seed, step), so weights, optimizer and position are all there is.
``state.pt`` is written last and replaced in one move: a kill leaves the old state or the new one, never half.
"""

import hashlib
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch

from pure_repro.models.ranks import Ranks

SHARDS = "shards"  # the folder of an engine that writes a file a rank
CANDIDATES = "candidates"  # the folder of the best policies so far, by their step
FITS = "fits"  # the folder of the states of supervised fits, by their name
COMPANIONS = "companions"  # the folder of the states of models that learn beside the policy


class OtherRanks(Exception):
    """A checkpoint that another number of ranks wrote."""


class BrokenState(Exception):
    """A checkpoint that is other than it was written."""


@dataclass
class Progress:
    """Where a run stands: updates done, and its best validated sampled accuracy with the step it had it at.

    ``redraws`` counts the draws of problems beyond one a step, which a prompt filter asks for. ``unfinished`` are
    problems whose responses go on in a later step, with the responses so far, as dictionaries of what they hold.
    """

    step: int = 0
    redraws: int = 0
    best: float = -1.0
    chosen_step: int = 0
    seconds: float = 0.0
    unfinished: list[dict[str, dict[str, Any]]] = field(default_factory=list)


def save_state(out: Path, state: dict[str, Any], progress: Progress) -> None:
    """Write the state of a run into its folder."""
    partial = out / "state.partial"
    torch.save(state | {"progress": vars(progress)}, partial)
    os.replace(partial, out / "state.pt")


def load_state(out: Path) -> tuple[dict[str, Any], Progress]:
    """What was saved and the position; both empty where the run has not started.

    Raises ``BrokenState`` for a file that is cut, has another bit than was written, or holds anything but tensors.
    """
    path = out / "state.pt"
    if not path.exists():
        return {}, Progress()
    try:
        with ZipFile(path) as archive:  # torch checks no sums of what it reads
            broken = archive.testzip()
        state = torch.load(path, weights_only=True, map_location="cpu")
    except (BadZipFile, UnpicklingError, RuntimeError, EOFError) as error:
        broken = str(error).partition("\n")[0]
    if broken is not None:
        raise BrokenState(f"{path} is not as it was written ({broken}): remove it, and the stage begins again")
    return state, Progress(**state.pop("progress"))


def digests_of(folder: Path, ranks: Ranks) -> dict[str, str]:
    """The digest of every file of a folder by its path in it; each rank reads its share, and all hold the outcome."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())

    def own(share: slice) -> dict[str, str]:
        return {str(path.relative_to(folder)): _digest(path) for path in files[share]}

    return {name: digest for part in ranks.parts(own, len(files)) for name, digest in part.items()}


def _digest(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def candidate_of(out: Path, progress: Progress) -> Path:
    """Where the best policy so far lies: under its step, so that a checkpoint of an earlier one still finds its own."""
    return out / CANDIDATES / f"step{progress.chosen_step}"


def drop_older_candidates(out: Path, progress: Progress) -> None:
    """Remove the policies that the state written last does not choose."""
    kept = candidate_of(out, progress)
    for folder in set((out / CANDIDATES).glob("step*")) - {kept}:
        shutil.rmtree(folder)


def drop_state(out: Path) -> None:
    """Remove the state of a finished run."""
    (out / "state.pt").unlink(missing_ok=True)
    for folder in (SHARDS, COMPANIONS, CANDIDATES, FITS):
        shutil.rmtree(out / folder, ignore_errors=True)
