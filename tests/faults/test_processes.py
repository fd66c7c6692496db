"""Faults that need processes of their own: shards of others, several runs on one store, places that refuse."""

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from campaign import RESULTS, Fault, trouble
from forked import Forked, run_forked
from of_stores import MARK, Evil
from project import ROOT, SMOKE

from pure_repro.launch.compose import composed
from pure_repro.launch.failure import Failure
from pure_repro.launch.plan import plan

PATIENCE = 900.0  # seconds, of which a free machine takes a few
SHARDED = [*SMOKE, "stages=[train]", "reward=verifiable", "train=deepspeed_zero2", "watch.on_collapse=warn"]


def command(folder: Path, *words: str) -> None:
    """Run it to its end; raises ``Failure`` with its last words where it has a status."""
    run = run_forked("pure_repro", words, folder)
    if run.returncode:
        assert "Traceback" not in run.stderr, run.stderr
        raise Failure(run.stderr.rstrip().splitlines()[-1].removeprefix("pure-repro: "), run.returncode)


def survived(area: str, name: str, strike: Callable[[Path], Any], says: str | None, folder: Path) -> None:
    fault = Fault(area, name, strike, says)
    RESULTS.append((fault, wrong := trouble(fault, folder)))
    assert wrong is None


def stopped_after_a_checkpoint(folder: Path, words: list[str]) -> Path:
    """A training of the real engine, ended by SIGTERM once its first checkpoint is there."""
    train = plan(composed(words))["train"].folder
    process = Forked("pure_repro", tuple(words), folder)
    end = time.monotonic() + PATIENCE
    while not (train / "state.pt").exists() and process.returncode is None and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    process.wait()
    assert (train / "state.pt").exists()
    return train


HARMS: dict[str, Callable[[Path], Any]] = {
    "a shard of somebody else": lambda shard: shard.write_bytes(pickle.dumps(Evil(shard.parents[4]))),
    "a shard cut": lambda shard: os.truncate(shard, shard.stat().st_size // 2),
    "a shard gone": lambda shard: shard.unlink(),
    "a shard too many": lambda shard: shutil.copy(shard, shard.with_name("mp_rank_07_model_states.pt")),
}


@pytest.mark.slow
@pytest.mark.parametrize("harm", HARMS)
def test_shards_that_this_store_did_not_write_are_not_read(harm: str, store: Path, tmp_path: Path) -> None:
    words = [*SHARDED, f"store={store}", "train.steps=1000", "train.checkpoint_every=1", "train.validate_every=1000"]
    train = stopped_after_a_checkpoint(tmp_path, words)
    shard = next(train.glob("shards/step*/*model_states.pt"))

    def strike(folder: Path) -> None:
        HARMS[harm](shard)
        try:
            command(folder, *words)
        finally:
            assert not [*store.rglob(MARK)], "somebody else's code was run"

    survived("shards of the real engine", harm, strike, "is not as it was written, and what its files would", tmp_path)


@pytest.mark.slow
def test_shards_as_they_were_go_on(store: Path, tmp_path: Path) -> None:
    words = [*SHARDED, f"store={store}", "train.steps=1000", "train.checkpoint_every=1", "train.validate_every=1000"]
    train = stopped_after_a_checkpoint(tmp_path, words)
    done = len((train / "metrics.jsonl").read_text().splitlines())
    process = Forked("pure_repro", tuple(words), tmp_path)
    end = time.monotonic() + PATIENCE
    while len((train / "metrics.jsonl").read_text().splitlines()) <= done and time.monotonic() < end:
        assert process.returncode is None, process.communicate()
        time.sleep(0.05)
    process.kill()
    process.wait()
    steps = [json.loads(line)["step"] for line in (train / "metrics.jsonl").read_text().splitlines()]
    assert steps == [*range(1, len(steps) + 1)] and len(steps) > done


# One store ------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_two_sweeps_side_by_side_on_one_store(store: Path, tmp_path: Path) -> None:
    """The same sweep twice at once, each with two jobs at once: every stage is made once, and both end well."""
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    words = [*SMOKE, f"store={store}", "stages=[train]", "train.steps=2", "reward=verifiable,mixed_10"]
    side_by_side = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]

    def strike(folder: Path) -> None:
        both = [Forked("pure_repro", ("-m", *words, *side_by_side, f"sweep.name=s{n}"), folder) for n in range(2)]
        ends = [(process.communicate(), process.wait()) for process in both]
        assert [status for _, status in ends] == [0, 0], ends
        for train in (store / "train").iterdir():
            rows = [json.loads(line)["step"] for line in (train / "metrics.jsonl").read_text().splitlines()]
            assert rows == [1, 2] and (train / "manifest.json").exists(), train
        assert len([*(store / "train").iterdir()]) == 2

    survived("several processes on one store", "two sweeps with joblib", strike, None, tmp_path)


