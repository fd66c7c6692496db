"""The entry point: ``python -m pure_repro``. It composes, checks and plans before torch is imported.

What a mistake in the first words does not need is imported where it is used, so that the answer comes at once.
"""

from __future__ import annotations

import os
import sys
from argparse import Namespace

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from pure_repro.launch import CONF
from pure_repro.launch.failure import Failure, Terminated, fail, heed_termination
from pure_repro.launch.help import help_text, version_text
from pure_repro.launch.watchdog import PARENT, follow_parent


def main() -> None:
    """Let Hydra do what its words and flags say, and say in one sentence what it says of a mistake."""
    words = sys.argv[1:]
    if {"-h", "--help"} & set(words):
        return print(help_text())
    if "--version" in words:
        return print(version_text())
    if "--preflight" in words:
        from pure_repro.launch.preflight import main as preflight_main

        sys.exit(preflight_main(words))
    flags = read_flags(words)
    require_one_purpose(flags)
    require_choices(flags.overrides)
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises what it would else print over several lines
    heed_termination()
    try:
        if PARENT in os.environ:
            follow_parent()
            del os.environ[PARENT]  # it is not that of the processes which this one starts
        run_composed()
    except KeyboardInterrupt as stop:
        fail("stopped; the same command goes on from the last checkpoint", 143 if isinstance(stop, Terminated) else 130)
    except (HydraException, OmegaConfBaseException) as error:
        fail(explained(error, flags))


def read_flags(words: list[str]) -> Namespace:
    """The words as Hydra will read them."""
    parser = get_args_parser()
    parser.error = lambda message: fail(f"{message}; flags stand before all words, as in -m credit=min,sum")  # type: ignore[method-assign]
    return parser.parse_args(words)


def require_one_purpose(flags: Namespace) -> None:
    """What Hydra would answer with an exception, or by reading a pickle."""
    if flags.experimental_rerun:
        fail("--experimental-rerun reads a pickle, and no run writes one: the words of a run are what repeats it")
    shown = [name for name in ("cfg", "info", "shell_completion", "run") if getattr(flags, name)]
    if len(shown) + flags.multirun > 1:
        names = [f"--{name.replace('_', '-')}" for name in (*shown, *["multirun"] * flags.multirun)]
        fail(f"{' and '.join(names)} do not go together: a run is shown without -m, with one value a key")
    if flags.resolve and not flags.cfg:
        fail("--resolve goes with --cfg, as in: --cfg job --resolve")


def require_choices(words: list[str]) -> None:
    """What Hydra would compose into something that nobody has meant; words that cannot be read are left to it."""
    from pure_repro.config import ConfigError
    from pure_repro.launch.mistakes import require_one_choice_each

    try:
        require_one_choice_each(words)
    except ConfigError as error:
        fail(str(error))
    except HydraException:
        return


def explained(error: Exception, flags: Namespace) -> str:
    """One sentence for what Hydra says, with the choices of every folder that it reads."""
    from pure_repro.launch.compose import opened
    from pure_repro.launch.mistakes import one_sentence

    folder = [f"hydra.searchpath=[file://{os.path.abspath(flags.config_dir)}]"] if flags.config_dir else []
    with opened() as loader:
        return one_sentence(error, [*flags.overrides, *folder], loader, flags.config_name or "config")


@hydra.main(config_path=str(CONF), config_name="config", version_base="1.3")
def run_composed(tree: DictConfig) -> float | None:
    """One run: by itself, or as a job of a sweep, to which it returns a figure."""
    from pure_repro.config import ConfigError
    from pure_repro.launch.compose import config_of
    from pure_repro.launch.run import prepared, run

    if HydraConfig.get().mode == RunMode.MULTIRUN:
        from pure_repro.multirun import run_job

        return run_job(tree)
    try:
        config = config_of(tree)
        run(config, prepared(config))
    except (Failure, ConfigError) as error:
        fail(str(error), getattr(error, "status", 2))
    return None


if __name__ == "__main__":
    main()
