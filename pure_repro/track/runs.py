"""One run in MLflow, made of its stage folders.

A run is found by its tags, and only what it lacks is sent, so that sending the same folders twice changes nothing:
during training, after it, or again under another parent. Times are those of the records, not of the sending.
"""

import json
from collections.abc import Mapping
from itertools import accumulate
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import yaml

from pure_repro.config import Track
from pure_repro.track.about import commit, problem_sets, sentence, tags
from pure_repro.track.mlflow import (
    ADDRESS,
    KIND,
    LOGGED,
    NOTE,
    PARENT_ID,
    connect,
    flatten,
    log_metrics,
    log_table,
    metric_name,
    milliseconds,
    parent_id,
    put_status,
)
from pure_repro.track.names import shown_as
from pure_repro.track.outbox import Child
from pure_repro.track.rollouts import rollouts

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

STEPS = {"chosen_step": "steps/chosen", "last_step": "steps/last", "collapsed_at": "steps/collapsed at"}


def sync(child: Child, store: Path, track: Track, status: str) -> str | None:
    """Log what a run's stages have written so far, under ``track.parent``; returns the run's id, none before it began.

    Raises ``ValueError`` for a metric whose name MLflow does not take.
    """
    folders = {stage: f for stage, f in child.folders(store).items() if (f / "config.yaml").exists()}
    if child.stage not in folders:
        return None
    client, experiment = connect(track)
    above = client.get_run(parent_id(client, experiment, track.parent)) if track.parent else None
    run = _run(client, experiment, folders[child.stage], child, above)
    _log_about(client, run, folders, child, above)
    for stage, folder in folders.items():
        _log_params(client, run, yaml.safe_load((folder / "config.yaml").read_text()))
        _log_files(client, run, folder, stage)
        _log_once(client, run, _numbers(folder), milliseconds(_newest(folder)))
    _log_training(client, run, folders[child.stage])
    _log_models(client, experiment, run, folders[child.stage])
    put_status(client, run, status, max(milliseconds(_newest(folder)) for folder in folders.values()))
    return run.info.run_id


def _run(client: "MlflowClient", experiment: str, folder: Path, child: Child, above: "Run | None") -> "Run":
    """The run of a stage folder under a parent, found by its tags or made."""
    under = above.info.run_id if above else None
    known = client.search_runs([experiment], f"tags.`{ADDRESS}` = '{folder.name}'")
    run = next((run for run in known if run.data.tags.get(PARENT_ID) == under), None)
    if run is None:
        config = yaml.safe_load((folder / "config.yaml").read_text())
        place = {ADDRESS: folder.name} | ({PARENT_ID: under} if under else {})
        run = client.create_run(experiment, milliseconds(folder / "config.yaml"), place, _name(config))
    if child.name and run.info.run_name != child.name:
        client.update_run(run.info.run_id, name=child.name)
    return run


def _log_about(
    client: "MlflowClient", run: "Run", folders: Mapping[str, Path], child: Child, above: "Run | None"
) -> None:
    """Log what tells a run from others: its sentence, its tags, the problem sets that it has read."""
    from mlflow.entities import RunTag

    folder = folders[child.stage]
    config = yaml.safe_load((folder / "config.yaml").read_text())
    group = {above.data.tags.get(KIND, "table"): above.info.run_name} if above else {}
    wanted = {NOTE: sentence(child.stage, config, folder)} | tags(config) | group
    wanted |= commit(folder) | {"mlflow.source.type": "LOCAL"} | child.tags
    new = [RunTag(tag, value) for tag, value in wanted.items() if run.data.tags.get(tag) != value]
    client.log_batch(run.info.run_id, tags=new)
    known = {one.dataset.name for one in (run.inputs.dataset_inputs if run.inputs else [])}
    if sets := [one for one in problem_sets(folder) if one.dataset.name not in known]:
        client.log_inputs(run.info.run_id, sets)


def _name(config: Mapping[str, Any]) -> str:
    """What a run is called that nobody has named: what it is, what it is paid, how it is credited, its seed.

    >>> _name({"stage": "train", "seed": 1, "reward": {"name": "prm"}, "credit": {"name": "min"}})
    'train, prm, min, seed 1'
    """
    weights = [config["model"]["weights"]] if "weights" in config.get("model", {}) else []
    parts = [config["stage"], *weights, *(config[group]["name"] for group in ("reward", "credit") if group in config)]
    return ", ".join([*parts, f"seed {config['seed']}"] if "seed" in config else parts)


