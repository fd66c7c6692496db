"""What Hydra's documentation promises of a command line: it works here, or is refused in one sentence."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from project import ROOT, SMOKE
from test_sweep import BASE, finish, store, sweeps  # noqa: F401

from pure_repro import __main__ as entry_point
from pure_repro.launch.sweep import read_sweep


class Answer(NamedTuple):
    status: int
    out: str
    errors: str


Ask = Callable[..., Answer]


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Ask:
    """The entry point in this process, in a folder that holds ``mine/``: a credit form, an experiment, a study."""
    for name, text in {
        "credit/min_hot": "name: min\ntemperature: 1.0\n",
        "experiment/mine/a": "# @package _global_\ndefaults:\n  - override /credit: sum\nseed: 7\n",
        "study": "defaults:\n  - config\n  - _self_\nseed: 11\n",
    }.items():
        (tmp_path / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mine" / f"{name}.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")  # restored, whatever the entry point sets
    monkeypatch.setattr(entry_point, "heed_termination", lambda: None)  # signals are those of the tests

    def answer(*words: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["pure_repro", *words])
        capsys.readouterr()
        try:
            status = entry_point.main() or 0
        except SystemExit as end:
            status = end.code or 0
        out, errors = capsys.readouterr()
        return Answer(status, out, errors)

    return answer


MINE = "--config-dir=mine"


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ([MINE, "--cfg", "job", "-p", "credit", "credit=min_hot"], "# @package credit\nname: min\ntemperature: 1.0\n"),
        (["--cfg", "job", "-p", "credit", MINE, "experiment=mine/a"], "# @package credit\nname: sum\ngamma: 1.0\n"),
        ([MINE, "--config-name", "study", "--cfg", "job", "-p", "seed"], "11\n"),
        (["--cfg", "job", "-p", "credit.temperature", "hydra.searchpath=[file://mine]", "credit=min_hot"], "1.0\n"),
    ],
)
def test_own_yamls_lie_where_one_likes(ask: Ask, words: list[str], shown: str):
    assert ask(*words) == (0, shown, "")


def test_a_run_from_own_yamls_is_checked_by_them(ask: Ask):
    missing = "pure-repro: stages=[train] needs base and prm, not finished in store=no: take stages=[base,prm,train]\n"
    assert ask(MINE, "-cn", "study", "credit=min_hot", "stages=[train]", "store=no") == (2, "", missing)
    assert ask(MINE, "credit=min_hott").errors.endswith("treg_weights; did you mean min_hot?\n")
    assert ", min_hot, " in ask(MINE, "credit=nothing").errors
    assert ask(MINE, "-m", "credit=min,min_hott").errors.endswith("did you mean min_hot?\n")


REFUSED = {
    "-m --cfg job credit=min,sum": (
        "--cfg and --multirun do not go together: a run is shown without -m, with one value a key"
    ),
    "--info searchpath -m seed=1,2": (
        "--info and --multirun do not go together: a run is shown without -m, with one value a key"
    ),
    "--resolve": "--resolve goes with --cfg, as in: --cfg job --resolve",
    "--experimental-rerun config.pickle": (
        "--experimental-rerun reads a pickle, and no run writes one: the words of a run are what repeats it"
    ),
    "--cfg jib": (
        "argument --cfg/-c: invalid choice: 'jib' (choose from 'job', 'hydra', 'all'); "
        "flags stand before all words, as in -m credit=min,sum"
    ),
    "--config-name nothere": "--config-name=nothere is no file nothere.yaml of conf/ or of --config-dir",
    "+experiment=table1/pure_prm": "experiment has a choice already: write experiment=… without +, and once",
    "credit=[min,sum]": "credit=[min,sum] is a list: name one choice, or several after -m without []",
    "-m credit=[min,sum],min seed=1": "credit=[min,sum] is a list: name one choice, or several after -m without []",
    "train={steps:3}": "train={steps:3} are keys: name a choice, and write its keys as train.steps=3",
    "credit=": "credit= is no choice: name one, or leave the word out",
    "experiment=null": "experiment=null is no choice: name one, or leave the word out",
    "credit.name=[min,sum]": "credit.name=[min, sum] is none of min, min_strict, ",
    "-m credit=glob(zzz*) seed=1,2": "a sweep without a run: credit=glob(zzz*) seed=1,2 leaves no value for credit",
    "-m seed=range(1,1)": "a sweep without a run: seed=range(1,1) leaves no value for seed",
    "-m sweep.name=a,b seed=1,2": "sweep.name has several values: a sweep has one",
    "-m store=a,b seed=1": "store has several values: a sweep has one",
    "~creditt": "creditt is no key: a run has ",
    "seed=range(1,3)": "seed=range(1,3) is a sweep: add -m for a run of each value",
    "-m hydra/launcher=basic,joblib": "hydra/launcher=basic,joblib has several values: a sweep has one launcher",
    "-m train.learning_rate=interval(1e-4,1e-3)": (
        "train.learning_rate=interval(1e-4,1e-3) is for a sweeper that optimises (hydra/sweeper=…): "
        "name values, as in key=1,2 or range(1,5)"
    ),
    "-m hydra/sweeper=optuna seed=1,2": (
        "hydra/sweeper=optuna is no choice: take one of basic; or pip install hydra-optuna-sweeper"
    ),
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_does_not_go_is_refused_in_one_sentence(ask: Ask, words: str):
    status, out, errors = ask(*words.split())
    assert (status, out) == (2, "") and errors.startswith(f"pure-repro: {REFUSED[words]}"), errors
    assert errors.count("\n") == 1


def test_flags_that_only_show(ask: Ask, entry: Callable[..., subprocess.CompletedProcess[str]]):
    assert ask("--version").out.startswith("pure-repro 0.")
    assert "| main " in entry("--info", "searchpath").stdout  # by a logger, which an earlier run in here has silenced
    assert "complete" in ask("-sc", "install=bash").out
    assert "hydra/launcher: " in ask("--hydra-help").out


def test_tab_completes_choices(ask: Ask, monkeypatch: pytest.MonkeyPatch):
    line = "pure-repro credit=mi"
    monkeypatch.setenv("COMP_LINE", line)
    monkeypatch.setenv("COMP_POINT", str(len(line)))
    assert ask("-sc", "query=bash").out.split() == ["credit=min", "credit=min_strict"]


def test_a_glob_is_every_choice(ask: Ask, store: Path):  # noqa: F811
    answer = ask("-m", *BASE, f"store={store}", "credit=glob(min*)", "seed=choice(1)")
    [folder] = sweeps(store)
    assert answer.status == 0, answer
    assert [job.label for job in read_sweep(folder).jobs] == ["credit=min seed=1", "credit=min_strict seed=1"]


@pytest.mark.slow
def test_a_sweeper_that_optimises_gets_the_figure_of_each_run(store: Path, tmp_path: Path):  # noqa: F811
    """It doubles the steps for as long as accuracy grows: 1, 2, 4, and 8 is worse; 16 is never asked for."""
    words = (*SMOKE, f"store={store}", "stages=[train]", "reward=verifiable")
    (store / "base").rename(tmp_path / "unused")
    for steps, sampled in {1: 0.1, 2: 0.2, 4: 0.4, 8: 0.3}.items():
        finish((*words, f"train.steps={steps}"), validation=json.dumps({"step": steps, "sampled": sampled}) + "\n")
    run = subprocess.run(
        [sys.executable, "-m", "pure_repro", "-m", *words, "hydra/sweeper=doubling", "train.steps=interval(1,16)"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests' / 'plugins'}"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    [folder] = sweeps(store)
    sweep = read_sweep(folder)
    assert [(job.combination, job.value) for job in sweep.jobs] == [
        ({"train.steps": "1"}, 0.1),
        ({"train.steps": "2"}, 0.2),
        ({"train.steps": "4"}, 0.4),
        ({"train.steps": "8"}, 0.3),
    ]
    assert "\n4  train.steps=8\n" in run.stdout, "how many there will be is not known"