@pytest.mark.slow
def test_one_command_four_times_at_once(tmp_path: Path) -> None:
    words = (*SMOKE, f"store={tmp_path / 'store'}", "reward=verifiable", "train.steps=2")

    def strike(folder: Path) -> None:
        runs = [Forked("pure_repro", words, folder) for _ in range(4)]
        ends = [(process.communicate(), process.wait()) for process in runs]
        assert [status for _, status in ends] == [0, 0, 0, 0], ends
        waited = [out for (out, _), _ in ends if "waiting for another process, which makes" in out]
        assert len(waited) == 3, "who waits says so"
        assert {len([*stage.iterdir()]) for stage in (folder / "store").iterdir()} == {1}

    survived("several processes on one store", "one command four times", strike, None, tmp_path)


# Places ---------------------------------------------------------------------------------------------------------------


def without_rights(folder: Path, *words: str) -> None:
    """The entry point as a user to whom permissions mean something, also where the tests are root's."""
    drop = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner"] if os.getuid() == 0 else []
    run = subprocess.run(
        [*drop, sys.executable, "-m", "pure_repro", *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    if run.returncode:
        assert "Traceback" not in run.stderr, run.stderr
        raise Failure(run.stderr.rstrip().splitlines()[-1].removeprefix("pure-repro: "), run.returncode)


@pytest.mark.slow
@pytest.mark.skipif(os.getuid() == 0 and not shutil.which("setpriv"), reason="root may write everywhere")
def test_a_store_that_can_only_be_read(store: Path, tmp_path: Path) -> None:
    finished = (*SMOKE, f"store={store}", "stages=[base,prm]")
    for path in [store, *store.rglob("*")]:
        path.chmod(path.stat().st_mode & ~0o222)
    area = "a store that can only be read"
    try:
        survived(area, "all is finished", lambda f: without_rights(f, *finished), None, tmp_path)
        new = (*finished[:2], "stages=[base]", "seed=2")
        survived(area, "something new", lambda f: without_rights(f, *new), "Permission denied", tmp_path)
    finally:
        for path in [store, *store.rglob("*")]:
            path.chmod(path.stat().st_mode | 0o200)


@pytest.mark.slow
@pytest.mark.skipif(os.getuid() != 0, reason="nobody else may mount a small disk")
@pytest.mark.parametrize("kilobytes", [400, 900, 2200, 2800])
def test_a_disk_that_fills_up(kilobytes: int, tmp_path: Path) -> None:
    """At whatever moment: one sentence says that the disk is full, and with more room the same command ends well."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "small", str(disk)])
    if mounted.returncode:
        pytest.skip("no small disk can be mounted here")
    words = (*SMOKE, f"store={disk / 'store'}", "reward=verifiable")
    try:
        full = "No space left on device"
        survived("a disk that fills up", f"{kilobytes} kB", lambda f: command(f, *words), full, tmp_path)
        subprocess.run(["mount", "-o", "remount,size=60m", str(disk)], check=True)
        survived("a disk that fills up", "with more room", lambda f: command(f, *words), None, tmp_path)
    finally:
        subprocess.run(["umount", str(disk)], check=True)
