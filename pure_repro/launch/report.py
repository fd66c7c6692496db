"""What a run says before and after: what will run, what is reused, how long it takes, where things are."""

import json

from pure_repro.config import Config
from pure_repro.launch.estimate import minutes, peak_gigabytes
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
        print(
            f"About {total:.1f} minutes on one core and {peak_gigabytes(config):.1f} GB of memory "
            "(on the reference machine)."
        )


def conclude(config: Config, stages: dict[str, StageRun]) -> None:
    """Print the scores and where everything is."""
    if "score" in stages:
        rows = json.loads((stages["score"].folder / "table.json").read_text())["rows"]
        for row in rows:
            parts = [("greedy", "greedy")] + [("mean", f"sampled mean@{row['samples']}")] * ("mean" in row)
            said = "   ".join(
                f"{label} {row[key][0]:.3f} [{row[key][1]:.3f}, {row[key][2]:.3f}]" for key, label in parts
            )
            print(f"  {row['checkpoint']:<6} {row['set']:<14} {said}")
    last = list(stages.values())[-1]
    print(f"Results: {last.folder}" + ("" if config.track.name == "none" else "    Open the tracker: make ui"))
