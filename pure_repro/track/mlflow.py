"""The store that runs are logged in: how it is reached, how its runs are found, and what one call of it may hold."""

import fcntl
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pure_repro.config import Track

if TYPE_CHECKING:  # importing MLflow takes seconds; only what sends does it
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run

BUSY = 20  # seconds in which another process may write to the local store
AT_ONCE = 900  # metrics in a call, of the thousand that MLflow takes with parameters and tags
RUN_ID = re.compile(r"[0-9a-f]{32}")
METRIC_NAME = re.compile(r"[\w.: -]+(/[\w.: -]+)*")
ADDRESS, PARENT, KIND, LOGGED = (f"pure_repro.{tag}" for tag in ("address", "table", "kind", "logged"))
PARENT_ID, NOTE = "mlflow.parentRunId", "mlflow.note.content"
TRAINING_VIEW = "workflowType=machine_learning"  # else MLflow's pages open on language-model traces


def connect(track: Track) -> tuple["MlflowClient", str]:
    """A client of the store, and the id of the experiment, which is made where it is missing."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when MLflow is imported
    from mlflow import MlflowClient

    with nullcontext() if track.uri else _first_come():
        client = MlflowClient(track.uri or default_store(Path.cwd()))
        if experiment := client.get_experiment_by_name(track.experiment):
            return client, experiment.experiment_id
        artifacts = None if track.uri else Path("mlruns", quote(track.experiment, safe="")).absolute().as_uri()
        return client, client.create_experiment(track.experiment, artifact_location=artifacts)


def default_store(folder: Path) -> str:
    """The address of the database in a working folder.

    In a whole path ``?`` would begin a query and ``%`` a code, so where there is one it is the path from here.

    >>> default_store(Path("/home/me")), default_store(Path("/home/what?"))
    ('sqlite:////home/me/mlflow.db?timeout=20', 'sqlite:///mlflow.db?timeout=20')
    """
    whole = "" if re.search("[?%#]", str(folder)) else f"{folder}/"
    return f"sqlite:///{whole}mlflow.db?timeout={BUSY}"


@contextmanager
def _first_come() -> Iterator[None]:
    """One process at a time: two that find no local store would both make its tables, and one would fail."""
    with Path("mlflow.db.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def parent_id(client: "MlflowClient", experiment: str, name: str) -> str:
    """The id of a parent run by its name, under which it is made where it is missing; an id is one already."""
    if RUN_ID.fullmatch(name):
        return name
    for run in client.search_runs([experiment], f"tags.`{PARENT}` != ''"):  # a name may hold quotes, a filter may not
        if run.data.tags[PARENT] == name:
            return run.info.run_id
    return client.create_run(experiment, tags={PARENT: name}, run_name=name).info.run_id


def children(client: "MlflowClient", experiment: str, parent: str) -> list["Run"]:
    """The runs under a parent."""
    return list(client.search_runs([experiment], f"tags.`{PARENT_ID}` = '{parent}'", order_by=["start_time"]))


def put_status(client: "MlflowClient", run: "Run", status: str, ended: int | None) -> None:
    """How a run stands, and since when where it has ended; one that goes on after it was killed is running again."""
    if status == "RUNNING":
        if run.info.status != status:
            client.update_run(run.info.run_id, status)
    elif (run.info.status, run.info.end_time) != (status, ended):
        client.set_terminated(run.info.run_id, status, ended)


def log_metrics(client: "MlflowClient", run_id: str, records: Sequence[Sequence["Metric"]], tag: str) -> None:
    """Log records of metrics in order; ``tag`` keeps the last step, in the same call as its numbers.

    So a store that stops in between has whole calls, and the rest follow where they ended.
    """
    from mlflow.entities import RunTag

    call: list[Metric] = []
    for i, record in enumerate(records):
        call += record
        if i + 1 == len(records) or len(call) + len(records[i + 1]) > AT_ONCE:
            client.log_batch(run_id, call, tags=[RunTag(tag, str(record[0].step))])
            call = []


def log_table(client: "MlflowClient", run_id: str, rows: Sequence[Mapping[str, Any]], name: str) -> None:
    """Log rows as the artifact that the UI shows as a table, in the place of an earlier one.

    The layout and the tag are those of ``MlflowClient.log_table``, which would append to what is there.
    """
    columns = list(rows[0])
    client.log_dict(run_id, {"columns": columns, "data": [[row[column] for column in columns] for row in rows]}, name)
    client.set_tag(run_id, "mlflow.loggedArtifacts", json.dumps([{"path": name, "type": "table"}]))


def metric_name(name: str, path: Path) -> str:
    """A metric's name, if MLflow takes it.

    >>> metric_name("reward/process", Path("metrics.jsonl"))
    'reward/process'
    >>> metric_name("pass@1", Path("metrics.jsonl"))
    Traceback (most recent call last):
    ValueError: metrics.jsonl: MLflow takes no metric called 'pass@1': use letters, digits, _ - . : space and single /
    """
    if not METRIC_NAME.fullmatch(name) or {".", ".."} & set(name.split("/")):
        raise ValueError(
            f"{path.name}: MLflow takes no metric called {name!r}: use letters, digits, _ - . : space and single /"
        )
    return name


def flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of nested mappings by dotted key; a list is a leaf.

    >>> dict(flatten({"train": {"steps": 60}, "seed": 1}))
    {'train.steps': 60, 'seed': 1}
    """
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def milliseconds(path: Path) -> int:
    """When a file was written, as MLflow counts."""
    return int(path.stat().st_mtime * 1000)
