"""Small things that went wrong without a word."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

import pytest
from of_files import content, mathematics, rows_of
from project import ROOT, SMOKE

from pure_repro.config import Config, ConfigError, FileSet
from pure_repro.data.order import indices_at
from pure_repro.data.overlap import overlap_here, without_overlap
from pure_repro.data.source import training_set
from pure_repro.launch.compose import composed
from pure_repro.launch.plan import plan
from pure_repro.launch.run import tell_overlap
from pure_repro.launch.stages import run_stage
from pure_repro.launch.watchdog import PARENT
from pure_repro.models.ranks import Ranks
from pure_repro.track.manifest import locked
from pure_repro.train.base import fit_base


@pytest.mark.parametrize(("batch", "total"), [(4, 10), (3, 3), (5, 7), (64, 100), (7, 9)])
def test_no_problem_is_twice_in_a_step_and_each_is_once_in_an_epoch(batch: int, total: int) -> None:
    for seed in range(5):
        steps = [indices_at(step, batch, total, seed) for step in range(40)]
        assert all(len(set(step)) == batch for step in steps)
        drawn = [number for step in steps for number in step]
        for epoch in range(len(drawn) // total):
            assert sorted(drawn[epoch * total : (epoch + 1) * total]) == list(range(total))


def overlapping(folder: Path, on_overlap: str) -> Config:
    """A training of three problems, one of which is a benchmark's in another notation."""
    path = content(
        folder / "mine.jsonl", rows_of({"q": "What is  $\\frac{1}{2}$ of 8 ?", "a": "4"}, {"q": "1+1", "a": 2})
    )
    asked = ["2+2", "what is $\\frac12$ of 8?", "3+3"]
    problems = content(folder / "p.json", rows_of(*({"question": q, "answer": "4"} for q in asked)))
    mine = FileSet(name="mine", path=path, question="q", answer="a")
    counts = {"train_problems": None, "answered_problems": None, "on_overlap": on_overlap, "validation": (mine,)}
    data = mathematics(problems).model_copy(update=counts | {"file": None})
    one_a_step = ["train.prompts_per_step=1", "train.samples_per_prompt=2", "train.rollouts_per_update=1"]
    config = composed(["recipe=paper", *one_a_step])
    return config.model_copy(update={"data": data, "stages": ("train",)})


TOLD = r"1 of 3 training problems are those of a benchmark \(math_8k_879/1 is in mine\)"


def test_a_training_problem_that_is_a_test_problem_is_told_with_the_plan(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tell_overlap(overlapping(tmp_path, "warn"))
    assert re.fullmatch(f"  {TOLD}: data.on_overlap=drop leaves them out\n", capfd.readouterr().out)
    tell_overlap(overlapping(tmp_path, "drop"))
    assert re.fullmatch(f"  {TOLD} and are left out\n", capfd.readouterr().out)
    with pytest.raises(ConfigError, match=f"{TOLD}: take others, or data.on_overlap=drop"):
        tell_overlap(overlapping(tmp_path, "stop"))


@pytest.mark.parametrize(("on_overlap", "left"), [("warn", 3), ("drop", 2), ("stop", None)])
def test_what_the_plan_could_not_compare_is_compared_when_training_opens(
    tmp_path: Path, on_overlap: str, left: int | None
) -> None:
    config = overlapping(tmp_path, on_overlap)
    problems = training_set(config.data, config.seed).problems
    if left is not None:
        kept, said = without_overlap(problems, config)
        assert len(kept) == left and said is None, "the plan has said it"
    fetched = config.model_copy(update={"data": config.data.model_copy(update={"file": "p.json"})})
    assert overlap_here(fetched) is None, "a plan fetches nothing"
    if left is None:
        with pytest.raises(ConfigError, match=TOLD):
            without_overlap(problems, fetched)
        return
    kept, said = without_overlap(problems, fetched)
    assert len(kept) == left and said is not None and re.match(TOLD, said)
    assert without_overlap(problems[:1], fetched) == (problems[:1], None)


@pytest.mark.parametrize(
    ("word", "key"),
    [
        ("data.prompt='{question} {answer}:'", "data.prompt='{question} {answer}:'"),
        (r"data.prompt='\boxed{} {question}'", "data.prompt="),
        ("model.marked.better='good, {question}?'", "model.marked.better="),
    ],
)
def test_a_prompt_that_the_model_made_here_has_no_words_for_is_refused(tmp_path: Path, word: str, key: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(key)}.* has signs that the model knows no word for"):
        fit_base(composed(["recipe=smoke", "reward=verifiable", "model=tiny_asked", word]), tmp_path)


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
