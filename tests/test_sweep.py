"""A sweep through the real entry point: its folder and record, its combinations printed, failing and refused jobs."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from project import ROOT, SMOKE

from pure_repro.config import ConfigError
from pure_repro.launch.compose import composed
from pure_repro.launch.estimate import REFERENCE, measured, minutes, speeds_here
from pure_repro.launch.figure import figure
from pure_repro.launch.jobs import require_accepted
from pure_repro.launch.plan import plan
from pure_repro.launch.report import announce
from pure_repro.launch.sweep import Job, read_sweep, sweep_name

BASE = (*SMOKE, "stages=[base]")


def finish(words: tuple[str, ...], **files: str) -> None:
    """Leave what finished stages leave that a run reads which has nothing to do."""
    for stage in plan(composed(words)).values():
        stage.folder.mkdir(parents=True, exist_ok=True)
        (stage.folder / "manifest.json").write_text('{"outputs": {}}')
        for name, text in files.items():
            (stage.folder / f"{name}.jsonl").write_text(text)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store in which the base of the smoke recipe is finished: jobs of ``BASE`` have nothing to compute."""
    finish((*BASE, f"store={tmp_path / 'store'}"))
    return tmp_path / "store"


def sweeps(store: Path) -> list[Path]:
    return sorted((store / "sweeps").iterdir())


def test_a_sweep_has_a_folder_of_its_own(entry, store):
    words = ("-m", *BASE, f"store={store}", "credit=sum,min")
    run = entry(*words, "seed=1")
    out, errors = run.stdout, run.stderr
    [folder] = sweeps(store)
    sweep = read_sweep(folder)
    assert errors == "" and sweep.varies == ["credit"] and sweep.total == 2
    assert [line for line in out.splitlines() if "/2  " in line] == ["1/2  credit=sum", "2/2  credit=min"]
    assert {job.status for job in sweep.jobs} == {"done"}
    address = plan(composed([*BASE, f"store={store}"]))["base"].folder
    assert {sweep.stages(folder, job)["base"] for job in sweep.jobs} == {address}
    assert sweep.name == sweep_name([*words[1:], "seed=1"], ["credit"]) != sweep_name(words[1:], ["credit"])

    run = entry("-m", *BASE, f"store={store}", "seed=1,2", f"sweep.name={sweep.name}")
    assert run.stdout == "" and run.stderr == (
        f"pure-repro: {folder} holds the sweep {' '.join(words[1:])} seed=1: take another sweep.name\n"
    )
    assert read_sweep(folder) == sweep


