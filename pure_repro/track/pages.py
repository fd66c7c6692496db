"""Addresses of MLflow's pages, in the view of trained models: the UI itself has few ways from one to another."""

import json
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from pure_repro.track.mlflow import TRAINING_VIEW


def list_page(experiment: str) -> str:
    """The list of runs, newest first.

    >>> list_page("1")
    '#/experiments/1/runs?workflowType=machine_learning'
    """
    return f"#/experiments/{experiment}/runs?{TRAINING_VIEW}"


def run_page(experiment: str, run_id: str, artifact: str | None = None) -> str:
    """A run, or a file of it."""
    file = f"/artifacts/{artifact}" if artifact else ""
    return f"#/experiments/{experiment}/runs/{run_id}{file}?{TRAINING_VIEW}"


def chart_page(experiment: str, run_ids: Sequence[str], metric: str) -> str:
    """One metric of several runs by training step."""
    return (
        f"#/metric?runs={_quoted(run_ids)}&experiments={_quoted([experiment])}&metric={_quoted(metric)}"
        f"&plot_metric_keys={_quoted([metric])}&x_axis=step&{TRAINING_VIEW}"
    )


def where_tracked(pages: Sequence[str]) -> str:
    """What a command says at its end of the pages that it has sent; none where the tracker takes its time."""
    links = [f"Curves and rollouts: {opened_by()}, then http://127.0.0.1:5000/{page}" for page in pages]
    return "\n".join(links) or f"Curves and rollouts, once the tracker has them: {opened_by()}"


def opened_by() -> str:
    """The command that opens the pages from this folder: the Makefile is at the top of a checkout alone."""
    return "make ui" if Path("pure_repro").resolve() == Path(__file__).parents[1] else "python -m pure_repro.track ui"


def first_section(text: str) -> str:
    """The first section of a table's Markdown, without its heading: MLflow shows some seven lines before it folds.

    >>> first_section("# Title\\n\\nPreface.\\n\\n## At a glance\\n\\n| arm |\\n\\n## More\\n\\nLong.")
    '| arm |'
    """
    return text.split("\n## ")[1].partition("\n")[2].strip()


def _quoted(value: str | Sequence[str]) -> str:
    return quote(json.dumps(value, separators=(",", ":")))
