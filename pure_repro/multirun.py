"""What ``-m`` does around its runs, by Hydra's callbacks: the same with every launcher and every sweeper.

Before the first job every combination is checked and the record of the sweep written. In every job its combination is
printed, and the record says what became of it. After the last job stands what the sweep came to.
"""

import os
import sys
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from math import nan
from pathlib import Path
from typing import Any

import yaml
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from hydra.types import RunMode, TaskFunction
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from pure_repro.config import ConfigError, Track
from pure_repro.launch.compose import Refused, config_of
from pure_repro.launch.failure import Failure, fail
from pure_repro.launch.figure import figure
from pure_repro.launch.jobs import (
    jobs_of,
    refusal_list,
    refusals,
    require_accepted,
    require_composable,
    sweep_keys,
    sweep_overrides,
)
from pure_repro.launch.mistakes import one_sentence
from pure_repro.launch.run import prepared, run
from pure_repro.launch.sweep import (
    Job,
    SweepState,
    change_job,
    combination,
    identity_words,
    put_job,
    read_sweep,
    sweep_name,
    write_sweep,
)
from pure_repro.track.follow import open_parent, send_parent, settle
from pure_repro.track.manifest import write_whole
from pure_repro.track.outbox import Parent
from pure_repro.track.pages import first_section, where_tracked
from pure_repro.track.redact import redacted_address


