"""What several tests stand on: one thread, a random policy, and a store whose base and reward model are fitted once."""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported; also for the processes that tests start

import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from forked import Forked, run_forked
from hypothesis import settings
from project import SMOKE
from remembered import remember
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from pure_repro.config import Track
from pure_repro.data.tokenizer import world_tokenizer
from pure_repro.launch.compose import composed
from pure_repro.models import precision
from pure_repro.models.policy import load_policy
from pure_repro.train.base import fit_base

Command = Callable[..., subprocess.CompletedProcess[str]]

collect_ignore = ["plugins"]  # of Hydra, for the processes of one test: whoever imports one has its choices, too
remember()
torch.set_num_threads(1)
signal.signal(signal.SIGINT, signal.default_int_handler)  # where a script's background job ignores it, so would runs
settings.register_profile("patient", deadline=None)  # the clock on the wall would measure the neighbours
settings.load_profile("patient")


@pytest.fixture(scope="session")
def entry(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """Run the entry point to its end, in an empty folder."""
    folder = tmp_path_factory.mktemp("cwd")
    return lambda *words, module="pure_repro": run_forked(module, words, folder)


@pytest.fixture
def process(tmp_path: Path) -> Callable[..., Forked]:
    """Start the entry point and do not wait for it."""
    return lambda *words: Forked("pure_repro", words, tmp_path)


@pytest.fixture(scope="session")
def fitted(entry: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the finished base and reward model of the smoke recipe; copy it, do not write into it."""
    store = tmp_path_factory.mktemp("fitted")
    run = entry(*SMOKE, f"store={store}", "stages=[base,prm]")
    assert run.returncode == 0, run.stderr
    return store


@pytest.fixture
def store(fitted: Path, tmp_path: Path) -> Path:
    """A store of one's own that holds the smoke recipe's base and reward model."""
    return Path(shutil.copytree(fitted, tmp_path / "store"))


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerBase:
    """The tokenizer of the embedded world."""
    return world_tokenizer(modulus=23)


@pytest.fixture(scope="session")
def small_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy of two narrow layers, fitted for a second: its responses have steps and end sooner or later."""
    folder = tmp_path_factory.mktemp("small_base")
    sizes = ["model.hidden_size=32", "model.intermediate_size=64", "model.layers=2", "model.heads=2"]
    fit_base(composed([*SMOKE, *sizes, "model.demonstrations=2560", "model.fit.learning_rate=1e-2"]), folder)
    return folder / "model"


@pytest.fixture
def policy(small_base: Path) -> PreTrainedModel:
    """That policy, for a test to change as it likes."""
    return load_policy(small_base, composed([]).model)[0]


@pytest.fixture
def float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """No mixed precision, so that equal results are equal to the last digits."""
    monkeypatch.setattr(precision, "has_fast_bf16", lambda: False)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store of MLflow: making its tables takes seconds, copying them does not."""
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    from mlflow import MlflowClient

    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def track(tmp_path: Path, migrated: Path, monkeypatch: pytest.MonkeyPatch) -> Track:
    """The default store in a working folder of its own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mlflow.db").write_bytes(migrated.read_bytes())
    return Track(name="mlflow", uri=f"sqlite:///{tmp_path}/mlflow.db", experiment="test", parent=None)
