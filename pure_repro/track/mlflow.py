"""Runs in MLflow: one parent per table, one child per cell and seed.

A run is found by its tags, and only what it lacks is sent, so that logging the same folder twice changes nothing:
during training, after it, or again under another parent. Nothing is kept in the stage folders.
"""

import fcntl
import gzip
import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from itertools import zip_longest
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import yaml

from pure_repro.config import Track

if TYPE_CHECKING:  # importing MLflow takes more than a second, which a run without tracking need not wait for
    from mlflow import MlflowClient
    from mlflow.entities import Run

PATIENCE = 60  # seconds to wait while another process writes to the local store
LONGEST_TAG = 8000  # characters that MLflow takes
METRIC_NAME = re.compile(r"[\w.: -]+(/[\w.: -]+)*")
ADDRESS, TABLE, LOGGED = "pure_repro.address", "pure_repro.table", "pure_repro.logged"  # tags
TRAINING_VIEW = "workflowType=machine_learning"  # else MLflow's pages open on language-model traces


def connect(track: Track) -> tuple["MlflowClient", str]:
    """A client of the store, and the id of the experiment, which is made where it is missing."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when MLflow is imported
    from mlflow import MlflowClient

    with nullcontext() if track.uri else _first_come():
        client = MlflowClient(track.uri or f"sqlite:///{Path.cwd()}/mlflow.db?timeout={PATIENCE}")
        experiment = client.get_experiment_by_name(track.experiment)
        return client, experiment.experiment_id if experiment else client.create_experiment(track.experiment)


@contextmanager
def _first_come() -> Iterator[None]:
    """One process at a time: two that find no local store would both make its tables, and one would fail."""
    with Path("mlflow.db.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def open_table(track: Track, name: str) -> str:
    """The id of the parent run of a table, found by its name or made: the value for ``track.parent``."""
    client, experiment = connect(track)
    for run in client.search_runs([experiment], f"tags.`{TABLE}` != ''"):  # a name may hold quotes, a filter may not
        if run.data.tags[TABLE] == name:
            return run.info.run_id
    return client.create_run(experiment, tags={TABLE: name}, run_name=name).info.run_id


def sync(folder: Path, track: Track) -> str:
    """Log what a stage has written so far as a run under ``track.parent``; returns the run's id.

    Called at every validation it follows a training live; called on a finished folder it logs all of it.
    Raises ``ValueError`` for a metric whose name MLflow does not take.
    """
    client, experiment = connect(track)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    run = _child(client, experiment, folder, config, track.parent)
    _log_params(client, run, config)
    _log_files(client, run, folder, config["stage"])
    _log_records(client, run, folder / "metrics.jsonl", prefix="")
    _log_records(client, run, folder / "validation.jsonl", prefix="validation/")
    if shown := list(_rollouts(folder)):
        log_table(client, run.info.run_id, shown[::-1], "rollouts.json")  # how it ended comes first
    if (folder / "scores.json").exists():  # of a model that was not trained here
        _log_scores(client, run, folder)
    if (folder / "summary.json").exists():
        summary = json.loads((folder / "summary.json").read_text())
        steps = {key: summary[key] for key in ("chosen_step", "last_step", "collapsed_at")}
        _log_once(client, run, {key: float(step) for key, step in steps.items() if step is not None})
        client.set_terminated(run.info.run_id, end_time=_milliseconds(folder / "summary.json"))
    return run.info.run_id


def publish(
    cells: Mapping[str, Mapping[str, Path]], table: Sequence[Mapping[str, str]], out: Path, track: Track, name: str
) -> str:
    """Log a finished table: a child per cell, the table and every file of ``out`` on the parent; returns its id.

    ``cells`` maps what a child is called to its stage folders by stage. ``table`` is shown as a table by the UI,
    and the first section of ``out / "table.md"`` is the parent's description.
    """
    parent = track.parent or open_table(track, name)
    client, experiment = connect(track)
    runs = []
    for label, stages in cells.items():
        run_id = sync(stages.get("train", stages["score"]), track.model_copy(update={"parent": parent}))
        _log_cell(client, client.get_run(run_id), label, stages)
        runs.append(run_id)
    log_table(client, parent, table, "table.json")
    for file in sorted(out.iterdir()):
        client.log_artifact(parent, str(file))
    trained = [run_id for run_id, stages in zip(runs, cells.values(), strict=True) if "train" in stages]
    glance = (out / "table.md").read_text().split("\n## ")[1]
    shown = ["table.json", *(file.name for file in sorted(out.iterdir()) if file.suffix in (".md", ".png"))]
    note = f"{_links(experiment, parent, shown, trained)}\n\n## {glance}"
    client.set_tag(parent, "mlflow.note.content", note[:LONGEST_TAG])
    client.set_terminated(parent)
    return parent


def page(track: Track, run_id: str) -> str:
    """Where the UI shows a run: the part of the address after the server's."""
    _, experiment = connect(track)
    return f"#/experiments/{experiment}/runs/{run_id}?{TRAINING_VIEW}"


