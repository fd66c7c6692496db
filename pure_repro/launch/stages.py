"""Run the stages of a plan, one after the other: in one process, or as a rank of a group. Imports torch."""

import errno
import json
import os
import resource
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path

import torch
import yaml

from pure_repro.config import (
    STAGES,
    Config,
    ConfigError,
    EmbeddedPrm,
    FitPrm,
    ImplicitPrm,
    Pretrained,
    PretrainedPrm,
    Published,
)
from pure_repro.data.source import digests
from pure_repro.judge.judges import JudgeSilent
from pure_repro.launch.failure import Failure, first_line
from pure_repro.launch.outputs import outputs, require_as_left
from pure_repro.launch.plan import StageRun, fits_rows, uses_prm
from pure_repro.launch.weights import folder_of, weights_in_words, weights_name
from pure_repro.models.checkpoint import BrokenState, OtherRanks, drop_state
from pure_repro.models.finite import NotFinite
from pure_repro.models.ranks import ALONE, Ranks, name_accelerator
from pure_repro.prm.gate import GateFailed
from pure_repro.rollout.fingerprint import StaleWeights
from pure_repro.track.manifest import environment, locked, write_json

SMALLEST_ROOM = 2**16  # bytes; a disk with less is full, whatever an error says
LOOK_EVERY = 0.2  # seconds


def run_here(config: Config, stages: dict[str, StageRun]) -> None:
    """Bring every stage to its end in this process."""
    run_stages(config, stages, ALONE)


def run_stages(config: Config, stages: dict[str, StageRun], ranks: Ranks, only: Sequence[str] = STAGES) -> None:
    """Bring every stage, or those named in ``only``, to its end. Raises ``Failure`` where one cannot."""
    name_accelerator()
    folders = {name: stage.folder for name, stage in stages.items()}
    try:
        for name, stage in stages.items():
            if name in only:
                run_stage(stage, config, folders, ranks)
    except Failure:
        raise
    except (BrokenState, GateFailed, JudgeSilent, NotFinite, OtherRanks, StaleWeights) as error:
        raise Failure(str(error), status=1) from error
    except ConfigError as error:  # a file or a benchmark that is not what it should be
        raise Failure(str(error)) from error
    except Exception as error:
        if (trouble := of_machine(error, config.store)) is None:
            raise
        raise Failure(f"{trouble}; the same command goes on from here once it is mended", status=1) from error


def of_machine(error: Exception, store: Path) -> str | None:
    """What is wrong with disk or permissions, in words; ``None`` where the error is none of theirs.

    Libraries that write weights say in their own ways that a disk is full, and some do not say it.

    >>> of_machine(PermissionError(13, "Permission denied", "store/base"), Path("store"))
    'store/base: Permission denied'
    >>> of_machine(OSError("no file named model.safetensors in it"), Path("store"))
    'no file named model.safetensors in it'
    >>> of_machine(RuntimeError("I/O error: No space left on device"), Path("store"))
    'store: No space left on device'
    """
    full = os.strerror(errno.ENOSPC)
    if isinstance(error, OSError):
        return f"{error.filename or store}: {error.strerror}" if error.strerror else first_line(error)
    room = shutil.disk_usage(store).free if store.exists() else SMALLEST_ROOM
    return f"{store}: {full}" if full in str(error) or room < SMALLEST_ROOM else None


def run_stage(run: StageRun, config: Config, folders: dict[str, Path], ranks: Ranks) -> None:
    """Bring one stage to its end: resume what is half done, do nothing when another process has finished it.

    All ranks train, fit a reward model to rows, and sample the responses that are scored; of the rest the first does
    all, and the others wait for its output. They look for the file: a fit may take longer than ranks wait for each
    other. A finished stage is only read, so that it may be somebody else's.
    """
    if ranks.agree(run.finished):
        if ranks.first:
            require_as_left(run)
            with suppress(OSError):  # of somebody else's folder
                drop_state(run.folder)  # of a run that was killed behind its manifest
        return
    if ranks.first:
        run.folder.mkdir(parents=True, exist_ok=True)
    waiting = f"waiting for another process, which makes {run.folder}"
    with locked(run.folder / ".lock", waiting) if ranks.first else nullcontext():
        if ranks.agree(run.finished):
            return
        if ranks.first:
            make_stage(run, config, folders, ranks)
        elif shared(run.stage, config):
            work(run.stage)(config, folders, run.folder, ranks)
        if not ranks.first:
            wait_for(run)
        ranks.wait()


def shared(stage: str, config: Config) -> bool:
    """Whether all ranks do a stage together."""
    return stage in ("train", "score") or (stage == "prm" and fits_rows(config))


def wait_for(run: StageRun) -> None:
    """Until another rank has finished the stage; one that fails ends the group."""
    while not run.finished:
        time.sleep(LOOK_EVERY)


