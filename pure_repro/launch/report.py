"""What a run says before and after: what will run, what is reused, how long it takes, where things are."""

import json

from pure_repro.config import Config
from pure_repro.launch.estimate import PEAK_GIGABYTES, minutes, speeds_here
from pure_repro.launch.plan import StageRun
from pure_repro.launch.preflight import Preflight, preflight_text
from pure_repro.track.pages import opened_by


def announce(config: Config, stages: dict[str, StageRun], fit: Preflight | None) -> None:
    """Print the plan: a line a stage, then the time of a model that is made here, or what another needs."""
    total = 0.0
    known = None if fit is not None else speeds_here((config, stage) for stage in stages.values())
    for name, stage in stages.items():
        estimate = 0.0 if stage.finished or known is None else minutes(config, name, known[0])
        total += estimate
        when = "reused" if stage.finished else "" if fit is not None else f"{estimate:5.1f} min"
        print(f"  {name:<6} {when:<9} {stage.folder}")
    if total and known:
        print(f"About {total:.1f} minutes on one core and {PEAK_GIGABYTES:.1f} GB of memory ({known[1]}).")
    if fit is not None and not all(stage.finished for stage in stages.values()):
        print(preflight_text(fit))


def print_results(config: Config, stages: dict[str, StageRun]) -> None:
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
    print(f"Results: {last.folder}" + ("" if config.track.name == "none" else f"    Open the tracker: {opened_by()}"))