class SweepCallback(Callback):
    """Hydra calls it at the start and the end of a sweep, where ``-m`` was typed, and of a job, wherever that runs."""

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Check every combination, and give the sweep its name, its folder and its record."""
        loader = GlobalHydra.instance().config_loader()
        try:
            begin(config, loader)
        except (HydraException, OmegaConfBaseException) as error:
            fail(one_sentence(error, list(config.hydra.overrides.task), loader, config.hydra.job.config_name))
        except ConfigError as error:
            fail(str(error))

    def on_job_start(self, config: DictConfig, *, task_function: TaskFunction, **_: Any) -> None:
        """Print the combination."""
        if config.hydra.mode == RunMode.MULTIRUN:
            folder, number = place(config)
            redact_record(folder)
            sweep = read_sweep(folder)
            words = public_words(config)
            job = sweep.job(number) or Job(number, combination(words, sweep.varies), words)
            if job.status != "refused":
                print(f"\n{heading(sweep, job)}", flush=True)
                put_job(folder, replace(job, status="running", reason=""))

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **_: Any) -> None:
        """Say how a job ended, where its own words went into a log."""
        if config.hydra.mode == RunMode.MULTIRUN and beside_others(config):
            folder, number = place(config)
            sweep = read_sweep(folder)
            job = sweep.job(number)
            if job is not None and job.status != "refused":
                print(f"{heading(sweep, job)}  {job.status} (its words: {log_of(folder, number)})", flush=True)

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        """Say what the sweep came to; it fails where a job did."""
        folder = Path(config.hydra.sweep.dir)
        redact_record(folder)
        sweep = read_sweep(folder)
        print(f"\nSweep {sweep.name}: {counted(sweep)}. Record: {folder / 'sweep.json'}", flush=True)
        conclude_sweep(config, sweep, folder)
        if failed := [f"{job.label}: {job.reason}" for job in sweep.jobs if job.status == "failed"]:
            fail("\n  ".join([f"{len(failed)} of the jobs failed, the others are done:", *failed]), 1)


def begin(config: DictConfig, loader: ConfigLoader) -> None:
    """Everything before the first job. Raises what Hydra, OmegaConf or the schema has to say against one."""
    overrides = sweep_overrides(config, loader)
    words, varies = public_words(config), sweep_keys(overrides)
    if several := [key for key in varies if key == "store" or key.startswith(("sweep.", "track"))]:
        raise ConfigError(f"{several[0]} has several values: a sweep has one")
    jobs = jobs_of(config, overrides)
    if jobs == []:
        raise ConfigError(f"a sweep without a run: {' '.join(words)} leaves no value for {' or '.join(varies)}")
    if jobs is None:
        require_composable(config, loader, overrides)
        planned = []
    else:
        planned = initial_jobs(jobs, varies, refusals(config, loader, jobs))
        require_accepted(planned, skip=config.sweep.refused == "skip")
    if config.sweep.name is None:
        set_key(config, "sweep.name", sweep_name(words, varies))
    folder = Path(config.hydra.sweep.dir)
    before = jobs_before(folder, words)
    kept = before if jobs is None else ()  # other draws of a sweeper that decides as it goes
    total = None if jobs is None else len(planned)
    store = os.path.relpath(config.store, folder)
    write_sweep(folder, SweepState(folder.name, words, varies, store, total, len(kept), (*kept, *planned)))
    if config.track.name != "none":
        set_key(config, "track.parent", folder.name)
        open_parent(
            Path(config.store),
            track_of(config).model_copy(update={"parent": None}),
            folder.name,
            "sweep",
            title_of(words, varies),
        )
    if out := refusal_list(planned):
        print(f"Left out, because the rules refuse them:\n{out}", flush=True)


def conclude_sweep(config: DictConfig, sweep: SweepState, folder: Path) -> None:
    """The one table of a sweep: in the terminal, in its folder, and above its runs in the tracker."""
    if not any(job.status == "done" and {"train", "score"} & job.stages.keys() for job in sweep.jobs):
        return
    try:
        from pure_repro.report import screen  # a mistake in the words need not wait for what makes tables
        from pure_repro.table import of_sweep

        report = of_sweep(folder, folder / "table")
    except Exception as error:  # what the sweep came to is said in any case, and a table can be made at any time
        print(f"No table: {type(error).__name__}: {error}; again by python -m pure_repro.table sweep={sweep.name}")
        return
    print(screen(report, folder / "table"), flush=True)
    track = track_of(config)
    if track.name == "none":
        return
    parent = Parent(
        name=sweep.name,
        kind="sweep",
        title=title_of(sweep.words, sweep.varies),
        description=f"{first_section((folder / 'table' / 'table.md').read_text())}\n\n`-m {' '.join(sweep.words)}`",
        folder=str((folder / "table").resolve()),
        table=report.table,
    )
    send_parent(Path(config.store), track.model_copy(update={"parent": sweep.name}), parent)
    print(where_tracked(settle()), flush=True)


def public_words(config: DictConfig) -> list[str]:
    """The words of a sweep or of a job, without the passwords of addresses."""
    return [*map(redacted_address, config.hydra.overrides.task)]


def title_of(words: Sequence[str], varies: Sequence[str]) -> str:
    """What the tracker calls a sweep: the words that vary; those of a yaml are not among the typed ones.

    >>> title_of(["credit=min,sum", "recipe=smoke", "seed=1,2"], ["credit", "seed"])
    'credit=min,sum seed=1,2'
    """
    typed = [word for word in words if word.partition("=")[0] in varies]
    return " ".join(typed or varies or words)


def redact_record(folder: Path) -> None:
    """Take the passwords of addresses out of Hydra's own record of a sweep, which its sweeper has written by now."""
    record = folder / "multirun.yaml"
    if record.exists() and (public := redacted_tree(tree := yaml.safe_load(record.read_text()))) != tree:
        write_whole(record, yaml.safe_dump(public, sort_keys=False, allow_unicode=True))


def redacted_tree(tree: Any) -> Any:
    """Nested values whose addresses have lost their secrets.

    >>> redacted_tree({"track": {"uri": "http://me:secret@host"}, "task": ["track.uri=http://me:secret@host"]})
    {'track': {'uri': 'http://***@host'}, 'task': ['track.uri=http://***@host']}
    """
    match tree:
        case dict():
            return {key: redacted_tree(value) for key, value in tree.items()}
        case list():
            return [redacted_tree(value) for value in tree]
        case str():
            return redacted_address(tree)
    return tree


def track_of(config: DictConfig) -> Track:
    """Where a sweep is tracked."""
    return Track.model_validate(OmegaConf.to_container(config.track, resolve=True))


def initial_jobs(jobs: Sequence[Sequence[str]], varies: Sequence[str], reasons: Mapping[int, str]) -> list[Job]:
    """The jobs of a sweep before it starts, some of them refused."""
    return [
        Job(
            i,
            combination(words, varies),
            [*map(redacted_address, words)],
            "refused" if i in reasons else "waiting",
            reason=reasons.get(i, ""),
        )
        for i, words in enumerate(jobs, start=1)
    ]


