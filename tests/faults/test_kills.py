"""Kills at random changes of files, over all stages: the same command ends with the bytes of the unbroken run.

Whoever has a part in a run is killed: its process, the ranks and the agent of a group, the process that sends to a
tracker.
"""

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from campaign import RESULTS, Fault, trouble
from project import ROOT

KILLS = int(os.environ.get("KILLS", "50"))
SEED = int(os.environ.get("KILLS_SEED", "0"))


@dataclass(frozen=True)
class Victim:
    """A process by what it runs; ``parent``: the one that has started it, at that moment."""

    module: str
    rank: str | None = None
    parent: bool = False


RUN = Victim("pure_repro")
WORKER = "pure_repro.launch.worker"
STATUS = {"pure_repro": -signal.SIGKILL, WORKER: 1, "pure_repro.track.sender": 0}  # of the run, when that is killed
ALONE = ["recipe=smoke", "track=none"]
# The words of a run, and who is killed.
CASES: dict[str, tuple[list[str], Sequence[Victim]]] = {
    "plain": ([*ALONE, "reward=mixed_10"], [RUN]),
    "with a critic": ([*ALONE, "reward=verifiable", "advantage=gae"], [RUN]),
    "with a reward model that learns": ([*ALONE, "reward=implicit", "advantage=prime_rloo"], [RUN]),
    "two ranks": (
        [*ALONE, "launch=torchrun", "launch.nproc_per_node=2", "train=deepspeed_zero2", "watch.on_collapse=warn"],
        [Victim(WORKER, "0"), Victim(WORKER, "1"), Victim(WORKER, "0", parent=True), RUN],
    ),
    "tracked": (["recipe=smoke", "reward=verifiable"], [RUN, Victim("pure_repro.track.sender")]),
}
# They hold seconds, the place of the store, or are for a run alone.
OWN = {"manifest.json", "summary.json", "metrics.jsonl", "state.pt", "run.json", "run.yaml"}


def started(folder: Path, *words: str, module: str = "pure_repro", **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, and to that of its sender, which has the same stderr."""
    path = os.pathsep.join([str(ROOT / "tests" / "faults" / "struck"), str(ROOT)])
    return subprocess.run(
        [sys.executable, "-m", module, *words, f"store={folder / 'store'}"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path, "PYTHONWARNINGS": "ignore"} | more,
        capture_output=True,
        text=True,
    )


def strike(victim: Victim, at: int, folder: Path, count: Path) -> dict[str, Any]:
    return asdict(victim) | {"at": at, "folder": str(folder), "count": str(count)}


def left(folder: Path) -> dict[str, bytes]:
    """All that later stages read."""
    store = folder / "store"
    files = (path for path in sorted(store.rglob("*")) if path.is_file())
    kept = (path for path in files if path.name not in OWN and not path.name.startswith("."))
    return {str(path.relative_to(store)): path.read_bytes() for path in kept}


def tracked(folder: Path) -> list[list[Any]]:
    """What a tracker holds: how runs stand, every metric with its step as often as it is there, and so on."""
    asked = [
        "SELECT status FROM runs",
        "SELECT key, step FROM metrics ORDER BY key, step",
        "SELECT key FROM params ORDER BY key",
        "SELECT key FROM tags ORDER BY key",
        "SELECT name FROM logged_models ORDER BY name",
    ]
    with closing(sqlite3.connect(folder / "mlflow.db")) as database:
        return [database.execute(one).fetchall() for one in asked]


def goes_on(folder: Path, words: list[str], victim: Victim, at: int, unbroken: Path, prepare: Callable[[Path], Any]):
    """The victim is killed; the same command again ends as the unbroken run did."""
    prepare(folder)
    given = json.dumps([strike(victim, at, folder, folder / "count")])
    struck = started(folder, *words, STRIKE=given)
    assert struck.returncode == STATUS[victim.module], f"status {struck.returncode}: {struck.stderr}"
    again = started(folder, *words)
    assert again.returncode == 0, again.stderr
    assert left(folder) == left(unbroken)
    if (folder / "mlflow.db").exists():
        sent = started(folder, "send", module="pure_repro.track")
        assert sent.returncode == 0, sent.stderr
        assert tracked(folder) == tracked(unbroken)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_kills_at_random_changes_of_files_end_with_the_same_bytes(case: str, tmp_path: Path, migrated: Path) -> None:
    words, victims = CASES[case]

    def prepare(folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        if "track=none" not in words:
            shutil.copy(migrated, folder / "mlflow.db")

    unbroken, counts = tmp_path / "unbroken", [tmp_path / f"count{n}" for n in range(len(victims))]
    prepare(unbroken)
    whole = started(
        unbroken,
        *words,
        STRIKE=json.dumps([strike(one, 0, unbroken, count) for one, count in zip(victims, counts, strict=True)]),
    )
    assert whole.returncode == 0, whole.stderr
    assert "mlflow.db" not in os.listdir(unbroken) or tracked(unbroken)[0] == [("FINISHED",)]
    rng, kills, results = random.Random(SEED), -(-KILLS // len(CASES)), []
    for number in range(kills):
        victim = victims[number % len(victims)]
        count = counts[victims.index(Victim(victim.module, victim.rank))]
        at = rng.randrange(1, count.stat().st_size + 1)
        does = partial(goes_on, words=words, victim=victim, at=at, unbroken=unbroken, prepare=prepare)
        fault = Fault(f"kills, {case}", f"{victim} at change {at} of {count.stat().st_size}", does, None)
        results.append((fault, trouble(fault, tmp_path / str(number))))
        print(f"{fault.area}: {fault.name}: {results[-1][1] or 'the same bytes'}", flush=True)
    RESULTS.extend(results)
    assert not [(fault.name, wrong) for fault, wrong in results if wrong]
