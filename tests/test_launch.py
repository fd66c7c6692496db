"""Groups of processes through the real entry point: they train, end together, leave nobody behind and go on."""

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from project import ROOT, SMOKE

from pure_repro.config import Config
from pure_repro.launch.compose import composed
from pure_repro.launch.group import meeting, stage_groups
from pure_repro.launch.plan import plan
from pure_repro.track.manifest import write_json

PROMPTLY = 900  # seconds, of which a free machine takes a few: that something ends is tested, not how fast
Start = Callable[..., subprocess.Popen[str]]
GROUP = (*SMOKE, "stages=[train]", "watch.on_collapse=warn", "launch=torchrun", "train=deepspeed_zero2")


def alive(mark: str) -> list[str]:
    """Command lines of the living processes that a marked one has started, however far down."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"MARK={mark}".encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:  # it has ended, or belongs to somebody else
            continue
    return [command for command in found if command]  # a dead one that nobody has asked for has none


def wait_for(condition: Callable[[], object], seconds: float = PROMPTLY) -> None:
    """Look every twentieth of a second until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)


@pytest.fixture
def mark() -> str:
    """A word in the environment of every process of this test."""
    return uuid.uuid4().hex


@pytest.fixture
def begin(tmp_path: Path, mark: str) -> Iterator[Start]:
    """Start the entry point, its output in a file; whatever is left at the end is killed."""
    started = []

    def start(*words: str) -> subprocess.Popen[str]:
        with (tmp_path / f"said{len(started)}.txt").open("w") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "pure_repro", *words],
                cwd=tmp_path,
                env=os.environ | {"PYTHONPATH": str(ROOT), "MARK": mark, "PYTHONWARNINGS": "ignore"},
                stdout=out,
                stderr=subprocess.STDOUT,
                text=True,
            )
        process.said = Path(out.name)  # type: ignore[attr-defined]
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()


