"""What a configuration names by a path is digested, or declared to change no output; a finished stage is as left."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, get_args, get_origin

import pytest
from hub_model import save_hub_model
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pure_repro.config import Config, Means, meaning
from pure_repro.launch.compose import composed
from pure_repro.launch.failure import Failure
from pure_repro.launch.outputs import require_as_left
from pure_repro.launch.plan import StageRun, plan
from pure_repro.launch.stages import of_machine, run_stages
from pure_repro.models.ranks import ALONE

# A word of these in a field's name says that it names a file, a folder or a place of the network.
NAMING = {"path", "file", "folder", "dir", "url", "uri", "hub", "endpoint", "store", "rows", "labelled", "subgoals"}


def groups(annotation: Any) -> Iterator[type[BaseModel]]:
    """Every class of the schema that a field may hold, however deep in unions, lists and annotations."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from groups(part)


def fields(group: type[BaseModel]) -> Iterator[tuple[type[BaseModel], str, FieldInfo]]:
    """Every field of the schema, with the class that has it."""
    for name, field in group.model_fields.items():
        yield group, name, field
        for inner in groups(field.annotation):
            yield from fields(inner)


SCHEMA = {f"{group.__name__}.{name}": field for group, name, field in fields(Config)}


def holds_a_path(annotation: Any) -> bool:
    if get_origin(annotation) in (Annotated, UnionType) or get_args(annotation):
        return any(holds_a_path(part) for part in get_args(annotation))
    return annotation is Path


def names_a_place(key: str, field: FieldInfo) -> bool:
    named = bool(NAMING & set(key.split(".")[1].split("_")))
    return holds_a_path(field.annotation) or (named and not [*groups(field.annotation)])


def test_every_path_of_the_schema_says_what_it_changes() -> None:
    assert len(SCHEMA) > 150
    places = {key for key, field in SCHEMA.items() if names_a_place(key, field)}
    assert not {key for key in places if meaning(SCHEMA[key]) is None}
    assert {"Config.store", "StepRows.path", "FileSet.path", "Judge.labelled", "Track.uri", "Score.data_dir"} <= places


LISTED = "[{{name: mine, path: {}, question: q, answer: a}}]"
HUB = ["model=local", "model.path=MODEL", "reward=verifiable"]
MATHS = [*HUB, "data=math_8k_879", "data.path=FILE", "score.checkpoints=[last]", "score=benchmarks"]
SCORED = ["stages=[score]", *HUB, "score=benchmarks"]
JUDGED = ["reward=judge", "credit=sum"]
# One run for each key whose file is read: FILE changes, and so must the address of this stage.
CONTENT = {
    "StepRows.path": ("prm", ["stages=[prm]", *HUB[:2], "prm=fit_prm800k", "prm.path=MODEL", "prm.rows.path=FILE"]),
    "Mathematics.path": ("train", ["stages=[train]", *MATHS]),
    "FileSet.path": ("train", ["stages=[train]", *MATHS, f"data.validation={LISTED.format('FILE')}"]),
    "FileSet.path ": ("score", [*SCORED, f"score.benchmarks={LISTED.format('FILE')}"]),
    "Judge.subgoals": ("train", [*JUDGED, "reward.judge.subgoals=FILE"]),
    "Judge.labelled": ("prm", [*JUDGED, "reward.judge.labelled=FILE"]),
    "Score.data_dir": ("score", [*SCORED, "score.benchmarks=[aime24]", "score.data_dir=DIR"]),
    "Judge.model": ("prm", [*JUDGED, "reward.judge.who=local", "reward.judge.model=WEIGHTS"]),
    "Weights.path": ("score", ["stages=[score]", "model=local", "model.path=WEIGHTS"]),
}


def test_each_path_that_is_read_has_a_run_below() -> None:
    read = {key for key, field in SCHEMA.items() if meaning(field) is Means.CONTENT}
    assert read <= {key.strip() for key in CONTENT}


