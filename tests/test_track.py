"""Tracking on a real SQLite store: what is sent, once; live, afterwards, under two parents, from two processes."""

import json
import multiprocessing
import sqlite3
import threading
from pathlib import Path

import pytest
from mlflow.entities import Run
from project import ROOT
from stage_folders import SETS, lines, scored, write_cells

from pure_repro.config import Track
from pure_repro.report import Cell
from pure_repro.track.mlflow import connect, parent_id
from pure_repro.track.outbox import Child, Parent
from pure_repro.track.pages import where_tracked
from pure_repro.track.parents import sync_parent
from pure_repro.track.runs import sync as sync_run

SAMPLED = "accuracy/validation sampled"
TABLE = [{"arm": "PURE-PRM, min", "sampled, last": "90.8 [89.1, 92.4]"}]


def all_runs(track: Track) -> list[Run]:
    client, experiment = connect(track)
    return list(client.search_runs([experiment]))


def history(track: Track, run_id: str, metric: str) -> list[tuple[int, float]]:
    return [(m.step, m.value) for m in connect(track)[0].get_metric_history(run_id, metric)]


def sync(folder: Path, track: Track, status: str = "RUNNING") -> str:
    """Send a stage folder alone."""
    run_id = sync_run(Child(stages={folder.parent.name: folder.name}), folder.parents[1], track, status)
    assert run_id is not None
    return run_id


def publish(cells: dict[str, Cell], out: Path, track: Track, name: str) -> str:
    """Send a finished table as `reproduce` does: its runs, then the run above them; returns its page."""
    under = track.model_copy(update={"parent": name})
    for label, cell in cells.items():
        stages = {stage: folder.name for stage, folder in cell.stages.items()}
        sync_run(Child(stages=stages, name=label, tags={"arm": cell.row}), cell.score.parents[1], under, "FINISHED")
    glance = (out / "table.md").read_text().split("\n## ")[1]
    parent = Parent(name=name, kind="table", title=name, description=f"## {glance}", folder=str(out), table=TABLE)
    return sync_parent(parent, track, "FINISHED")


def id_of(page: str) -> str:
    return page.split("/runs/")[1].split("?")[0]


def results(tmp_path: Path) -> Path:
    out = tmp_path / "results"
    out.mkdir()
    (out / "table.md").write_text("# Title\n\nPreface.\n\n## At a glance\n\n| arm |\n|---|\n\n## More\n\nLong.\n")
    (out / "curves.png").write_bytes(b"png")
    return out