def children(process: subprocess.Popen[str]) -> list[int]:
    """Numbers of a process's own children."""
    return [int(word) for word in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def journal(folder: Path) -> list[int]:
    """The steps that a run has logged."""
    path = folder / "metrics.jsonl"
    return [json.loads(line)["step"] for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.slow
def test_two_machines_train_lose_one_and_go_on(begin: Start, store: Path, mark: str):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    words = [*GROUP, f"store={store}", "launch.nnodes=2", "launch.nproc_per_node=1"]
    words += [f"launch.rdzv_endpoint=localhost:{port}", "train.steps=40", "train.checkpoint_every=2"]
    folder = plan(composed(words))["train"].folder
    first, second = begin(*words), begin(*words)
    wait_for(lambda: (folder / "state.pt").exists() or first.poll() or second.poll())
    assert first.poll() is None and second.poll() is None, first.said.read_text() + second.said.read_text()
    [agent] = children(second)
    os.kill(agent, signal.SIGKILL)
    for process in (first, second):
        assert process.wait(PROMPTLY) == 1
        said = process.said.read_text()  # a worker whose agent was killed may close its progress bar after the sentence
        assert "\npure-repro: launch=torchrun: the group of 2 ranks broke" in said, "it begins on a line of its own"
    wait_for(lambda: not alive(mark))
    done = journal(folder)
    assert 2 <= len(done) < 40

    words = [word if not word.startswith("train.steps") else f"train.steps={len(done) + 2}" for word in words]
    shorter = plan(composed(words))["train"].folder  # the same run with an end in sight, from the same checkpoint
    folder.rename(shorter)
    again = [begin(*words), begin(*words)]
    for process in again:
        assert process.wait(PROMPTLY) == 0, process.said.read_text()
    assert journal(shorter) == list(range(1, len(done) + 3)), "no step is lost, none is there twice"
    manifest = json.loads((shorter / "manifest.json").read_text())
    assert manifest["ranks"] == 2 and (shorter / "last" / "model.safetensors").exists()
    assert not (shorter / "state.pt").exists() and not (shorter / "shards").exists()
    assert sum("train: 100%" in process.said.read_text() for process in again) == 1, "one rank alone speaks"
    assert Config.model_validate(json.loads((shorter / "run.json").read_text())["config"]) == composed(words)


def test_machines_that_write_one_file_at_once_leave_it_whole(tmp_path: Path):
    with ThreadPoolExecutor(8) as machines:
        list(machines.map(lambda number: write_json(tmp_path / "run.json", {"number": number}), range(400)))
    assert json.loads((tmp_path / "run.json").read_text())["number"] in range(400)
    assert os.listdir(tmp_path) == ["run.json"]


@pytest.mark.parametrize(("how", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_at_any_moment_leaves_nobody_behind(begin: Start, store: Path, mark: str, how, status):
    seconds = random.uniform(1, 20)
    print(f"after {seconds:.2f} s")
    run = begin(*GROUP, f"store={store}", "train.steps=1000")
    time.sleep(seconds)
    run.send_signal(how)
    assert run.wait(PROMPTLY) == status, run.said.read_text()
    wait_for(lambda: not alive(mark))
    assert run.said.read_text().endswith("pure-repro: stopped; the same command goes on from the last checkpoint\n")


def test_termination_of_a_single_process_leaves_nobody_behind(begin: Start, store: Path, mark: str):
    run = begin(*SMOKE, f"store={store}", "stages=[train]", "reward=verifiable", "train.steps=1000")
    folder = plan(composed([*SMOKE, f"store={store}", "reward=verifiable", "train.steps=1000"]))["train"].folder
    wait_for(lambda: journal(folder))
    run.send_signal(signal.SIGTERM)
    assert run.wait(PROMPTLY) == 143
    wait_for(lambda: not alive(mark))


@pytest.mark.slow
def test_a_worker_that_dies_ends_the_group_with_its_own_words(begin: Start, store: Path, mark: str):
    words = [*GROUP, f"store={store}", "train.steps=1000"]
    folder = plan(composed(words))["train"].folder
    [tokenizer] = (store / "base").glob("*/model/tokenizer.json")
    whole = tokenizer.read_text()
    tokenizer.write_text("nonsense")
    run = begin(*words, "launch.nproc_per_node=1")
    assert run.wait(PROMPTLY) == 1
    said = run.said.read_text()
    [own] = [line for line in said.splitlines() if "tokenizer.json is other than stage base left it" in line]
    assert own.startswith("pure-repro: ") and "rank 0 ended first, with status 1" in said

    tokenizer.write_text(whole)
    run = begin(*words)
    wait_for(lambda: journal(folder) or run.poll())
    victim = next(
        int(process.name)
        for process in Path("/proc").glob("[0-9]*")
        if b"RANK=1\0" in environment(process) and mark.encode() in environment(process)
    )
    os.kill(victim, signal.SIGKILL)
    killed = time.monotonic()
    assert run.wait(PROMPTLY) == 1
    print(f"down {time.monotonic() - killed:.1f} s after its rank")
    assert re.search(r"rank 1 ended first, by SIGKILL", run.said.read_text())
    wait_for(lambda: not alive(mark))


def environment(process: Path) -> bytes:
    """What a process was told; nothing of one that has ended."""
    try:
        return (process / "environ").read_bytes()
    except OSError:
        return b""


def test_a_failing_job_leaves_the_others_of_its_sweep_finished(entry: Callable, store: Path):
    words = [*SMOKE, f"store={store}", "stages=[train]", "train.steps=1"]
    jobs = [["credit=" + credit, "reward=" + reward] for credit in ("min", "sum") for reward in ("prm", "mixed_10")]
    folders = [plan(composed([*words, *job]))["train"].folder for job in jobs]
    folders[1].parent.mkdir()
    folders[1].write_text("not a folder")
    run = entry("-m", *words, "credit=min,sum", "reward=prm,mixed_10")
    assert run.returncode == 1
    assert [(folder / "manifest.json").exists() for folder in folders] == [True, False, True, True]
    end = run.stderr.splitlines()[-2:]
    assert end[0] == "pure-repro: 1 of the jobs failed, the others are done:"
    assert "credit=min" in end[1] and "reward=mixed_10" in end[1] and f"{folders[1]}: File exists" in end[1]


def test_slurm_gives_every_job_its_machines(monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    from hydra import compose, initialize_config_dir

    from pure_repro.launch import CONF

    words = ["launch=slurm", "launch.nnodes=2", "train=deepspeed_zero3"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        launcher = compose("config", overrides=words, return_hydra_config=True).hydra.launcher
    assert launcher._target_.endswith("SlurmLauncher")
    assert (launcher.nodes, launcher.tasks_per_node, launcher.gpus_per_node) == (2, 1, 8)
    launch = composed(words).launch
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_LAUNCH_NODE_IPADDR", "10.0.0.1")
    assert "--rdzv_endpoint=10.0.0.1:29500" in meeting(launch, "address") and launch.ranks == 16


@pytest.mark.parametrize(
    ("prm", "stages", "groups"),
    [
        ("pure_prm_7b", ["train", "score"], [["train"], ["score"]]),
        ("fit_prm800k", ["prm", "train", "score"], [["prm"], ["train"], ["score"]]),
        ("fit_prm800k", ["train"], [["train"]]),
    ],
)
def test_what_follows_an_engine_has_processes_of_its_own(prm, stages, groups):
    """DeepSpeed gives back none of its memory while its process lives."""
    assert stage_groups(stages, composed(["recipe=paper", f"prm={prm}"])) == groups
