"""Which stages a run needs, and where the output of each lives: under the hash of what made it. Imports no torch."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from pure_repro.config import (
    STAGES,
    Compared,
    Config,
    FitPrm,
    ImplicitPrm,
    Judge,
    Means,
    Preference,
    Pretrained,
    PretrainedPrm,
    Prof,
    TregWeights,
    meaning,
)
from pure_repro.launch.compose import require_grader, require_sampler
from pure_repro.launch.weights import file_digest, folder_identity, identity

LOADED = ("context", "dtype", "stop")  # how a pretrained model is loaded and ended
PATIENCE = ("url", "timeout", "at_once", "max_unanswered")  # where a judge is reached, and how long it is waited for


@dataclass(frozen=True)
class StageRun:
    """One stage of one run. ``made_of`` is everything that can change its output; its hash is the address."""

    stage: str
    made_of: dict
    inputs: dict[str, str]  # stage → address
    folder: Path

    @property
    def address(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def finished(self) -> bool:
        """Whether the output is there, whole: the manifest is written last."""
        return (self.folder / "manifest.json").exists()


def uses_prm(config: Config) -> bool:
    """Whether a reward model that is there before the first step pays a process reward, or filters by it."""
    implicit = config.reward.implicit
    paid = config.reward.process_weight > 0 and (implicit is None or implicit.start == "prm")
    return paid or isinstance(config.filter, Prof)


def fits_rows(config: Config) -> bool:
    """Whether stage ``prm`` fits a reward model to rows, which takes the engine of the training and all ranks."""
    return isinstance(config.prm, FitPrm) and config.reward.judge is None


def made_of(config: Config, stage: str) -> dict:
    """The part of the configuration that can change the output of a stage.

    Keys without effect are left out, so that runs which differ only in them share the stage: a run without process
    rewards has no credit form, an even clip is one number, a failed gate that stops or warns changes no reward model.
    """
    values = by_content(config)
    start = {}
    if isinstance(config.model, Pretrained):  # no stage made it; where it lies, and its name, change nothing
        start = {"model": {"weights": identity(config.model, "model")} | {k: values["model"][k] for k in LOADED}}
    if config.score.data_dir is not None:  # a published set is read from there, of which its digest holds the answers
        for one in [*values["score"]["benchmarks"], *values["data"].get("validation", [])]:
            if "digest" in one:
                one["content"] = file_digest(config.score.data_dir / f"{one['name']}.jsonl")
    if config.prompt.chat:  # the same words in another frame
        for group in ("data", "score"):
            values[group]["prompt"] = {"chat": values[group]["prompt"]}
    if stage != "train":  # what it trains on changes no base, no reward model and no score
        for key in ("train_difficulty", "on_overlap"):
            values["data"].pop(key, None)
    match stage:
        case "base":
            return {key: values[key] for key in ("seed", "model", "data")}
        case "prm":
            return _reward_model(config, values, start)
        case "train":
            return _training(config, values, start)
        case _:
            return _score(config, values, start)


def _reward_model(config: Config, values: dict[str, Any], start: dict[str, Any]) -> dict[str, Any]:
    """What a reward model, or a fitted judge, is made of."""
    length = {"max_new_tokens": config.rollout.max_new_tokens}
    if config.reward.judge is not None:
        own = ("seed", "data", "model") if config.reward.judge.who == "fitted" else ("seed", "data")
        judge = {
            key: value for key, value in judged_by(config.reward.judge).items() if key != "beta"
        }  # it pays in training
        return {key: values[key] for key in own} | {"judge": judge}
    del values["prm"]["gate"]["on_fail"]
    values["prm"].pop("online", None)  # it changes in training
    if isinstance(config.prm, FitPrm):  # its rows are its own, and its start is named by its weights
        fitted = values["prm"] | {"path": identity(config.prm, "prm"), "revision": None}
        return {"seed": values["seed"], "prm": fitted}
    if isinstance(config.prm, ImplicitPrm) and config.reward.implicit is not None:
        values["prm"]["beta"] = config.reward.implicit.beta
    judges = {"judges": config.reward.judges}
    return {key: values[key] for key in ("seed", "data", "prm")} | length | judges | start


def _training(config: Config, values: dict[str, Any], start: dict[str, Any]) -> dict[str, Any]:
    """What a training is made of besides its inputs."""
    keys = [
        "seed",
        "data",
        "rollout",
        "filter",
        "reward",
        "advantage",
        "macro",
        "objective",
        "train",
        "grading",
        "watch",
    ]
    del values["train"]["offload"], values["grading"]["workers"]
    if values["data"].pop("on_overlap", None) == "drop" and "score" in config.stages:  # what is left is trained on
        values["data"]["without"] = values["score"]["benchmarks"]
    for key in ("gpu_memory", "max_gap"):  # where a run fits, and when it stops
        values["rollout"].pop(key, None)
    values["reward"] = {key: value for key, value in values["reward"].items() if value is not None}  # who pays nothing
    if config.rollout.max_tokens_per_step is None:  # no response is cut
        del values["rollout"]["max_tokens_per_step"]
    if config.watch.on_alarm == "warn":  # an alarm that only warns changes nothing
        for key in ("alarms", "window", "on_alarm"):
            del values["watch"][key]
    if isinstance(config.model, Pretrained) and config.model.adapter:
        start = start | {"adapter": values["model"]["adapter"]}
    if isinstance(config.objective, Preference):  # pairs have no advantages
        keys.remove("advantage")
    elif config.objective.clip_high == config.objective.clip:
        del values["objective"]["clip_high"]
    if config.reward.process_weight > 0 or (config.contrast and isinstance(config.credit, TregWeights)):
        keys.append("credit")
    elif isinstance(config.advantage, Compared) and config.advantage.streams == "each":
        del values["advantage"]["name"]
    if config.reward.judge is not None:
        values["reward"]["judge"] = judged_by(config.reward.judge)
    elif config.online is not None:
        start = start | {"online": values["prm"]["online"]}
    elif uses_prm(config) and isinstance(config.prm, PretrainedPrm):  # no stage made it
        start = start | {"prm": read_by(config.prm, values["prm"])}
    return {key: values[key] for key in keys} | start


def _score(config: Config, values: dict[str, Any], start: dict[str, Any]) -> dict[str, Any]:
    """What scores are made of besides the scored checkpoints."""
    if "train" not in config.stages:
        del values["score"]["checkpoints"]
    del values["score"]["data_dir"], values["grading"]["workers"]
    if config.score.sampler == "rollout":
        values["score"]["sampler"] = config.rollout.name
    keys = ["score", "grading", *(["data"] if config.score.embedded else [])]
    return {key: values[key] for key in keys} | start


def read_by(prm: PretrainedPrm, values: dict[str, Any]) -> dict[str, Any]:
    """A reward model that no stage made: its weights, and how it is read; the policy's own tokens need no pattern."""
    kept = values | {"path": identity(prm, "prm"), "revision": None}
    return {name: one for name, one in kept.items() if prm.reads == "text" or name not in ("prompt", "step", "join")}


