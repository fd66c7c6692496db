"""A tracker that is away, locked, full or slow costs a run nothing, and gets everything once it is back."""

import fcntl
import http.server
import os
import resource
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from forked import run_forked
from mlflow.entities import Run
from project import ROOT
from stage_folders import lines, write_cells

from pure_repro.config import Track
from pure_repro.launch.compose import composed
from pure_repro.launch.group import freeze
from pure_repro.report import Cell
from pure_repro.track.follow import follow, open_parent, send_parent, send_run, settle, tracked
from pure_repro.track.mlflow import LOGGED, connect
from pure_repro.track.outbox import OUTBOX, Child, Letter, Parent, post, waiting

LONG = 1200.0  # seconds, where a busy machine may take its time


@pytest.fixture
def cell(tmp_path: Path) -> Cell:
    """A run with all its stages, finished."""
    return next(cell for cell in write_cells(tmp_path / "store", [1]) if cell.row == "pure_prm")


def unfinished(cell: Cell) -> Path:
    """Its training as it is before the end, nobody at work on it."""
    assert cell.train is not None
    for name in ("manifest.json", "summary.json", "rollouts.jsonl.gz"):
        (cell.train / name).unlink()
    (cell.train / ".lock").touch()
    return cell.train


def runs(track: Track) -> list[Run]:
    client, experiment = connect(track)
    return list(client.search_runs([experiment], order_by=["start_time"]))


def steps(track: Track, run: Run, metric: str) -> list[int]:
    return [m.step for m in connect(track)[0].get_metric_history(run.info.run_id, metric)]


def send(*words: str, cwd: Path, limit: int | None = None) -> subprocess.CompletedProcess[str]:
    """`python -m pure_repro.track send`; ``limit``: no file may grow beyond so many bytes, in a process of its own."""
    if limit is None:
        return run_forked("pure_repro.track", ("send", *words), cwd)
    return subprocess.run(
        [sys.executable, "-m", "pure_repro.track", "send", *words],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        capture_output=True,
        text=True,
        timeout=LONG,
    )


@contextmanager
def answering(status: int | None, port: int = 0) -> Iterator[tuple[str, threading.Event]]:
    """The address of a server that answers everything with one status, or never; and the mark of its first caller."""
    called = threading.Event()
    over = threading.Event()

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            called.set()
            if status is None:
                over.wait(LONG)
            else:
                self.send_error(status)

        do_POST = do_GET

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is logged."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", port), Answer) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://me:s3cret@127.0.0.1:{server.server_port}", called
        over.set()
        server.shutdown()


def closed_port() -> str:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        return f"http://me:s3cret@127.0.0.1:{free.getsockname()[1]}"


@pytest.mark.parametrize("status", [500, pytest.param(None, marks=pytest.mark.slow)])
def test_a_run_waits_for_no_answer(status: int | None, cell: Cell, track: Track, capfd: pytest.CaptureFixture):
    folder = unfinished(cell)
    with answering(status) as (uri, called):
        away = track.model_copy(update={"uri": uri})
        for _ in range(3):
            follow(folder, away)  # returns: what never answers would hold it for ever
        assert called.wait(LONG)
        follow(folder, away)
        settle(LONG)
    told = capfd.readouterr().err
    assert told.count("warning: not tracked yet") == 1 and "s3cret" not in told
    [(letter, files)] = waiting(folder.parents[1])
    assert len(files) == 1 and letter.tracker.startswith("http://***@127.0.0.1")
    assert "s3cret" not in "".join(path.read_text() for path in files)


def test_a_table_can_be_made_without_its_tracker(cell: Cell, track: Track, capfd: pytest.CaptureFixture):
    store = cell.score.parents[1]
    away = track.model_copy(update={"uri": closed_port()})
    under = open_parent(store, away, "table1 seeds=1", "table", "table1")
    send_run(cell.stages, under, name="PURE-PRM, seed 1")
    send_parent(store, under, Parent(name="table1 seeds=1", kind="table", title="table1", folder=str(cell.score)))
    assert settle(LONG) == []
    assert [letter.content.key for letter, _ in waiting(store)] == [f"train/{cell.train.name}", "table/table1 seeds=1"]
    assert capfd.readouterr().err.count("warning") == 1


def test_what_a_locked_store_did_not_take_is_sent_later_once(
    tmp_path: Path, cell: Cell, track: Track, capfd: pytest.CaptureFixture
):
    connect(track)
    with closing(sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)) as blocker:
        blocker.execute("BEGIN EXCLUSIVE")
        with tracked(cell.stages, track):
            pass  # finished before, and not tracked then
        settle(LONG)
    assert "database is locked" in capfd.readouterr().err
    words = (f"store={tmp_path}/store", f"track.uri={track.uri}")
    sent = [send(*words, cwd=tmp_path) for _ in range(2)]
    assert [one.returncode for one in sent] == [0, 0], sent[0].stderr
    assert [one.stdout for one in sent] == ["sent 1 of 1\n", "sent 0 of 0\n"]
    [run] = runs(track)
    assert run.info.status == "FINISHED" and steps(track, run, "loss") == [*range(1, 61)]
    assert run.data.metrics["score/last/sampled/average"] == cell.average("last", "sampled")