def set_key(config: DictConfig, key: str, value: str) -> None:
    """Give a key its value in the sweep and, as Hydra composes each job from its words again, in every job."""
    OmegaConf.update(config, key, value)
    config.hydra.overrides.hydra.append(f"{key}={value}")


def jobs_before(folder: Path, words: Sequence[str]) -> tuple[Job, ...]:
    """The jobs of the sweep that a folder holds. Raises ``ConfigError`` where that is another sweep."""
    if not (folder / "sweep.json").exists():
        return ()
    sweep = read_sweep(folder)
    if identity_words(sweep.words) != identity_words(words):
        raise ConfigError(f"{folder} holds the sweep {' '.join(sweep.words)}: take another sweep.name")
    return sweep.jobs


def place(config: DictConfig) -> tuple[Path, int]:
    """The folder of the sweep that a job belongs to, and the job's number in it."""
    folder = Path(config.hydra.sweep.dir)
    return folder, read_sweep(folder).earlier + config.hydra.job.num + 1


def heading(sweep: SweepState, job: Job) -> str:
    """Which job this is, as ``3/12  credit=sum reward=prm seed=2``."""
    return f"{job.number}{f'/{sweep.total}' if sweep.total else ''}  {job.label}"


def log_of(folder: Path, number: int) -> Path:
    """Where the words of a job go that runs beside others."""
    return folder / "jobs" / f"{number}.log"


def beside_others(config: DictConfig) -> bool:
    """Whether jobs run side by side: with every launcher but Hydra's own."""
    return not config.hydra.launcher._target_.endswith(".BasicLauncher")


def run_job(tree: DictConfig) -> float:
    """One job of a sweep: the figure it is judged by, or no number. One that fails leaves the others to go on."""
    config: DictConfig = HydraConfig.instance().cfg  # type: ignore[assignment]
    folder, number = place(config)
    job = read_sweep(folder).job(number)
    if job is None or job.status == "refused":
        return nan
    with into(log_of(folder, number)) if beside_others(config) else nullcontext():
        return attempt(tree, folder, number)


def attempt(tree: DictConfig, folder: Path, number: int) -> float:
    """Run a job and note what became of it."""
    try:
        config = config_of(tree)
        stages = prepared(config)
        job = change_job(folder, number, stages={name: stage.address for name, stage in stages.items()})
        run(config, stages, name=job.label or None, arm=job.arm or None)
        value = figure(config.sweep.optimise, {name: stage.folder for name, stage in stages.items()})
        change_job(folder, number, status="done", value=value)
        return nan if value is None else value
    except KeyboardInterrupt:
        change_job(folder, number, status="stopped")
        raise
    except (Failure, ConfigError) as error:
        note_failure(folder, number, error, str(error))
    except Exception as error:
        traceback.print_exc()
        note_failure(folder, number, error, f"{type(error).__name__}: {error}")
    return nan


def note_failure(folder: Path, number: int, error: Exception, reason: str) -> None:
    """Say why a job has no result; one that the rules refuse was not to run."""
    job = change_job(folder, number, status="refused" if isinstance(error, Refused) else "failed", reason=reason)
    print(f"pure-repro: {job.label}: {reason}", file=sys.stderr)


@contextmanager
def into(log: Path) -> Iterator[None]:
    """Into a file with what this process and those it starts print: jobs side by side would talk across each other."""
    log.parent.mkdir(exist_ok=True)
    terminal = os.dup(1), os.dup(2)
    with log.open("a") as file:
        try:
            for stream in (1, 2):
                os.dup2(file.fileno(), stream)
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for stream, before in enumerate(terminal, start=1):
                os.dup2(before, stream)
                os.close(before)


def counted(sweep: SweepState) -> str:
    """How many jobs ended in which way.

    >>> counted(SweepState("x", [], [], "..", 2, 0, (Job(1, {}, [], "done"), Job(2, {}, [], "failed"))))
    '1 done, 1 failed'
    """
    return ", ".join(f"{count} {status}" for status, count in Counter(job.status for job in sweep.jobs).items())
