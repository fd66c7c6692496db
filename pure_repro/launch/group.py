"""The parent of a group of processes: it freezes the configuration, starts torchrun's agent, and ends what it started.

Imports no torch. Workers read the frozen file and never see Hydra.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import yaml

from pure_repro.config import Config, Torchrun
from pure_repro.launch.failure import Failure
from pure_repro.launch.plan import StageRun, fits_rows
from pure_repro.launch.watchdog import PARENT
from pure_repro.track.manifest import environment, write_json, write_whole
from pure_repro.track.redact import redacted_address

ADDRESSES = "PURE_REPRO_ADDRESSES"  # in the environment of a group: the addresses of its configuration, by key
GRACE = 30  # seconds that a group has to end itself


def run_group(config: Config, stages: dict[str, StageRun], launch: Torchrun) -> None:
    """Run the stages in groups of processes, this machine's share of them; returns when all are done.

    What follows a stage that had an engine has a group of its own: a process that has trained keeps memory that the
    next needs. Raises ``Failure`` when a group breaks. Whatever ends this process ends the group too.
    """
    last = list(stages.values())[-1]
    frozen = freeze(config, last.folder)
    for names in stage_groups(list(stages), config):
        if not all(stages[name].finished for name in names):
            run_some(config, launch, f"{last.address}-{names[-1]}", [str(frozen), *names])


def stage_groups(stages: list[str], config: Config) -> list[list[str]]:
    """The stages of each group: up to one with an engine, in order."""
    engines, groups = {"train"} | ({"prm"} if fits_rows(config) else set()), list[list[str]]([[]])
    for name in stages:
        groups[-1].append(name)
        if name in engines:
            groups.append([])
    return [names for names in groups if names]


def run_some(config: Config, launch: Torchrun, meets_as: str, words: list[str]) -> None:
    """One group: the workers' words are the frozen configuration and some stages."""
    agent = subprocess.Popen(
        [
            *(sys.executable, "-m", "pure_repro.launch.agent", *meeting(launch, meets_as)),
            *("-m", "pure_repro.launch.worker", *words),
        ],
        env=os.environ | {PARENT: str(os.getpid()), ADDRESSES: json.dumps(addresses(config))},
        start_new_session=True,  # Ctrl-C reaches this process alone, which then ends the group in order
    )
    status = None
    try:
        status = agent.wait()
    finally:
        end(agent)
        if status != 0:
            print(file=sys.stderr)  # a worker that was ended leaves the line of its progress bar open
    if status:
        raise Failure(
            f"launch={launch.name}: the group of {launch.ranks} ranks broke (its own words stand above); "
            "the same command goes on from the last checkpoint",
            status=1,
        )


def freeze(config: Config, folder: Path) -> Path:
    """Write the whole configuration, every value resolved, and what runs it, beside the last stage's output.

    A password in an address is not for files: the group finds it in its environment.
    """
    folder.mkdir(parents=True, exist_ok=True)
    values = config.model_dump(mode="json")
    put_addresses(values, {key: redacted_address(uri) for key, uri in addresses(config).items()})
    frozen = folder / "run.yaml"
    write_whole(frozen, yaml.safe_dump(values, sort_keys=False))
    write_json(folder / "run.json", {"config": values, **environment()})
    return frozen


def addresses(config: Config) -> dict[str, str]:
    """The addresses in a configuration that may hold a password, by key."""
    judge = config.reward.judge
    known = {"track.uri": config.track.uri, "reward.judge.url": judge.url if judge is not None else None}
    return {key: address for key, address in known.items() if address}


def put_addresses(values: dict[str, Any], addresses: Mapping[str, str]) -> None:
    """Put addresses into the values of a configuration.

    >>> values = {"track": {"uri": "http://***@host"}}
    >>> put_addresses(values, {"track.uri": "http://me:pass@host"}); values
    {'track': {'uri': 'http://me:pass@host'}}
    """
    for key, address in addresses.items():
        *groups, last = key.split(".")
        reduce(getitem, groups, values)[last] = address


def meeting(launch: Torchrun, address: str) -> list[str]:
    """How torchrun's agents find each other.

    >>> two = Torchrun(name="torchrun", threads=1, nproc_per_node=8, nnodes=2, rdzv_endpoint="head:29500")
    >>> " ".join(meeting(two, "e5af"))
    '--nproc_per_node=8 --nnodes=2 --rdzv_backend=c10d --rdzv_id=e5af --rdzv_endpoint=head:29500'
    """
    endpoint = launch.rdzv_endpoint or "localhost:0"
    if launch.name == "slurm":
        if "SLURM_JOB_ID" not in os.environ:
            raise Failure(
                "launch=slurm submits the jobs of a sweep: add -m, or take launch=torchrun in a job of your own"
            )
        endpoint = launch.rdzv_endpoint or os.environ["SLURM_LAUNCH_NODE_IPADDR"] + ":29500"
    return [
        f"--nproc_per_node={launch.nproc_per_node}",
        f"--nnodes={launch.nnodes}",
        "--rdzv_backend=c10d",
        f"--rdzv_id={address}",
        f"--rdzv_endpoint={endpoint}",
    ]


def end(agent: subprocess.Popen) -> None:
    """End the agent and with it its workers, by force if need be; nothing to do where it has ended."""
    if agent.poll() is None:
        agent.send_signal(signal.SIGTERM)
        try:
            agent.wait(GRACE)
        except subprocess.TimeoutExpired:
            agent.kill()  # its workers notice that it is gone and follow
            agent.wait()
