"""A tracker that fails in every way while a real run goes on: what the loop loses, and what arrives once it is back.

Each fault has a run of its own from the same base model, in a process of its own that measures the seconds its loop
spends on tracking. ``pytest -s`` prints the table of docs/tracking.md.
"""

import json
import os
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from project import ROOT
from test_outbox import answering

from pure_repro.config import Track
from pure_repro.launch.compose import composed
from pure_repro.launch.plan import plan
from pure_repro.track.mlflow import connect

pytestmark = pytest.mark.slow

PATIENCE = 900.0  # seconds, of which a free machine takes thirty
STEPS = 60
WORDS = (
    *(
        "recipe=smoke",
        "reward=verifiable",
        f"train.steps={STEPS}",
        "train.validate_every=2",
        "train.checkpoint_every=10",
    ),
    *("watch.on_collapse=warn", "train.prompts_per_step=8"),
)
LOST: list[
    tuple[str, float, float, str]
] = []  # fault, seconds of the loop, those of them for the tracker, what arrived

TIMED = """
import json, sys, time
from pathlib import Path
from pure_repro.train import checkpoints, validation
from pure_repro.track.follow import follow

calls = []

def timed(folder, track):
    start = time.monotonic()
    follow(folder, track)
    calls.append((start, time.monotonic()))

checkpoints.follow = validation.follow = timed
from pure_repro.__main__ import main
out = Path(sys.argv.pop(1))
try:
    main()
finally:
    loop = calls[-1][0] - calls[0][1]
    out.write_text(json.dumps({"loop": loop, "tracking": sum(end - start for start, end in calls[1:-1])}))
"""


@dataclass
class Case:
    """A run in a folder of its own, and where it is tracked."""

    folder: Path
    uri: str | None

    @property
    def words(self) -> tuple[str, ...]:
        tracker = ("track=none",) if self.uri is None else (f"track.uri={self.uri}",)
        return (*WORDS, "stages=[base,train]", f"store={self.folder}/store", *tracker)

    @property
    def train(self) -> Path:
        return plan(composed(list(self.words)))["train"].folder


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the base model that all of them train."""
    store = tmp_path_factory.mktemp("base") / "store"
    words = [*WORDS, "stages=[base]", f"store={store}", "track=none"]
    subprocess.run([sys.executable, "-m", "pure_repro", *words], cwd=store.parent, env=environment(), check=True)
    return store


@contextmanager
def started(case: Case, limit: int | None = None) -> Iterator[subprocess.Popen[str]]:
    """The run; ``limit``: no file of its processes may grow beyond so many bytes."""
    process = subprocess.Popen(
        [sys.executable, "-c", TIMED, str(case.folder / "seconds.json"), *case.words],
        cwd=case.folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=None if limit is None else lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def server(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """MLflow's own, on SQLite, once it answers."""
    address = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    store = [
        "--backend-store-uri",
        f"sqlite:///{folder}/server.db",
        "--artifacts-destination",
        str(folder / "artifacts"),
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", *address, *store],
        cwd=folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        until = time.monotonic() + PATIENCE
        while socket.socket().connect_ex(("127.0.0.1", port)) and time.monotonic() < until:
            assert process.poll() is None
            time.sleep(0.2)
        yield process
    finally:
        killed(process)


def killed(process: subprocess.Popen[bytes]) -> None:
    """With its workers, and at once."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def free_port() -> int:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def when(held: Callable[[], bool], process: subprocess.Popen[Any]) -> None:
    """Wait until it is so, as long as the run goes on."""
    until = time.monotonic() + PATIENCE
    while not held():
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.1)


def arrived(uri: str) -> list[int]:
    """The steps of a number of the one run that the tracker has."""
    client, experiment = connect(Track(name="mlflow", uri=uri, experiment="pure-repro", parent=None))
    found = client.search_runs([experiment])
    return [m.step for run in found for m in client.get_metric_history(run.info.run_id, "policy/loss")]


def send(case: Case) -> subprocess.CompletedProcess[str]:
    words = ["send", f"store={case.folder}/store", f"track.uri={case.uri}"]
    return subprocess.run(
        [sys.executable, "-m", "pure_repro.track", *words],
        cwd=case.folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


FAULTS = ("no tracker", "healthy", "dead port", "HTTP 500", "never answers", "dies midway", "locked file", "full disk")


@pytest.mark.parametrize("fault", FAULTS)
def test_the_loop_loses_nothing_and_the_tracker_gets_everything(fault: str, base: Path, tmp_path: Path) -> None:
    shutil.copytree(base, tmp_path / "store")
    port, file = free_port(), f"sqlite:///{tmp_path}/mlflow.db"
    uri = {"no tracker": None, "healthy": file, "locked file": file, "full disk": file}
    case, limit = Case(tmp_path, uri.get(fault, f"http://127.0.0.1:{port}")), None
    with ExitStack() as harm:
        if case.uri == file:
            connect(Track(name="mlflow", uri=file, experiment="pure-repro", parent=None))
        if fault in ("HTTP 500", "never answers"):
            harm.enter_context(answering(500 if fault == "HTTP 500" else None, port))
        if fault == "locked file":
            blocker = harm.enter_context(closing(sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)))
            blocker.execute("BEGIN EXCLUSIVE")
        if fault == "full disk":  # the tracker's alone: no file of the run is as large as its database
            with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database, database:
                database.execute("CREATE TABLE filler AS SELECT zeroblob(20000000)")
            limit = (tmp_path / "mlflow.db").stat().st_size + 50_000
        if fault == "dies midway":
            mlflow = harm.enter_context(server(tmp_path, port))
        run = harm.enter_context(started(case, limit))
        if fault == "dies midway":
            when(lambda: len(arrived(f"sqlite:///{tmp_path}/server.db")) >= 4, run)
            killed(mlflow)
            some = len(arrived(f"sqlite:///{tmp_path}/server.db"))
            assert 4 <= some < STEPS, "it was to die on the way"
        said = run.communicate(timeout=PATIENCE)[1]
        assert run.returncode == 0, said
    assert said.count("warning: not tracked") == (fault not in ("no tracker", "healthy")), said
    steps = [json.loads(line)["step"] for line in (case.train / "metrics.jsonl").read_text().splitlines()]
    assert steps == [*range(1, STEPS + 1)] and (case.train / "manifest.json").exists()
    taken = json.loads((tmp_path / "seconds.json").read_text())
    there = "nothing"
    if case.uri is not None:
        with ExitStack() as back:
            if case.uri != file:
                back.enter_context(server(tmp_path, port))
            before = len(arrived(case.uri))
            sent = [send(case).stdout.splitlines()[-1] for _ in range(2)]
            assert sorted(arrived(case.uri)) == steps, "each step once"
        there = f"{before} of {STEPS} steps on its own, {STEPS - before} by `track send`"
        assert sent[1] == "sent 0 of 0"
    LOST.append((fault, taken["loop"], taken["tracking"], there))
    print("\n| tracker | s of the loop | s of them for tracking | what arrived |\n|---|---|---|---|")
    for name, loop, tracking, what in LOST:
        print(f"| {name} | {loop:.1f} | {tracking:.3f} ({100 * tracking / loop:.1f} %) | {what} |")
    assert taken["tracking"] < 0.02 * taken["loop"]
