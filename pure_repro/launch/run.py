"""One run, from its configuration to finished stages. Imports no torch before there is work."""

import os

from pure_repro.config import Config, Mathematics
from pure_repro.launch.failure import Failure
from pure_repro.launch.machine import this_machine
from pure_repro.launch.plan import StageRun, plan
from pure_repro.launch.preflight import preflight, require_fit
from pure_repro.launch.report import announce, print_results
from pure_repro.track.follow import tracked


def prepared(config: Config) -> dict[str, StageRun]:
    """The stages of a run. Raises ``Failure`` where one needs another that is neither finished nor requested."""
    stages = plan(config)
    missing = [name for name, stage in stages.items() if name not in config.stages and not stage.finished]
    if missing:
        raise Failure(
            f"stages=[{','.join(config.stages)}] needs {' and '.join(missing)}, not finished in store={config.store}: "
            f"take stages=[{','.join(stages)}]"
        )
    return stages


def run(config: Config, stages: dict[str, StageRun], name: str | None = None, arm: str | None = None) -> None:
    """Say what will happen, run the stages that are not finished, say where the results are.

    ``name`` and ``arm`` are what the tracker calls the run and those that differ from it in their seeds alone.
    """
    fit = preflight(config, this_machine(config.store))
    announce(config, stages, fit)
    if not all(stage.finished for stage in stages.values()):
        require_fit(fit)
    os.environ.setdefault("OMP_NUM_THREADS", str(config.launch.threads))  # before torch is imported
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # bars of libraries; 0 shows them
    if "train" in stages and not stages["train"].finished:
        tell_overlap(config)
    folders = {stage_name: stage.folder for stage_name, stage in stages.items()}
    with tracked(folders, config.track, name=name, tags={"arm": arm} if arm else {}):
        if config.launch.name == "inline":
            from pure_repro.launch.stages import run_here

            run_here(config, stages)
        elif not all(stage.finished for stage in stages.values()):
            from pure_repro.launch.group import run_group

            run_group(config, stages, config.launch)
    print_results(config, stages)


def tell_overlap(config: Config) -> None:
    """Say which training problems are test problems. Raises ``ConfigError`` with ``data.on_overlap=stop``."""
    if not isinstance(config.data, Mathematics):
        return
    from pure_repro.data.overlap import overlap_here  # imports torch

    if said := overlap_here(config):
        print(f"  {said}")
