"""What a run says before and after: what will run, what is reused, how long it takes, where things are."""

import json

from pure_repro.config import Config
from pure_repro.launch.estimate import PEAK_GIGABYTES, minutes
from pure_repro.launch.plan import StageRun


def announce(config: Config, stages: dict[str, StageRun]) -> None:
    """Print the plan: a line a stage, then the sum."""
    total = 0.0
    for name, stage in stages.items():
        if stage.finished:
            print(f"  {name:<6} reused   {stage.folder}")
        else:
            estimate = minutes(config, name)
            total += estimate
            print(f"  {name:<6} {estimate:5.1f} min {stage.folder}")
    if total:
        print(f"About {total:.1f} minutes on one core and {PEAK_GIGABYTES} GB of memory (on the reference machine).")


def conclude(config: Config, stages: dict[str, StageRun]) -> None:
    """Print the scores and where everything is."""
    if "score" in stages:
        scores = json.loads((stages["score"].folder / "scores.json").read_text())["checkpoints"]
        for checkpoint, sets in scores.items():
            greedy = sum(sum(s["greedy"]) / len(s["greedy"]) for s in sets.values()) / len(sets)
            sampled = sum(sum(map(sum, s["sampled"])) / sum(map(len, s["sampled"])) for s in sets.values()) / len(sets)
            print(f"  {checkpoint:<6} greedy {greedy:.3f}   sampled mean@{config.score.samples} {sampled:.3f}")
    last = list(stages.values())[-1]
    print(f"Results: {last.folder}    Open the tracker: make ui")
