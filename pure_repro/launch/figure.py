"""The one figure that a run returns to its sweeper. Imports no torch."""

import json
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean


def figure(name: str, folders: Mapping[str, Path]) -> float | None:
    """A figure of a finished run by its name in the tracker, given the folders of its stages; ``None`` if it has none.

    ``validation/<figure>`` is the last validation's, ``score/<checkpoint>/<sampling>/<set or average>`` a test score.
    """
    stage, _, rest = name.partition("/")
    if stage == "validation":
        return validated(rest, folders["train"]) if "train" in folders else None
    return score_figure(rest, folders["score"]) if "score" in folders else None


def validated(name: str, folder: Path) -> float | None:
    """A figure of the last validation of a training."""
    path = folder / "validation.jsonl"
    rows = path.read_text().splitlines() if path.exists() else []
    return json.loads(rows[-1]).get(name) if rows else None


def score_figure(name: str, folder: Path) -> float | None:
    """The accuracy of a checkpoint on a set, or with the same weight for each on all of them."""
    checkpoint, sampling, of_set = name.split("/")
    sets = json.loads((folder / "scores.json").read_text())["checkpoints"].get(checkpoint, {})
    accuracies = {one: mean_outcome(outcomes[sampling]) for one, outcomes in sets.items() if outcomes[sampling]}
    return fmean(accuracies.values()) if of_set == "average" and accuracies else accuracies.get(of_set)


def mean_outcome(outcomes: list[int] | list[list[int]]) -> float:
    """The mean over problems, of samples or of greedy responses.

    >>> mean_outcome([1, 0]), mean_outcome([[1, 1], [1, 0]])
    (0.5, 0.75)
    """
    return fmean(fmean(one) if isinstance(one, list) else one for one in outcomes)