def _links(experiment: str, parent: str, files: Sequence[str], trained: Sequence[str]) -> str:
    """Markdown links to what a reader of a table wants next; the UI itself has no way from a parent to its curves."""
    artifacts = [
        f"[{file}](#/experiments/{experiment}/runs/{parent}/artifacts/{file}?{TRAINING_VIEW})" for file in files
    ]
    charts = [
        f"[{text}](#/metric?runs={_quoted(trained)}&experiments={_quoted([experiment])}&metric={_quoted(metric)}"
        f"&plot_metric_keys={_quoted([metric])}&x_axis=step&{TRAINING_VIEW})"
        for text, metric in {"accuracy of every run": "validation/sampled", "lengths": "validation/tokens"}.items()
    ]
    return " · ".join(artifacts + charts)


def _quoted(value: str | Sequence[str]) -> str:
    return quote(json.dumps(value, separators=(",", ":")))


def log_table(client: "MlflowClient", run_id: str, rows: Sequence[Mapping[str, Any]], name: str) -> None:
    """Log rows as the artifact that the UI shows as a table, in the place of an earlier one.

    The layout and the tag are those of ``MlflowClient.log_table``, which would append to what is there.
    """
    columns = list(rows[0])
    client.log_dict(run_id, {"columns": columns, "data": [[row[column] for column in columns] for row in rows]}, name)
    client.set_tag(run_id, "mlflow.loggedArtifacts", json.dumps([{"path": name, "type": "table"}]))


def _child(
    client: "MlflowClient", experiment: str, folder: Path, config: Mapping[str, Any], parent: str | None
) -> "Run":
    """The run of a stage folder under a parent, found by its tags or made."""
    for run in client.search_runs([experiment], f"tags.`{ADDRESS}` = '{folder.name}'"):
        if run.data.tags.get("mlflow.parentRunId") == parent:
            return run
    tags = {ADDRESS: folder.name} | ({"mlflow.parentRunId": parent} if parent else {})
    weights = [config["model"]["weights"]] if "weights" in config.get("model", {}) else []
    parts = [config["stage"], *weights, *(config[group]["name"] for group in ("reward", "credit") if group in config)]
    name = ", ".join([*parts, f"seed {config['seed']}"] if "seed" in config else parts)
    return client.create_run(experiment, _milliseconds(folder / "config.yaml"), tags, name)


def _log_cell(client: "MlflowClient", run: "Run", label: str, stages: Mapping[str, Path]) -> None:
    """Add to a cell's run what its other stages hold: configuration, manifests, gate and scores."""
    run_id = run.info.run_id
    client.update_run(run_id, name=label)
    for stage, folder in stages.items():
        _log_params(client, run, yaml.safe_load((folder / "config.yaml").read_text()))
        _log_files(client, run, folder, stage)
    if "prm" in stages:
        gate = json.loads((stages["prm"] / "gate.json").read_text())
        _log_once(client, run, {f"prm_gate/{name}": value for name, value in gate.items() if isinstance(value, float)})
    _log_scores(client, run, stages["score"])