@pytest.mark.slow
def test_jobs_side_by_side_are_told_apart(entry, store):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    words = (*SMOKE, f"store={store}", "stages=[train]")
    finish((*words, "reward=verifiable"), validation='{"step": 4, "sampled": 0.25}\n')
    run = entry("-m", *words, "reward=prm,verifiable", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    [folder] = sweeps(store)
    sweep = read_sweep(folder)
    assert [(job.status, job.value) for job in sweep.jobs] == [("failed", None), ("done", 0.25)]
    assert run.returncode == 1
    assert "needs prm, not finished" in sweep.jobs[0].reason
    assert run.stderr.splitlines() == [
        "pure-repro: 1 of the jobs failed, the others are done:",
        f"  reward=prm: {sweep.jobs[0].reason}",
    ]
    for job in sweep.jobs:
        log = folder / "jobs" / f"{job.number}.log"
        assert f"\n{job.number}/2  {job.label}\n" in run.stdout
        assert f"\n{job.number}/2  {job.label}  {job.status} (its words: {log})\n" in run.stdout
        assert ("Results: " in log.read_text()) == (job.status == "done"), "what a job prints stays in its log"
    assert "Results: " not in run.stdout


@pytest.mark.parametrize("threads", [1, 2])
def test_the_time_of_a_run_is_told_at_the_pace_of_its_finished_stages(threads, tmp_path, capsys):
    config = composed((*SMOKE, f"store={tmp_path}"))
    stages = plan(config)
    announce(config, stages, None)
    reference = float(capsys.readouterr().out.splitlines()[2].split()[1])
    stages["base"].folder.mkdir(parents=True)
    seconds = 10 * 60 * minutes(config, "base", REFERENCE) / threads  # of a machine ten times slower
    told = {"outputs": {}, "seconds": seconds, "threads": threads}
    (stages["base"].folder / "manifest.json").write_text(json.dumps(told))
    announce(config, plan(config), None)
    out = capsys.readouterr().out.splitlines()
    assert (
        float(out[2].split()[1]) == pytest.approx(10 * minutes(config, "train", REFERENCE), abs=0.05) and reference < 1
    )
    assert out[-1].endswith("(at the pace of what is finished).")


@pytest.mark.slow
def test_the_time_of_a_run_is_told_by_a_measurement_where_nothing_is_finished(tmp_path, capsys):
    config = composed(["reward=verifiable", f"store={tmp_path}"])
    announce(config, plan(config), None)
    told = capsys.readouterr().out.splitlines()[-1]
    assert told.startswith("About ") and told.endswith("(by some seconds of such work on this machine).")
    speeds = measured()
    assert speeds is not None and 0 < speeds.fitted < speeds.scored and speeds.sampled > 0 and speeds.start > 0


def test_refused_combinations_are_listed(entry, store):
    words = ("-m", *BASE, f"store={store}", "filter=none,differing")
    run = entry(*words)
    reason = "filter=differing looks at outcomes, and reward=prm has none"
    lines = run.stderr.splitlines()
    assert lines[0] == "pure-repro: 1 of 2 combinations are refused; sweep.refused=skip runs the others"
    assert lines[1].startswith(f"  {reason}") and lines[2:] == ["    filter=differing"]
    assert run.returncode == 2 and run.stdout == "" and not (store / "sweeps").exists()

    run = entry(*words, "sweep.refused=skip")
    assert run.returncode == 0 and run.stderr == ""
    assert run.stdout.startswith(f"Left out, because the rules refuse them:\n  {reason}")
    [folder] = sweeps(store)
    sweep = read_sweep(folder)
    assert [job.status for job in sweep.jobs] == ["done", "refused"]
    assert sweep.jobs[1].reason.startswith(reason) and "2/2  " not in run.stdout


def test_a_password_is_in_nothing_that_a_sweep_leaves(entry, store):
    words = ["-m", *BASE[:1], *BASE[2:], f"store={store}", "track.uri=http://me:s3cret@127.0.0.1:9/"]
    run = entry(*words, "train.steps=2,3")
    assert run.returncode in (0, 1) and "s3cret" not in run.stdout + run.stderr
    [folder] = sweeps(store)
    record = (folder / "multirun.yaml").read_text()
    assert "http://***@127.0.0.1:9/" in record and "train.steps=2,3" in record
    left = [path for path in store.rglob("*") if path.is_file() and b"s3cret" in path.read_bytes()]
    assert left == []


def test_combinations_that_are_all_refused_are_not_left_out():
    jobs = [Job(i, {"seed": str(i)}, [], "refused", reason="no answers") for i in (1, 2)]
    with pytest.raises(ConfigError, match=r"^no answers$"):
        require_accepted(jobs, skip=True)
    with pytest.raises(ConfigError, match="2 of 2 combinations are refused\n"):
        require_accepted([jobs[0], replace(jobs[1], reason="another")], skip=True)


def test_a_figure_is_that_of_the_tracker(tmp_path):
    (tmp_path / "validation.jsonl").write_text('{"step": 0, "sampled": 0.1}\n{"step": 4, "sampled": 0.25}\n')
    sets = {
        "one": {"greedy": [1, 0], "sampled": [[1, 1, 0, 0], [1, 1, 1, 1]]},
        "two": {"greedy": [1], "sampled": [[0, 0, 0, 1]]},
    }
    (tmp_path / "scores.json").write_text(json.dumps({"checkpoints": {"last": sets}}))
    folders = {"train": tmp_path, "score": tmp_path}
    assert figure("validation/sampled", folders) == 0.25
    assert figure("validation/greedy", folders) is None
    assert figure("score/last/greedy/one", folders) == 0.5
    assert figure("score/last/sampled/average", folders) == (0.75 + 0.25) / 2
    assert figure("score/chosen/sampled/average", folders) is None
    assert figure("score/last/sampled/average", {"train": tmp_path}) is None


def test_a_machine_that_cannot_be_measured_is_announced_by_the_reference(tmp_path, monkeypatch):
    (tmp_path / "torch.py").write_text("raise ImportError('broken')")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT}")
    config = composed(["reward=verifiable", f"store={tmp_path}/store"])
    speeds, known = speeds_here((config, run) for run in plan(config).values())
    assert speeds == REFERENCE and known == "on the reference machine: this one could not be measured"