def judged_by(judge: Judge) -> dict[str, Any]:
    """A judge, but for where it is reached and how patiently."""
    kept = {name: value for name, value in by_content(judge).items() if name not in PATIENCE}
    return kept | ({"model": folder_identity(str(judge.model), "reward.judge.model")} if judge.who == "local" else {})


def by_content(group: BaseModel) -> dict[str, Any]:
    """A group's values, and in the place of every file that is read what it holds (``Means.CONTENT``).

    A hub data set keeps its id. Raises ``ConfigError`` for a file that is not there.
    """
    values: dict[str, Any] = group.model_dump(mode="json")
    for name, field in type(group).model_fields.items():
        value = getattr(group, name)
        if isinstance(value, BaseModel):
            values[name] = by_content(value)
        elif isinstance(value, tuple):
            values[name] = [by_content(one) if isinstance(one, BaseModel) else one for one in value]
        elif meaning(field) is Means.CONTENT and (isinstance(value, Path) or Path(str(value)).is_file()):
            values[name] = file_digest(Path(value))
    return values


def needed(config: Config) -> list[str]:
    """The stages whose output the requested ones need, themselves included, in order."""
    wanted = set(config.stages)
    if "train" in wanted:
        wanted |= {"base", "prm"} if uses_prm(config) else {"base"}
    if "prm" in wanted or "score" in wanted:
        wanted |= {"base"}
    if "train" in wanted and not uses_prm(config):
        wanted -= {"prm"}
    if isinstance(config.model, Pretrained):
        wanted -= {"base"}
    if isinstance(config.prm, PretrainedPrm) and config.reward.judge is None:
        wanted -= {"prm"}
    return [stage for stage in STAGES if stage in wanted]


def plan(config: Config) -> dict[str, StageRun]:
    """Every stage the run needs, with its place in the store.

    Raises ``ConfigError`` for a model, a file or a library that is not there.
    """
    require_grader(config.grading)
    if "train" in config.stages:
        require_sampler(config.rollout)
    runs: dict[str, StageRun] = {}
    for stage in needed(config):
        upstream = {
            "base": [],
            "prm": ["base"],
            "train": ["base", "prm"],
            "score": ["train"] if "train" in config.stages else ["base"],
        }[stage]
        inputs = {name: runs[name].address for name in upstream if name in runs}
        parts = made_of(config, stage)
        text = json.dumps({"stage": stage, "made_of": parts, "inputs": inputs}, sort_keys=True)
        address = hashlib.sha256(text.encode()).hexdigest()[:12]
        runs[stage] = StageRun(stage, parts, inputs, config.store / stage / address)
    return runs