def _log_scores(client: "MlflowClient", run: "Run", folder: Path) -> None:
    """Add what a score folder holds; the run is finished with it."""
    _log_once(client, run, _score_metrics(json.loads((folder / "scores.json").read_text())))
    client.set_terminated(run.info.run_id, end_time=_milliseconds(folder / "scores.json"))


def _score_metrics(scores: Mapping[str, Any]) -> dict[str, float]:
    """Accuracy by checkpoint, sampling and set, with the mean over sets."""
    metrics: dict[str, float] = {}
    for checkpoint, sets in scores["checkpoints"].items():
        for sampling in ("greedy", "sampled") if all(one["sampled"] for one in sets.values()) else ("greedy",):
            means = {
                name: fmean(fmean(x) if isinstance(x, list) else x for x in one[sampling]) for name, one in sets.items()
            }
            means["average"] = fmean(means.values())
            metrics |= {f"score/{checkpoint}/{sampling}/{name}": value for name, value in means.items()}
    return metrics


def _log_records(client: "MlflowClient", run: "Run", path: Path, prefix: str) -> None:
    """Log the records of a JSON Lines file that are later than the last one logged; a tag keeps that step."""
    if not path.exists():
        return
    from mlflow.entities import Metric, RunTag

    tag = f"{LOGGED}.{path.name}"
    last = int(run.data.tags.get(tag, -1))
    records = [r for r in map(json.loads, path.read_text().splitlines()) if r["step"] > last]
    if not records:
        return
    now = int(time.time() * 1000)
    metrics = [
        Metric(checked(prefix + name, path), value, now, record["step"])
        for record in records
        for name, value in record.items()
        if name != "step"
    ]
    client.log_batch(run.info.run_id, metrics, tags=[RunTag(tag, str(records[-1]["step"]))])


def _log_files(client: "MlflowClient", run: "Run", folder: Path, stage: str) -> None:
    """Log a stage's configuration and its small files: manifest, summary, gate, scores and their table."""
    for file in [folder / "config.yaml", *sorted(folder.glob("*.json")), *folder.glob("table.md")]:
        client.log_artifact(run.info.run_id, str(file), stage)


def _log_once(client: "MlflowClient", run: "Run", metrics: Mapping[str, float]) -> None:
    """Log numbers that belong to no step, those that the run does not hold yet."""
    from mlflow.entities import Metric

    known = client.get_run(run.info.run_id).data.metrics
    now = int(time.time() * 1000)
    new = [Metric(name, value, now, 0) for name, value in metrics.items() if known.get(name) != value]
    client.log_batch(run.info.run_id, metrics=new)


def _log_params(client: "MlflowClient", run: "Run", config: Mapping[str, Any]) -> None:
    """Log the keys of a stage's configuration as parameters."""
    from mlflow.entities import Param

    parts = {group: value for group, value in config.items() if group not in ("stage", "inputs")}
    client.log_batch(run.info.run_id, params=[Param(key, str(value)) for key, value in flatten(parts)])


def _rollouts(folder: Path) -> Iterator[dict[str, Any]]:
    """The shown responses as a reader wants them; the file is compressed once the run is finished."""
    for path, read in ((folder / "rollouts.jsonl", open), (folder / "rollouts.jsonl.gz", gzip.open)):
        if path.exists():
            with read(path, "rt") as file:
                for row in map(json.loads, file):
                    scores = [f"  {score:+.2f}" for score in row["process_rewards"]]
                    pairs = zip_longest(row["response"].split("\n\n"), scores, fillvalue="")
                    yield {
                        "step": row["step"],
                        "problem": row["problem"],
                        "scored response": "\n".join(step + score for step, score in pairs),
                        "correct": row["correct"],
                        "advantage": row["advantage"],
                        "answer": row["answer"],
                    }


def checked(name: str, path: Path) -> str:
    """A metric's name, if MLflow takes it.

    >>> checked("reward/process", Path("metrics.jsonl"))
    'reward/process'
    >>> checked("pass@1", Path("metrics.jsonl"))
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


def _milliseconds(path: Path) -> int:
    return int(path.stat().st_mtime * 1000)
