"""What a run says about itself in the tracker: a sentence, tags to group by, the problem sets it read."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

GROUPS = ("reward", "credit", "advantage", "objective", "filter", "macro")  # what sweeps go over, mostly
READ_BY = {"train": "training", "validation": "validation"}  # the other sets are scored on


def sentence(stage: str, config: Mapping[str, Any], folder: Path) -> str:
    """What a run is.

    >>> config = {"seed": 1, "train": {"steps": 60}, "reward": {"name": "prm"}, "credit": {"name": "min"}}
    >>> sentence("train", config, Path("store/train/9c1b"))
    'A training of 60 steps with reward=prm, credit=min, seed=1. Its files: store/train/9c1b.'
    """
    choices = [f"{group}={config[group]['name']}" for group in GROUPS if "name" in config.get(group, {})]
    seed = [f"seed={config['seed']}"] if "seed" in config else []
    what = {
        "train": f"A training of {config.get('train', {}).get('steps')} steps",
        "score": "The scores of a model that was not trained here",
        "prm": "The fit of a reward model",
        "base": "The fit of a base model",
    }[stage]
    said = ", ".join([*choices, *seed])
    return what + (f" with {said}" if said else "") + f". Its files: {folder}."


def tags(config: Mapping[str, Any]) -> dict[str, str]:
    """The tags by which the list of runs is grouped, beside its table or sweep: each choice, the arm, the seed.

    >>> tags({"seed": 1, "reward": {"name": "prm"}, "credit": {"name": "min"}})
    {'reward': 'prm', 'credit': 'min', 'arm': 'prm, min', 'seed': '1'}
    """
    chosen = {group: config[group]["name"] for group in GROUPS if "name" in config.get(group, {})}
    named: dict[str, str] = {**chosen}
    if arm := ", ".join(chosen[group] for group in ("reward", "credit") if group in chosen):
        named["arm"] = arm
    if "seed" in config:
        named["seed"] = str(config["seed"])
    return named


def commit(folder: Path) -> dict[str, str]:
    """The tag of the commit that made a finished stage, where that is known."""
    manifest = folder / "manifest.json"
    code = json.loads(manifest.read_text()).get("code", "unknown") if manifest.exists() else "unknown"
    return {} if code == "unknown" else {"mlflow.source.git.commit": code}


def problem_sets(folder: Path) -> Iterator["DatasetInput"]:
    """The problem sets that a finished stage has read, with their digests."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    manifest = folder / "manifest.json"
    sets = json.loads(manifest.read_text()).get("problems", {}) if manifest.exists() else {}
    for name, digest in sets.items():
        if digest:
            source = json.dumps({"uri": f"pure-repro:{name}"})
            dataset = Dataset(name, digest[:36], "local", source)
            yield DatasetInput(dataset, [InputTag("mlflow.data.context", READ_BY.get(name, "evaluation"))])