@pytest.mark.parametrize("key", CONTENT)
def test_what_a_file_holds_is_in_the_address_and_where_it_lies_is_not(key: str, hub: Path, tmp_path: Path) -> None:
    stage, words = CONTENT[key]

    def address(folder: Path) -> str:
        places = {"MODEL": hub, "FILE": folder / "aime24.jsonl", "DIR": folder, "WEIGHTS": folder / "weights"}
        written = list(words)
        for name, place in places.items():
            written = [word.replace(name, str(place)) for word in written]
        return plan(composed(written))[stage].address

    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "aime24.jsonl").write_text('{"q": "1+1", "a": "2"}\n')
        shutil.copytree(hub, tmp_path / name / "weights")
    here, there = tmp_path / "here", tmp_path / "there"
    before = address(here)
    assert address(there) == before
    (here / "aime24.jsonl").write_text('{"q": "1+1", "a": "3"}\n')
    (here / "weights" / "config.json").write_text("{}")
    assert address(here) != before
    assert address(there) == before


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_hub_model(tmp_path_factory.mktemp("hub") / "model")


@pytest.fixture
def base(store: Path) -> StageRun:
    """The finished base of the smoke recipe."""
    return plan(composed(["recipe=smoke", "track=none", "stages=[base]", f"store={store}"]))["base"]


def flip(path: Path) -> None:
    """One bit of the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda f: flip(f / "model" / "model.safetensors"), "model/model.safetensors is other than stage base left it"),
        (lambda f: flip(f / "model" / "tokenizer.json"), "model/tokenizer.json is other than stage base left it"),
        (lambda f: (f / "model" / "config.json").unlink(), "model/config.json is gone, which stage base had left"),
        (lambda f: (f / "manifest.json").write_text(""), "manifest.json does not say what the stage has left"),
        (lambda f: (f / "manifest.json").write_text("[]"), "manifest.json does not say what the stage has left"),
        (lambda f: (f / "manifest.json").write_text("{}"), "manifest.json does not say what the stage has left"),
    ],
)
def test_a_stage_that_is_not_as_it_was_left_is_refused(base: StageRun, harm: Any, said: str) -> None:
    require_as_left(base)
    harm(base.folder)
    with pytest.raises(Failure) as caught:
        run_stages(composed(["recipe=smoke", f"store={base.folder.parents[1]}"]), {"base": base}, ALONE)
    assert str(caught.value) == f"{base.folder}/{said}: remove {base.folder}, and the same command makes it again"
    assert caught.value.status == 1


def test_a_finished_stage_is_read_without_a_lock(base: StageRun) -> None:
    """It may belong to another user: nothing in it is opened for writing, so the lock may as well be gone."""
    (base.folder / ".lock").unlink()
    before = {path: os.stat(path).st_mtime_ns for path in (base.folder, *base.folder.rglob("*"))}
    run_stages(composed(["recipe=smoke", f"store={base.folder.parents[1]}"]), {"base": base}, ALONE)
    assert {path: os.stat(path).st_mtime_ns for path in (base.folder, *base.folder.rglob("*"))} == before
    assert json.loads((base.folder / "manifest.json").read_text())["outputs"].keys() >= {"model/model.safetensors"}


def test_what_a_kill_behind_the_manifest_left_goes(base: StageRun) -> None:
    """A run of 7 B parameters would leave a hundred gigabytes of state that nobody reads."""
    (base.folder / "state.pt").write_bytes(b"state")
    (base.folder / "candidates" / "step0").mkdir(parents=True)
    run_stages(composed(["recipe=smoke", f"store={base.folder.parents[1]}"]), {"base": base}, ALONE)
    assert not (base.folder / "state.pt").exists() and not (base.folder / "candidates").exists()


def test_half_a_file_of_a_killed_process_is_no_output(base: StageRun) -> None:
    half = base.folder / "manifest.json.0.partial"
    half.write_text("{")
    (base.folder / "manifest.json").unlink()
    run_stages(composed(["recipe=smoke", f"store={base.folder.parents[1]}"]), {"base": base}, ALONE)
    assert base.finished and not half.exists()


def test_the_reason_of_a_library_is_kept(tmp_path: Path) -> None:
    assert of_machine(OSError("no file named model.safetensors"), tmp_path) == "no file named model.safetensors"
    assert of_machine(ValueError("nothing of the disk"), tmp_path) is None