def test_a_full_disk_under_the_tracker(tmp_path: Path, cell: Cell, track: Track):
    assert cell.train is not None
    rows = [{"step": step} | {f"m{i}": step + i / 7 for i in range(100)} for step in range(1, 101)]
    lines(cell.train / "metrics.jsonl", rows)
    connect(track)
    content = Child(stages={"train": cell.train.name})
    post(tmp_path / "store", Letter(tracker=str(track.uri), experiment="test", parent=None, content=content))
    limit = (tmp_path / "mlflow.db").stat().st_size + 600_000  # which half of the numbers exceeds
    full = send(f"store={tmp_path}/store", cwd=tmp_path, limit=limit)
    assert full.returncode == 1 and "not sent" in full.stderr
    assert send(f"store={tmp_path}/store", cwd=tmp_path).returncode == 0
    [run] = runs(track)
    history = connect(track)[0].get_metric_history(run.info.run_id, "m99")
    assert [(m.step, m.value) for m in history] == [(row["step"], row["m99"]) for row in rows]


KILLED = """
import fcntl, os, signal, sys
from pathlib import Path
from pure_repro.config import Track
from pure_repro.track.follow import follow

folder = Path(sys.argv[1])
held = (folder / ".lock").open("w")
fcntl.flock(held, fcntl.LOCK_EX)
follow(folder, Track(name="mlflow", uri=None, experiment="test", parent=None))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_a_run_that_is_killed_ends_as_killed_and_goes_on_as_running(tmp_path: Path, cell: Cell, track: Track):
    folder = unfinished(cell)
    run = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(folder)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
    )
    run.communicate(timeout=LONG)  # the sender outlives it, and holds the other end
    here = track.model_copy(update={"uri": None})
    assert [(run.info.status, run.info.end_time is None) for run in runs(here)] == [("KILLED", False)]
    assert waiting(tmp_path / "store") == []
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        follow(folder, here)
        settle(LONG)
        assert [run.info.status for run in runs(here)] == ["RUNNING"]
    assert send(f"store={tmp_path}/store", "track.experiment=other", cwd=tmp_path).returncode == 0
    assert [run.info.status for run in runs(here)] == ["KILLED"]


def test_a_run_that_fails_ends_as_failed(tmp_path: Path, cell: Cell, track: Track):
    folder = unfinished(cell)
    with pytest.raises(ZeroDivisionError), tracked({"train": folder}, track):
        follow(folder, track)
        print(1 / 0)
    settle(LONG)
    [run] = runs(track)
    assert run.info.status == "FAILED" and run.data.tags[f"{LOGGED}.metrics.jsonl"] == "60"
    assert waiting(tmp_path / "store") == []


def test_the_default_store_lies_in_the_working_folder_whatever_that_is_called(
    tmp_path: Path, cell: Cell, track: Track, monkeypatch: pytest.MonkeyPatch
):
    folder = tmp_path / "what? 50%25 #1 é"
    folder.mkdir()
    (tmp_path / "mlflow.db").rename(folder / "mlflow.db")
    monkeypatch.chdir(folder)
    send_run(cell.stages, track.model_copy(update={"uri": None}))
    settle(LONG)
    assert {path.name for path in tmp_path.iterdir()} == {folder.name, "store"}
    assert [path.name for path in folder.glob("mlruns/*/*/artifacts/rollouts.json")] == ["rollouts.json"]
    [run] = runs(track.model_copy(update={"uri": None}))
    assert run.info.status == "FINISHED"


def test_a_password_in_the_address_is_written_nowhere(
    tmp_path: Path, cell: Cell, track: Track, capfd: pytest.CaptureFixture
):
    uri = f"sqlite:///file:{tmp_path}/mlflow.db?uri=true&key=s3cret"  # SQLite takes no notice of a key it does not know
    secret = track.model_copy(update={"uri": uri})
    words = ["launch=torchrun", "train=deepspeed_zero2", f"track.uri='{uri}'", f"store={tmp_path}/store"]
    freeze(composed(words), cell.score)
    under = open_parent(cell.score.parents[1], secret, "table", "table", "table")
    send_run(cell.stages, under)
    (unfinished(cell) / "metrics.jsonl").write_text("{broken\n")  # and what it says of an error
    send_run({"train": cell.train}, secret)
    settle(LONG)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"run.json", "run.yaml", "mlflow.db"} <= {path.name for path in files}
    assert len(runs(track)) == 3
    assert [str(path) for path in files if b"s3cret" in path.read_bytes()] == []
    told = capfd.readouterr()
    assert "warning" in told.err and "s3cret" not in told.err + told.out


def test_a_store_that_is_not_ours_to_write_on_stops_nothing(cell: Cell, track: Track, capfd: pytest.CaptureFixture):
    (cell.score.parents[1] / OUTBOX).write_text("a file where the letters go")
    send_run(cell.stages, track)
    assert capfd.readouterr().err.startswith("warning: not tracked (")


def test_two_trainings_of_one_store_send_their_own(tmp_path: Path, cell: Cell, track: Track):
    """A letter about what another process is at work on is that process's to send."""
    folder = unfinished(cell)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        follow(folder, track)
        settle(LONG)
        before = time.time_ns()
        assert send(f"store={tmp_path}/store", cwd=tmp_path).returncode == 1
        [(_, files)] = waiting(tmp_path / "store")
        assert int(files[0].name.split("-")[0]) < before
