"""A training that is struck: what is no number, what is lost before a resume, a stop between two checkpoints."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pure_repro.config import Config, ConfigError
from pure_repro.launch.compose import composed
from pure_repro.models.checkpoint import BrokenState
from pure_repro.models.finite import NotFinite
from pure_repro.models.ranks import ALONE
from pure_repro.train.checkpoints import Checkpointer
from pure_repro.train.loop import train
from pure_repro.train.record import Recorder

SIZES = ["model.hidden_size=32", "model.intermediate_size=64", "model.layers=2", "model.heads=2"]
TOY = ["recipe=smoke", "track=none", "reward=verifiable", "watch.on_collapse=warn", "rollout.max_new_tokens=16", *SIZES]


class Struck(Exception):
    """The process ends here."""


def configured(*words: str) -> Config:
    return composed([*TOY, "train.steps=5", "train.validate_every=1", "train.checkpoint_every=2", *words])


def strike(monkeypatch: pytest.MonkeyPatch, owner: type, name: str, at: int) -> None:
    """The process ends before this method does its work for the ``at``-th time."""
    method, calls = getattr(owner, name), []

    def struck(*given: Any) -> Any:
        calls.append(given)
        if len(calls) == at:
            raise Struck
        return method(*given)

    monkeypatch.setattr(owner, name, struck)


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def unbroken(small_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("unbroken")
    train(configured(), small_base, None, out, ALONE)
    return out


MOMENTS = {
    "before the first checkpoint": (Recorder, "record", 2),
    "after a validation that a checkpoint does not hold": (Checkpointer, "save", 3),
    "before the last policy": (Checkpointer, "finish", 1),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_struck_run_ends_like_the_unbroken_one(
    moment: str, unbroken: Path, small_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, pytest.raises(Struck):
        strike(patch, *MOMENTS[moment])
        train(configured(), small_base, None, tmp_path, ALONE)
    train(configured(), small_base, None, tmp_path, ALONE)
    for name in ("last", "chosen"):
        assert files(tmp_path / name) == files(unbroken / name), name
    ends = [json.loads((out / "summary.json").read_text()) | {"seconds": 0} for out in (unbroken, tmp_path)]
    assert ends[0] == ends[1]
    assert (tmp_path / "validation.jsonl").read_bytes() == (unbroken / "validation.jsonl").read_bytes()


def test_a_policy_that_is_no_number_stops_the_run(small_base: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFinite, match=r"^after step \d .*(is|are) not finite.*(last checkpoint|no checkpoint yet)"):
        train(configured("train.learning_rate=1e30", "train.weight_decay=1.0"), small_base, None, tmp_path, ALONE)
    assert not (tmp_path / "last").exists() and not (tmp_path / "summary.json").exists()
    for line in (tmp_path / "validation.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))


LOST: dict[str, tuple[Callable[[Path], Any], str]] = {
    "validation.jsonl": (lambda out: (out / "validation.jsonl").unlink(), "lacks the validation at step 0"),
    "validation.jsonl emptied": (lambda out: (out / "validation.jsonl").write_text(""), "lacks the validation at step"),
    "state.pt cut": (lambda out: (out / "state.pt").write_bytes(b"PK"), "the stage begins again"),
}


@pytest.mark.parametrize("lost", LOST)
def test_what_is_lost_before_a_resume_is_said(
    lost: str, small_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, pytest.raises(Struck):
        strike(patch, Recorder, "record", 3)
        train(configured(), small_base, None, tmp_path, ALONE)
    harm, said = LOST[lost]
    harm(tmp_path)
    with pytest.raises(BrokenState, match=said):
        train(configured(), small_base, None, tmp_path, ALONE)


def test_lost_metrics_are_said(
    small_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch, pytest.raises(Struck):
        strike(patch, Recorder, "record", 3)
        train(configured(), small_base, None, tmp_path, ALONE)
    (tmp_path / "metrics.jsonl").unlink()
    train(configured(), small_base, None, tmp_path, ALONE)
    assert "metrics.jsonl lacks 2 of the 2 steps before the checkpoint" in capfd.readouterr().err


def test_prompts_that_are_all_too_long_are_refused(small_base: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"rollout.max_prompt_tokens=1 leaves 0 of 64 problems"):
        train(configured("rollout.max_prompt_tokens=1"), small_base, None, tmp_path, ALONE)
