"""Kills at random changes of files, over all stages: the same command ends with the bytes of the unbroken run."""

import os
import random
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from project import ROOT, SMOKE

KILLS = int(os.environ.get("KILLS", "50"))
SEED = int(os.environ.get("KILLS_SEED", "0"))
CASES = {
    "plain": ["reward=mixed_10"],
    "with a critic": ["reward=verifiable", "advantage=gae"],
    "with a reward model that learns": ["reward=implicit", "advantage=prime_rloo"],
}
TIMED = {"manifest.json", "summary.json", "metrics.jsonl", "state.pt", ".lock"}  # they hold seconds, or are for a run


def run(kill_at: int, store: Path, words: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "tests" / "faults" / "kill_at.py"), str(kill_at), str(store), *SMOKE, *words],
        cwd=store.parent,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )


def left(store: Path) -> dict[str, bytes]:
    """All that later stages read."""
    files = (path for path in sorted(store.rglob("*")) if path.is_file() and path.name not in TIMED)
    return {str(path.relative_to(store)): path.read_bytes() for path in files}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_kills_at_random_changes_of_files_end_with_the_same_bytes(case: str, tmp_path: Path) -> None:
    words = CASES[case]
    (tmp_path / "unbroken").mkdir()
    whole = run(0, tmp_path / "unbroken" / "store", words)
    assert whole.returncode == 0, whole.stderr
    counted = re.search(r"changes of files: (\d+)", whole.stdout)
    assert counted is not None
    expected, rng, survived = left(tmp_path / "unbroken" / "store"), random.Random(SEED), 0
    kills = -(-KILLS // len(CASES))
    print(f"\n{case}: {counted[1]} changes of files, {kills} kills with seed {SEED}")
    for number in range(kills):
        at = rng.randrange(1, int(counted[1]) + 1)
        (tmp_path / str(number)).mkdir()
        store = tmp_path / str(number) / "store"
        struck = run(at, store, words)
        assert struck.returncode == -signal.SIGKILL, f"{at}: {struck.stderr}"
        again = run(0, store, words)
        assert again.returncode == 0, f"killed at {at}: {again.stderr}"
        assert left(store) == expected, f"killed at {at}"
        survived += 1
    print(f"{case}: {survived} of {kills} ended with the same bytes")
