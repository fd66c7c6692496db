"""The entry point: ``python -m pure_repro``. It composes, checks and plans before torch is imported."""

import os
import sys

import hydra
from omegaconf import DictConfig

from pure_repro.config import Config
from pure_repro.launch.compose import CONF, ConfigError, checked, composed
from pure_repro.launch.plan import plan
from pure_repro.launch.report import announce, conclude


def main() -> None:
    """Check the whole command line first, then let Hydra run it (one run, or every combination of a multirun)."""
    words = sys.argv[1:]
    if not any(word.startswith("-") for word in words):
        check_or_exit([words])
    elif "-m" in words or "--multirun" in words:
        check_or_exit(combinations([word for word in words if not word.startswith("-")]))
    run_composed()


def combinations(overrides: list[str]) -> list[list[str]]:
    """Every run of a multirun, as Hydra's own sweeper expands it.

    >>> combinations(["credit=min,sum", "seed=3"])
    [['credit=min', 'seed=3'], ['credit=sum', 'seed=3']]
    """
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import OverrideParseException

    try:
        parsed = OverridesParser.create().parse_overrides(overrides=overrides)
    except OverrideParseException as error:
        fail(str(error).splitlines()[0])
    return [list(job) for batch in BasicSweeper.split_arguments(parsed, None) for job in batch]


def check_or_exit(jobs: list[list[str]]) -> None:
    """Compose every job; the first mistake ends the program with one sentence and status 2."""
    try:
        for job in jobs:
            composed(job)
    except ConfigError as error:
        fail(str(error))


def fail(sentence: str) -> None:
    """Say what is wrong and leave."""
    print(f"pure-repro: {sentence}", file=sys.stderr)
    sys.exit(2)


@hydra.main(config_path=str(CONF), config_name="config", version_base="1.3")
def run_composed(tree: DictConfig) -> None:
    """One run: say what will happen, do it, say where the results are."""
    try:
        config = checked(tree)
    except ConfigError as error:
        fail(str(error))
    run(config)


def run(config: Config) -> None:
    """Run the stages that are requested and not finished."""
    stages = plan(config)
    for name, stage in stages.items():
        if name not in config.stages and not stage.finished:
            fail(f"stage {name} is needed and not finished: add it, as in stages=[{name},{','.join(config.stages)}]")
    announce(config, stages)
    os.environ.setdefault("OMP_NUM_THREADS", str(config.launch.threads))  # before torch is imported

    from pure_repro.launch.stages import run_stage

    folders = {name: stage.folder for name, stage in stages.items()}
    for stage in stages.values():
        run_stage(stage, config, folders)
    conclude(config, stages)


if __name__ == "__main__":
    main()
