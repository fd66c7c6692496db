"""The entry point: ``python -m pure_repro``. It composes, checks and plans before torch is imported.

What a mistake in the first words does not need is imported where it is used, so that the answer comes at once.
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import TYPE_CHECKING

import hydra
from omegaconf import DictConfig

from pure_repro.launch import CONF
from pure_repro.launch.failure import Failure, Terminated, fail, heed_termination
from pure_repro.launch.help import help_text

if TYPE_CHECKING:
    from pure_repro.config import Config

failed: list[str] = []  # jobs of a sweep, with what they failed of


def main() -> None:
    """Check the whole command line first, then let Hydra run it (one run, or every combination of a multirun)."""
    words = sys.argv[1:]
    if {"-h", "--help"} & set(words):
        return print(help_text())
    if "--preflight" in words:
        from pure_repro.launch.preflight import main as preflight_main

        sys.exit(preflight_main(words))
    overrides = [word for word in words if not word.startswith("-")]
    if "-m" in words or "--multirun" in words:
        check_or_exit(combinations(overrides))
    elif overrides:
        is_run = len(overrides) == len(words)
        check_or_exit([overrides if is_run else [word for word in overrides if "=" in word]])  # not job of --cfg job
    heed_termination()
    try:
        run_composed()
    except KeyboardInterrupt as stop:
        fail("stopped; the same command goes on from the last checkpoint", 143 if isinstance(stop, Terminated) else 130)
    if failed:
        fail("\n  ".join([f"{len(failed)} of the jobs failed, the others are done:", *failed]), 1)


def combinations(overrides: list[str]) -> list[list[str]]:
    """Every run of a multirun, as Hydra's own sweeper expands it.

    >>> combinations(["credit=min,sum", "seed=3"])
    [['credit=min', 'seed=3'], ['credit=sum', 'seed=3']]
    """
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import OverrideParseException

    from pure_repro.launch.compose import one_sentence

    try:
        parsed = OverridesParser.create().parse_overrides(overrides=overrides)
    except OverrideParseException as error:
        fail(one_sentence(error, overrides))
    return [list(job) for batch in BasicSweeper.split_arguments(parsed, None) for job in batch]


def check_or_exit(jobs: list[list[str]]) -> None:
    """Compose every job; the first mistake ends the program with one sentence and status 2."""
    from pure_repro.config import ConfigError
    from pure_repro.launch.compose import composed

    try:
        for job in jobs:
            composed(job)
    except ConfigError as error:
        fail(str(error))


@hydra.main(config_path=str(CONF), config_name="config", version_base="1.3")
def run_composed(tree: DictConfig) -> None:
    """One run. A job of a sweep that fails leaves the others to go on, and is named at the end."""
    from pure_repro.config import ConfigError
    from pure_repro.launch.compose import checked

    try:
        run(checked(tree))
    except (Failure, ConfigError) as error:
        if not sweeps_here():
            fail(str(error), getattr(error, "status", 2))
        note_failure(str(error))
    except Exception as error:
        if not sweeps_here():
            raise
        traceback.print_exc()
        note_failure(f"{type(error).__name__}: {error}")


def sweeps_here() -> bool:
    """Whether this process runs one job of a sweep after the other; with another launcher each has its own process."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    chosen = HydraConfig.get()
    return chosen.mode == RunMode.MULTIRUN and chosen.launcher._target_.endswith(".BasicLauncher")


def note_failure(sentence: str) -> None:
    """Say that a job failed, and keep it for the end."""
    from hydra.core.hydra_config import HydraConfig

    failed.append(f"{HydraConfig.get().job.override_dirname.replace(',', ' ')}: {sentence}")
    print(f"pure-repro: {failed[-1]}", file=sys.stderr)


def run(config: Config) -> None:
    """Say what will happen, run the stages that are requested and not finished, say where the results are."""
    from pure_repro.launch.machine import this_machine
    from pure_repro.launch.plan import plan
    from pure_repro.launch.preflight import preflight, require_fit
    from pure_repro.launch.report import announce, conclude
    from pure_repro.track.follow import tracked

    stages = plan(config)
    missing = [name for name, stage in stages.items() if name not in config.stages and not stage.finished]
    if missing:
        raise Failure(
            f"stages=[{','.join(config.stages)}] needs {' and '.join(missing)}, not finished in store={config.store}: "
            f"take stages=[{','.join(stages)}]"
        )
    fit = preflight(config, this_machine(config.store))
    announce(config, stages, fit)
    if not all(stage.finished for stage in stages.values()):
        require_fit(fit)
    os.environ.setdefault("OMP_NUM_THREADS", str(config.launch.threads))  # before torch is imported
    with tracked({name: stage.folder for name, stage in stages.items()}, config.track):
        if config.launch.name == "inline":
            from pure_repro.launch.stages import run_here

            run_here(config, stages)
        elif not all(stage.finished for stage in stages.values()):
            from pure_repro.launch.group import run_group

            run_group(config, stages, config.launch)
    conclude(config, stages)


if __name__ == "__main__":
    main()