def test_a_published_table(tmp_path: Path, track: Track) -> None:
    cells = [c for c in write_cells(tmp_path / "store", [1]) if c.row in ("base", "prm_sum")]
    train = cells[1].train
    assert train is not None
    manifest = json.loads((train / "manifest.json").read_text())
    (train / "manifest.json").write_text(json.dumps(manifest | {"problems": {"train": "d1", "chain3": "d2"}}))
    (train / "last").mkdir()
    (train / "last" / "config.json").write_text("{}")
    named = {f"{cell.row}, seed 1": cell for cell in cells}
    out = results(tmp_path)
    page = publish(named, out, track, "table1")
    assert publish(named, out, track, "table1") == page
    parent = id_of(page)

    client, _ = connect(track)
    children = {run.info.run_name: run for run in all_runs(track) if run.info.run_id != parent}
    assert set(children) == {"base, seed 1", "prm_sum, seed 1"}
    assert {run.data.tags["mlflow.parentRunId"] for run in children.values()} == {parent}

    run = children["prm_sum, seed 1"]
    assert run.info.status == "FINISHED"
    assert run.data.params["train.learning_rate"] == "0.0003" and run.data.params["prm.negatives"] == "zero_step"
    assert [step for step, _ in history(track, run.info.run_id, "loss")] == list(range(1, 41))
    assert [step for step, _ in history(track, run.info.run_id, SAMPLED)] == [0, 10, 20, 30, 40]
    assert run.data.metrics["score/last/sampled/average"] == cells[1].average("last", "sampled")
    assert run.data.metrics["steps/collapsed at"] == 20
    assert run.data.metrics["prm_gate/bad_found"] == pytest.approx(0.951)
    assert {name: run.data.tags[name] for name in ("arm", "seed", "reward", "table")} == {
        "arm": "prm_sum",
        "seed": "1",
        "reward": "prm",
        "table": "table1",
    }
    assert run.data.tags["mlflow.note.content"].startswith("A training of 60 steps with reward=prm, seed=1.")
    assert run.data.tags["mlflow.source.git.commit"] == "0123456789ab"
    sets = {one.dataset.name: (one.dataset.digest, one.tags[0].value) for one in run.inputs.dataset_inputs}
    assert sets == {"train": ("d1", "training"), "chain3": ("d2", "evaluation")}
    assert [model.name for model in client.search_logged_models([run.info.experiment_id])] == ["last"]
    assert {a.path for a in client.list_artifacts(run.info.run_id, "train")} >= {
        "train/config.yaml",
        "train/manifest.json",
    }

    shown = json.loads(Path(client.download_artifacts(run.info.run_id, "rollouts.json")).read_text())
    assert [row[0] for row in shown["data"]] == [40] * 4 + [30] * 4 + [20] * 4 + [10] * 4  # published twice, shown once
    assert "+0.80  7+4=11" in shown["data"][0][shown["columns"].index("steps with their scores")]
    loaded = client.load_table(run.info.experiment_id, "table.json", run_ids=[parent])  # MLflow takes it for a table
    assert loaded.to_dict("records") == TABLE

    top = client.get_run(parent)
    assert {a.path for a in client.list_artifacts(parent)} == {"curves.png", "table.json", "table.md"}
    note = top.data.tags["mlflow.note.content"]
    assert note.startswith("## At a glance") and "Long." not in note
    assert "artifacts/table.json" in note and run.info.run_id in note
    assert children["base, seed 1"].info.run_id not in note  # it has no curve
    assert top.data.metrics["arm score/prm_sum"] == cells[1].average("last", "sampled")
    assert top.data.metrics["arm collapse step/prm_sum"] == 20
    assert page.startswith(f"#/experiments/{top.info.experiment_id}/runs/{parent}")


def test_a_plain_models_score_is_a_run_of_its_own(tmp_path: Path, track: Track) -> None:
    folder = scored(tmp_path / "store", "abc", 1, {"base": 0.3})
    outcomes = json.loads((folder / "scores.json").read_text())
    for one in outcomes["checkpoints"]["base"].values():
        one["sampled"] = []
    (folder / "scores.json").write_text(json.dumps(outcomes))
    assert sync(folder, track, "FINISHED") == sync(folder, track, "FINISHED")
    [run] = all_runs(track)
    assert run.info.status == "FINISHED"
    assert set(run.data.metrics) == {f"score/base/greedy/{name}" for name in (*SETS, "average")}