def make_stage(run: StageRun, config: Config, folders: dict[str, Path], ranks: Ranks) -> None:
    """Do a stage's work between its configuration, written first, and its manifest, written last."""
    for half in run.folder.rglob("*.partial"):  # of a process that was killed while it wrote
        half.unlink()
    (run.folder / "config.yaml").write_text(
        yaml.safe_dump({"stage": run.stage, "inputs": run.inputs, **run.made_of}, sort_keys=False)
    )
    start = time.perf_counter()
    work(run.stage)(config, folders, run.folder, ranks)
    write_json(
        run.folder / "manifest.json",
        {
            "stage": run.stage,
            "address": run.address,
            "seed": config.seed,
            "config": run.made_of,
            "inputs": run.inputs,
            "problems": digests(config),
            "seconds": round(time.perf_counter() - start, 1),
            "peak_gigabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
            "ranks": ranks.size if run.stage != "score" and shared(run.stage, config) else 1,
            "outputs": outputs(run.folder),
            **models_of(run),
            **environment(),
            "threads": torch.get_num_threads(),
        },
    )
    drop_state(run.folder)  # a kill up to here goes on from the last checkpoint


def models_of(run: StageRun) -> dict[str, dict[str, str]]:
    """What a score is of, by checkpoint, as its table has it; no other stage has such a table."""
    return {"scored": json.loads((run.folder / "table.json").read_text())["scored"]} if run.stage == "score" else {}


def work(stage: str) -> Callable[[Config, dict[str, Path], Path, Ranks], None]:
    """What a stage does, given the folders of finished stages and its own."""
    return {"base": _base, "prm": _prm, "train": _train, "score": _score}[stage]


def _base(config: Config, folders: dict[str, Path], out: Path, ranks: Ranks) -> None:
    from pure_repro.train.base import fit_base

    fit_base(config, out)


def _prm(config: Config, folders: dict[str, Path], out: Path, ranks: Ranks) -> None:
    from pure_repro.judge.fit import fit_judge
    from pure_repro.prm.fit import fit_prm
    from pure_repro.prm.fit_rows import fit_rows
    from pure_repro.reward.fit_implicit import fit_implicit

    if config.reward.judge is not None:
        fit_judge(config, out)
    elif isinstance(config.prm, ImplicitPrm):
        fit_implicit(config, start_of(config, folders), out)
    elif isinstance(config.prm, FitPrm):
        fit_rows(config, folder_of(config.prm), out, ranks)
    else:
        fit_prm(config, start_of(config, folders), out)


def _train(config: Config, folders: dict[str, Path], out: Path, ranks: Ranks) -> None:
    from pure_repro.prm.gate import require_pass
    from pure_repro.train.loop import train

    prm = None
    if uses_prm(config):
        if config.reward.judge is not None:  # its examination was printed, and no threshold is known
            prm = folders["prm"] / "model"
        elif isinstance(config.prm, PretrainedPrm):  # nobody here has examined it
            prm = folder_of(config.prm)
        else:
            prm = folders["prm"] / "model"
            assert isinstance(config.prm, EmbeddedPrm | FitPrm | ImplicitPrm)  # by a rule of the schema
            if ranks.first:
                require_pass(folders["prm"] / "gate.json", config.prm.gate)
    start = start_of(config, folders)
    train(chatting(config, start), start, prm, out, ranks)


def _score(config: Config, folders: dict[str, Path], out: Path, ranks: Ranks) -> None:
    from pure_repro.score.run import score

    checkpoints, names = checkpoints_to_score(config, folders)
    score(chatting(config, next(iter(checkpoints.values()))), checkpoints, names, out, ranks)


def chatting(config: Config, folder: Path) -> Config:
    """The configuration with every prompt as the policy reads it: put by the chat template, where ``prompt.chat``."""
    from pure_repro.models.chat import chat_template, require_one_beginning

    if not config.prompt.chat:
        if isinstance(config.model, Pretrained):
            require_one_beginning(folder, config.data.prompt)
        return config
    data = config.data.model_copy(update={"prompt": chat_template(folder, config.data.prompt)})
    sets = [
        one.model_copy(update={"prompt": chat_template(folder, one.prompt)})
        if isinstance(one, Published) and one.prompt
        else one
        for one in config.score.benchmarks
    ]
    score = config.score.model_copy(update={"prompt": chat_template(folder, config.score.prompt), "benchmarks": sets})
    return config.model_copy(update={"data": data, "score": score})


def checkpoints_to_score(config: Config, folders: dict[str, Path]) -> tuple[dict[str, Path], dict[str, str]]:
    """The checkpoints to be scored, by name: where each lies, and what it is in words.

    Only what stage ``base`` has made is called base.
    """
    if "train" in folders:
        training = folders["train"]
        names = config.score.folders
        return {name: training / name for name in names}, {name: f"train/{training.name}/{name}" for name in names}
    start = start_of(config, folders)
    if isinstance(config.model, Pretrained):
        name = weights_name(config.model)
        return {name: start}, {name: weights_in_words(config.model)}
    return {"base": start}, {"base": f"base/{folders['base'].name}"}


def start_of(config: Config, folders: dict[str, Path]) -> Path:
    """The folder of the model that everything starts from: made by stage ``base``, or pretrained."""
    return folder_of(config.model) if isinstance(config.model, Pretrained) else folders["base"] / "model"
