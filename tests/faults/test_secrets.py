"""Passwords in addresses are in nothing that a run leaves: its store, its tracker, its logs, and what it says.

Files of tracking alone are tested in ``tests/test_outbox.py``.
"""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import yaml
from forked import run_forked

from pure_repro.config import Examined
from pure_repro.launch.commands import composed_for
from pure_repro.launch.weights import identity_of_reader
from pure_repro.track.redact import redacted_address

SECRET = "s3cret"
JUDGED = ["reward=judge", "credit=sum", "reward.judge.who=endpoint", "reward.judge.model=some"]
SHORT = ["recipe=smoke", "train.steps=2", "stages=[base,prm,train]"]
# Hydra's own record of a sweep holds its words as they were typed, as does a shell's history.
TYPED = "multirun.yaml"


class Answers(BaseHTTPRequestHandler):
    """A judge that sees nothing achieved, or one that is broken."""

    status = 200

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(json.dumps({"choices": [{"message": {"content": '{"achieved": []}'}}]}).encode())

    def log_message(self, *_: object) -> None:
        """Quietly."""


class Broken(Answers):
    """The broken one."""

    status = 500


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), getattr(request, "param", Answers)) as judge:
        threading.Thread(target=judge.serve_forever, daemon=True).start()
        yield f"reward.judge.url=http://me:{SECRET}@127.0.0.1:{judge.server_port}/v1"
        judge.shutdown()


@pytest.fixture
def words(server: str, store: Path, tmp_path: Path, migrated: Path) -> list[str]:
    """Both addresses have a password; SQLite takes no notice of a key that it does not know."""
    (tmp_path / "mlflow.db").write_bytes(migrated.read_bytes())
    uri = f"sqlite:///file:{tmp_path}/mlflow.db?uri=true&key={SECRET}"
    return [*JUDGED, server, f"track.uri='{uri}'", f"store={store}"]


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., CompletedProcess[str]]:
    return lambda *words, module="pure_repro": run_forked(module, words, tmp_path)


def told(run: CompletedProcess[str], folder: Path, *left: str) -> list[str]:
    """Where the password stands; ``left`` are files that must be there, or nothing would have been looked at."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != TYPED]
    assert {"mlflow.db", "manifest.json", *left} <= {path.name for path in files}
    found = [str(path) for path in files if SECRET.encode() in path.read_bytes()]
    return found + [name for name, said in (("stdout", run.stdout), ("stderr", run.stderr)) if SECRET in said]


@pytest.mark.slow
def test_of_a_run(command: Callable[..., CompletedProcess[str]], words: list[str], tmp_path: Path) -> None:
    run = command(*SHORT, *words)
    assert run.returncode == 0, run.stderr
    assert told(run, tmp_path, "replies.sqlite", "metrics.jsonl") == []


@pytest.mark.slow
@pytest.mark.parametrize("server", [Broken], indirect=True)
def test_of_a_run_that_fails(command: Callable[..., CompletedProcess[str]], words: list[str], tmp_path: Path) -> None:
    run = command(*SHORT, *words)
    assert run.returncode == 1 and "without a reply" in run.stderr.splitlines()[-1]
    assert told(run, tmp_path) == []


@pytest.mark.slow
def test_of_a_group(command: Callable[..., CompletedProcess[str]], words: list[str], tmp_path: Path) -> None:
    run = command(*SHORT, *words, "launch=torchrun", "launch.nproc_per_node=1", "train=deepspeed_zero2")
    assert run.returncode == 0, run.stderr
    assert told(run, tmp_path, "run.json", "run.yaml") == []


@pytest.mark.slow
def test_of_a_sweep(command: Callable[..., CompletedProcess[str]], words: list[str], tmp_path: Path) -> None:
    run = command("-m", *SHORT, *words, "train.learning_rate=1e-4,1e-3")
    assert run.returncode == 0, run.stderr
    assert told(run, tmp_path, "sweep.json") == []


@pytest.mark.slow
def test_of_a_table(command: Callable[..., CompletedProcess[str]], words: list[str], tmp_path: Path) -> None:
    grid = tmp_path / "grid.yaml"
    grid.write_text(yaml.safe_dump({"judged": {"label": "judged", "overrides": ["reward=judge"]}}))
    run = command(str(grid), f"out={tmp_path / 'out'}", *SHORT[:2], *words, module="pure_repro.reproduce")
    assert run.returncode == 0, run.stderr
    assert told(run, tmp_path, "log.txt", "table.md") == []


@pytest.mark.parametrize("key", ["prm.url=", "track.uri="])
def test_of_what_stands_in_a_record(key: str) -> None:
    """An examination's record names the served model; the words of a command are a tag."""
    address = f"http://me:{SECRET}@127.0.0.1:8000/pooling?token={SECRET}"
    shown = redacted_address(key + address)
    if key == "prm.url=":
        words = ["on=file", "on.path=mine.jsonl", "prm=endpoint", f"prm.url='{address}'", "prm.model=some"]
        shown = str(identity_of_reader(composed_for("examine", Examined, words).prm))
    assert "127.0.0.1:8000/pooling" in shown and SECRET not in shown
