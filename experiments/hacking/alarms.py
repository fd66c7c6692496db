"""Alarms held against finished runs: thresholds of odd seeds, judged on even ones.

python experiments/hacking/alarms.py store/train/*
"""

import json
import sys
from pathlib import Path
from statistics import median

from pure_repro.launch.compose import composed
from pure_repro.train.journal import Journal
from pure_repro.watch.alarms import JournalRows, Trial, calibrated, tried

ROOM = 0.1  # between a threshold and the furthest that a sound run came


def main(folders: list[Path]) -> None:
    """Print thresholds and how they did, of all alarms together and of each alone."""
    watch = composed([]).watch
    odd, even = ([read(f) for f in folders if finished(f) and seed(f) % 2 == parity] for parity in (1, 0))
    alarms = {name: calibrated(odd, alarm, watch.window, ROOM) for name, alarm in watch.alarms.items()}
    print(f"thresholds set on {len(odd)} runs of odd seeds, judged on {len(even)} of even ones")
    for name, alarm in alarms.items():
        print(
            told(f"{name}: {alarm.metric} {alarm.side} {alarm.threshold:.3g}", tried(even, {name: alarm}, watch.window))
        )
    print(told("any of them", tried(even, alarms, watch.window)))
    print(told("any of conf/watch as it stands", tried(even, watch.alarms, watch.window)))


def told(name: str, trial: Trial) -> str:
    """One line: how many broken runs were foretold, how early, and how many sound ones were disturbed."""
    leads = [lead for lead in trial.leads if lead is not None]
    early = [lead for lead in leads if lead > 0]
    lead = f", median lead {median(leads):g} steps" if leads else ""
    return (
        f"{name}: before the loss in {len(early)} of {len(trial.leads)} broken runs{lead}; "
        f"false alarms in {trial.false_alarms} of {trial.sound} sound runs"
    )


def finished(folder: Path) -> bool:
    """Whether a stage folder is whole."""
    return (folder / "manifest.json").exists()


def seed(folder: Path) -> int:
    """The seed of a run."""
    return int(json.loads((folder / "manifest.json").read_text())["seed"])


def read(folder: Path) -> tuple[JournalRows, JournalRows]:
    """The journals of a run: updates and validations."""
    return Journal(folder / "metrics.jsonl").rows(), Journal(folder / "validation.jsonl").rows()


if __name__ == "__main__":
    main([Path(word) for word in sys.argv[1:]])
