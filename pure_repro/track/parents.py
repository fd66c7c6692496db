"""A table or a sweep in MLflow: the run above its runs."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING

from pure_repro.config import Track
from pure_repro.track.mlflow import KIND, NOTE, children, connect, log_table, parent_id, put_status
from pure_repro.track.names import arm_metric, shown_as
from pure_repro.track.outbox import Parent
from pure_repro.track.pages import chart_page, run_page

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

LONGEST_TAG = 8000  # characters that MLflow takes
COLLAPSE = "steps/collapsed at"


def sync_parent(parent: Parent, track: Track, status: str) -> str:
    """Log a table or a sweep, the runs under it being there already; returns its page."""
    client, experiment = connect(track)
    run_id = parent_id(client, experiment, parent.name)
    run = client.get_run(run_id)
    client.set_tag(run_id, KIND, parent.kind)
    if run.info.run_name != parent.title:
        client.update_run(run_id, name=parent.title)
    if parent.folder:
        below = children(client, experiment, run_id)
        _log_arms(client, run, below)
        files = sorted(Path(parent.folder).iterdir())
        for file in files:
            client.log_artifact(run_id, str(file))
        if parent.table:
            log_table(client, run_id, parent.table, "table.json")
        links = _links(experiment, run_id, files, below)
        client.set_tag(run_id, NOTE, f"{parent.description}\n\n{links}"[:LONGEST_TAG])
    put_status(client, run, status, None)
    return run_page(experiment, run_id)


def _log_arms(client: "MlflowClient", run: "Run", below: Sequence["Run"]) -> None:
    """A metric per arm, so that a list of tables can be sorted: the mean score, the median step of collapse."""
    from mlflow.entities import Metric

    arms = sorted({child.data.tags["arm"] for child in below if "arm" in child.data.tags})
    numbers: dict[str, float] = {}
    for arm in arms:
        runs = [child.data.metrics for child in below if child.data.tags.get("arm") == arm]
        scores = [score for metrics in runs if (score := headline(metrics)) is not None]
        collapses = [metrics[COLLAPSE] for metrics in runs if COLLAPSE in metrics]
        if scores:
            numbers[arm_metric(arm, "score")] = fmean(scores)
        if collapses:
            numbers[arm_metric(arm, "collapse step")] = median(collapses)
    new = [Metric(name, value, _now(), 0) for name, value in numbers.items() if run.data.metrics.get(name) != value]
    client.log_batch(run.info.run_id, metrics=new)


def headline(metrics: Mapping[str, float]) -> float | None:
    """The one score of a run: of its last checkpoint where it has one, sampled where it was.

    >>> headline({"score/chosen/greedy/average": 0.9, "score/last/greedy/average": 0.8, "loss": 1.0})
    0.8
    """
    names = [f"score/{c}/{s}/average" for c in ("last", "chosen", "base") for s in ("sampled", "greedy")]
    return next((metrics[name] for name in names if name in metrics), None)


def _now() -> int:
    return int(1000 * time.time())


def _links(experiment: str, parent: str, files: Sequence[Path], below: Sequence["Run"]) -> str:
    """Markdown links to what a reader of a table wants next."""
    shown = ["table.json", *(file.name for file in files if file.suffix in (".md", ".png"))]
    artifacts = [f"[{name}]({run_page(experiment, parent, name)})" for name in shown]
    charts = {"accuracy of every run": shown_as("validation/sampled"), "lengths": "validation/tokens"}
    return " · ".join(artifacts) + "".join(
        f" · [{text}]({chart_page(experiment, runs, metric)})"
        for text, metric in charts.items()
        if (runs := [run.info.run_id for run in below if metric in run.data.metrics])
    )
