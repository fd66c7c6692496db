"""Small things that went wrong without a word."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

import pytest
from of_files import content, mathematics, rows_of
from project import ROOT, SMOKE

from pure_repro.config import ConfigError, FileSet
from pure_repro.data.order import indices_at
from pure_repro.data.overlap import without_overlap
from pure_repro.launch.compose import composed
from pure_repro.launch.plan import plan
from pure_repro.launch.stages import run_stage
from pure_repro.launch.watchdog import PARENT
from pure_repro.models.ranks import Ranks
from pure_repro.track.manifest import locked
from pure_repro.types import Problem


@pytest.mark.parametrize(("batch", "total"), [(4, 10), (3, 3), (5, 7), (64, 100), (7, 9)])
def test_no_problem_is_twice_in_a_step_and_each_is_once_in_an_epoch(batch: int, total: int) -> None:
    for seed in range(5):
        steps = [indices_at(step, batch, total, seed) for step in range(40)]
        assert all(len(set(step)) == batch for step in steps)
        drawn = [number for step in steps for number in step]
        for epoch in range(len(drawn) // total):
            assert sorted(drawn[epoch * total : (epoch + 1) * total]) == list(range(total))


@pytest.mark.parametrize(("on_overlap", "left"), [("warn", 3), ("drop", 2), ("stop", None)])
def test_a_training_problem_that_is_a_test_problem_is_told(tmp_path: Path, on_overlap: str, left: int | None) -> None:
    path = content(
        tmp_path / "mine.jsonl", rows_of({"q": "What is  $\\frac{1}{2}$ of 8 ?", "a": "4"}, {"q": "1+1", "a": 2})
    )
    data = mathematics(tmp_path / "p.json").model_copy(update={"on_overlap": on_overlap})
    mine = FileSet(name="mine", path=path, question="q", answer="a")
    one_a_step = ["train.prompts_per_step=1", "train.samples_per_prompt=2", "train.rollouts_per_update=1"]
    config = composed(["recipe=paper", *one_a_step]).model_copy(
        update={"data": data.model_copy(update={"validation": (mine,)})}
    )
    config = config.model_copy(update={"stages": ("train",)})
    problems = [Problem(str(n), q, "4") for n, q in enumerate(["2+2", "what is $\\frac12$ of 8?", "3+3"])]
    if left is None:
        with pytest.raises(ConfigError, match=r"1 of 3 training problems are those of a benchmark \(1 is in mine\)"):
            without_overlap(problems, config)
        return
    kept, said = without_overlap(problems, config)
    assert len(kept) == left and said is not None and "1 is in mine" in said
    assert without_overlap(problems[:1], config) == (problems[:1], None)


def test_what_reproduce_has_started_ends_with_it(tmp_path: Path) -> None:
    """A process that was started by one which is gone ends by itself, in order."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    started = subprocess.Popen(
        [sys.executable, "-m", "pure_repro", *SMOKE, f"store={tmp_path / 'store'}"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), PARENT: str(gone.pid)},
        stderr=subprocess.PIPE,
        text=True,
    )
    _, said = started.communicate()
    assert started.returncode == 128 + signal.SIGTERM and said.splitlines()[-1].startswith("pure-repro: stopped")


def test_who_waits_for_a_lock_says_so(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config = composed([*SMOKE, f"store={tmp_path}"])
    run = plan(config)["base"]
    run.folder.mkdir(parents=True)
    waiting = Thread(target=run_stage, args=(run, config, {}, Ranks(0, 1)))
    with locked(run.folder / ".lock"):
        waiting.start()
        said, patience = "", time.monotonic() + 300
        while not said and time.monotonic() < patience:
            time.sleep(0.01)
            said = capfd.readouterr().out
        (run.folder / "manifest.json").write_text("{}")  # the first has made it
    waiting.join()
    assert said == f"waiting for another process, which makes {run.folder}\n"