def test_a_run_followed_live_is_the_run_published_later(tmp_path: Path, track: Track) -> None:
    cell = next(c for c in write_cells(tmp_path / "store", [1]) if c.row == "pure_prm")
    assert cell.train is not None
    late = {name: (cell.train / name).read_text() for name in ("metrics.jsonl", "validation.jsonl", "summary.json")}
    for name in (*late, "manifest.json", "rollouts.jsonl.gz"):
        (cell.train / name).unlink()
    parent = parent_id(*connect(track), "it's table1")
    under = track.model_copy(update={"parent": parent})

    lines(cell.train / "validation.jsonl", [{"step": 0, "sampled": 0.3}])  # before the first update
    run_id = sync(cell.train, under)
    assert connect(track)[0].get_run(run_id).info.status == "RUNNING"
    for name in ("metrics.jsonl", "validation.jsonl"):
        half = late[name].splitlines(keepends=True)
        (cell.train / name).write_text("".join(half[: len(half) // 2]))
    assert sync(cell.train, under) == run_id
    for name, text in late.items():
        (cell.train / name).write_text(text)
    assert sync(cell.train, under) == run_id
    assert [step for step, _ in history(track, run_id, "loss")] == list(range(1, 61))
    assert [step for step, _ in history(track, run_id, SAMPLED)] == list(range(0, 61, 10))

    (cell.train / "manifest.json").write_text("{}")
    publish({"PURE-PRM, seed 1": cell}, results(tmp_path), track, "it's table1")
    assert [run.info.run_id for run in all_runs(track) if run.info.run_id != parent] == [run_id]

    other = id_of(publish({"none, min": cell}, tmp_path / "results", track, "prm_negatives"))
    parents = sorted(run.data.tags.get("mlflow.parentRunId", "") for run in all_runs(track))
    assert parents == sorted(["", "", parent, other])


def test_more_metrics_and_keys_than_one_call_takes(tmp_path: Path, track: Track) -> None:
    folder = next(c.train for c in write_cells(tmp_path / "store", [1]) if c.row == "pure_vr")
    assert folder is not None
    lines(folder / "metrics.jsonl", [{"step": s} | {f"m{i}": 0.5 for i in range(30)} for s in range(1, 101)])
    keys = "".join(f"key{i}: {'x' * 50}\n" for i in range(250))
    (folder / "config.yaml").write_text((folder / "config.yaml").read_text() + keys)
    run_id = sync(folder, track)
    assert len(history(track, run_id, "m29")) == 100
    assert len(connect(track)[0].get_run(run_id).data.params) >= 250


def test_a_bad_metric_name_is_named(tmp_path: Path, track: Track) -> None:
    folder = next(c.train for c in write_cells(tmp_path / "store", [1]) if c.row == "pure_vr")
    assert folder is not None
    lines(folder / "metrics.jsonl", [{"step": 1, "pass@1": 0.5}])
    with pytest.raises(ValueError, match=r"metrics\.jsonl.*pass@1"):
        sync(folder, track)


def test_the_default_store_is_in_the_working_folder(track: Track) -> None:
    parent_id(*connect(track), "made in the copied store")
    here = track.model_copy(update={"uri": None})
    assert [run.info.run_name for run in all_runs(here)] == ["made in the copied store"]


def test_a_lock_held_longer_than_sqlite_waits_by_itself(tmp_path: Path, track: Track) -> None:
    folder = next(c.train for c in write_cells(tmp_path / "store", [1]) if c.row == "pure_vr")
    assert folder is not None
    here = track.model_copy(update={"uri": None})
    connect(here)
    blocker = sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None, check_same_thread=False)
    blocker.execute("BEGIN EXCLUSIVE")
    timer = threading.Timer(6, blocker.rollback)
    timer.start()
    run_id = sync(folder, here)
    timer.join()
    assert len(history(here, run_id, "loss")) == 60


def follow(folder: Path, track: Track, ready: "multiprocessing.synchronize.Barrier") -> None:
    """Write and log a run in pieces, as a training does."""
    records = (folder / "metrics.jsonl").read_text().splitlines(keepends=True)
    ready.wait()
    for count in range(12, 61, 12):
        (folder / "metrics.jsonl").write_text("".join(records[:count]))
        sync(folder, track)


@pytest.mark.slow
def test_two_processes_find_no_store_and_log_at_once(tmp_path: Path, track: Track) -> None:
    folders = [c.train for c in write_cells(tmp_path / "store", [1]) if c.row in ("pure_vr", "pure_prm")]
    (tmp_path / "mlflow.db").unlink()
    here = track.model_copy(update={"uri": None})
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(2)
    workers = [context.Process(target=follow, args=(folder, here, ready)) for folder in folders]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(300)
    assert [worker.exitcode for worker in workers] == [0, 0]
    runs = all_runs(here)
    assert len(runs) == 2
    for run in runs:
        assert [step for step, _ in history(here, run.info.run_id, "loss")] == list(range(1, 61))


def test_the_pages_are_opened_by_make_in_a_checkout_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    assert where_tracked([]) == "Curves and rollouts, once the tracker has them: make ui"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Makefile").touch()  # somebody else's
    assert where_tracked(["#/x"]) == (
        "Curves and rollouts: python -m pure_repro.track ui, then http://127.0.0.1:5000/#/x"
    )