def _newest(folder: Path) -> Path:
    """The file by whose time a stage ended: its last one, or the last record of one that was cut off."""
    files = [folder / name for name in ("manifest.json", "validation.jsonl", "metrics.jsonl", "config.yaml")]
    return next(file for file in files if file.exists())


def _numbers(folder: Path) -> dict[str, float]:
    """What a stage says in numbers that belong to no step: scores, a reward model's gate, the steps of a summary."""
    numbers: dict[str, float] = {}
    if (folder / "scores.json").exists():
        numbers |= _score_metrics(json.loads((folder / "scores.json").read_text()))
    if (folder / "gate.json").exists():
        gate = json.loads((folder / "gate.json").read_text())
        numbers |= {f"prm_gate/{name}": value for name, value in gate.items() if isinstance(value, float)}
    if (folder / "summary.json").exists():
        summary = json.loads((folder / "summary.json").read_text())
        numbers |= {shown: float(summary[step]) for step, shown in STEPS.items() if summary[step] is not None}
    return numbers


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


def _log_models(client: "MlflowClient", experiment: str, run: "Run", folder: Path) -> None:
    """Log the models that a finished stage leaves, by name and place; their weights stay where they are."""
    from mlflow.entities import LoggedModelOutput

    if not (folder / "manifest.json").exists():
        return
    run_id = run.info.run_id
    known = {model.name for model in client.search_logged_models([experiment], f"source_run_id = '{run_id}'")}
    for name in ("chosen", "last", "model"):
        if (folder / name / "config.json").exists() and name not in known:
            model = client.create_logged_model(experiment, name, run_id, params={"folder": str(folder / name)})
            client.finalize_logged_model(model.model_id, "READY")
            client.log_outputs(run_id, [LoggedModelOutput(model.model_id, 0)])


def _log_training(client: "MlflowClient", run: "Run", folder: Path) -> None:
    """Log what a training has recorded step by step, and the responses that it has shown."""
    records = _records(folder / "metrics.jsonl")
    spent = accumulate(sum(v for name, v in record.items() if name.startswith("seconds/")) for record in records)
    times = {int(record["step"]): run.info.start_time + int(1000 * s) for record, s in zip(records, spent, strict=True)}
    _log_records(client, run, folder / "metrics.jsonl", "", times)
    _log_records(client, run, folder / "validation.jsonl", "validation/", times)
    if shown := list(rollouts(folder)):
        log_table(client, run.info.run_id, shown[::-1], "rollouts.json")  # how it ended comes first


def _records(path: Path) -> list[dict[str, Any]]:
    """The whole records of a JSON Lines file; the last line may still be on its way."""
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    return [json.loads(line) for line in lines]


def _log_records(client: "MlflowClient", run: "Run", path: Path, prefix: str, times: Mapping[int, int]) -> None:
    """Log the records of a JSON Lines file that are later than the last one logged; a tag keeps that step.

    A record has the time of its step, so that one which is sent twice is still the same.
    """
    from mlflow.entities import Metric

    tag = f"{LOGGED}.{path.name}"
    last = int(run.data.tags.get(tag, -1))
    new = [
        [
            Metric(
                shown_as(metric_name(prefix + name, path)),
                value,
                times.get(int(record["step"]), run.info.start_time),
                step,
            )
            for name, value in record.items()
            if name != "step"
        ]
        for record in _records(path)
        if (step := int(record["step"])) > last
    ]
    log_metrics(client, run.info.run_id, new, tag)


def _log_files(client: "MlflowClient", run: "Run", folder: Path, stage: str) -> None:
    """Log a stage's configuration and its small files: manifest, summary, gate, scores and their table."""
    for file in [folder / "config.yaml", *sorted(folder.glob("*.json")), *folder.glob("table.md")]:
        client.log_artifact(run.info.run_id, str(file), stage)


def _log_once(client: "MlflowClient", run: "Run", metrics: Mapping[str, float], time: int) -> None:
    """Log numbers that belong to no step, those that the run does not hold yet."""
    from mlflow.entities import Metric

    known = run.data.metrics
    new = [Metric(name, value, time, 0) for name, value in metrics.items() if known.get(name) != value]
    client.log_batch(run.info.run_id, metrics=new)


def _log_params(client: "MlflowClient", run: "Run", config: Mapping[str, Any]) -> None:
    """Log the keys of a stage's configuration as parameters, which MLflow takes once."""
    from mlflow.entities import Param

    parts = {group: value for group, value in config.items() if group not in ("stage", "inputs")}
    new = [Param(key, str(value)) for key, value in flatten(parts) if key not in run.data.params]
    client.log_batch(run.info.run_id, params=new)
