"""Whether a run fits the machine it is on, before a weight is loaded: ``python -m pure_repro --preflight …``.

Memory by phase and component, positions, disk, main memory, driver. What does not fit is refused with the keys that
mend it. ``gpu=24 gpus=8`` asks for a machine with such GPUs, so many GiB each, where this one has others or none.
Nothing runs; imports no torch.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from math import floor
from typing import Any

from pure_repro.config import Adapter, Config, ConfigError, FitPrm, Pretrained, Torchrun, VllmRollout
from pure_repro.launch.compose import composed
from pure_repro.launch.machine import GIB, LEAST_DRIVER, Machine, cuda_of_the_wheels, planned, this_machine
from pure_repro.launch.memory import Memory
from pure_repro.launch.needs import (
    ModelShapes,
    beyond_positions,
    disk_of,
    fit_phases,
    fitted_shape,
    host_of,
    least_share,
    memory_of,
    model_shapes,
)

GroupValues = Mapping[str, Mapping[str, Any]]  # group → key → value
AT_ONCE = 3  # keys that a remedy changes at most


def gib(size: int | float) -> str:
    """Bytes as GiB.

    >>> gib(3 * 2**29)
    '1.5'
    """
    return f"{size / GIB:.1f}"


@dataclass(frozen=True)
class Preflight:
    """What a run needs beside what a machine has."""

    config: Config
    models: ModelShapes
    machine: Machine

    @property
    def trains(self) -> bool:
        """Whether there is a training to fit."""
        return "train" in self.config.stages

    @property
    def memory(self) -> Memory:
        """One rank's, by component."""
        return memory_of(self.config, self.models, self.machine)

    @property
    def phases(self) -> dict[str, int]:
        """What each phase holds at its fullest: of the fit of a reward model, where there is one, and of a training."""
        fitted = fitted_shape(self.config)
        fit = {} if fitted is None else fit_phases(self.config, fitted)
        return fit | (self.memory.phases if self.trains else {})

    @property
    def local_ranks(self) -> int:
        """Ranks on one machine."""
        launch = self.config.launch
        return launch.nproc_per_node if isinstance(launch, Torchrun) else 1

    @property
    def room(self) -> float:
        """Bytes that a rank may take where it computes."""
        return self.machine.room(self.local_ranks)

    def shortages(self) -> Iterator[str]:
        """A sentence for whatever does not fit and keys may mend."""
        rollout, made = self.config.rollout, self.memory
        for phase, size in self.phases.items():
            if size > self.room:
                yield f"phase {phase} needs {gib(size)} GiB of {gib(self.room)}"
        if not self.trains:
            return
        if isinstance(rollout, VllmRollout) and self.machine.gpus:
            least = least_share(self.config, self.models.policy, self.machine.gpu_bytes)
            if rollout.gpu_memory < least:
                yield (
                    f"rollout.gpu_memory={rollout.gpu_memory} is too little for {gib(made.engine_weights)} GiB of "
                    f"weights, {gib(made.engine_work)} to work with and one response of model.context="
                    f"{self.config.model.context}"
                )
        if (
            self.machine.gpus
            and (host := host_of(self.config, self.models, self.local_ranks)) > self.machine.host_bytes
        ):
            yield f"{self.local_ranks} ranks need {gib(host)} GiB of main memory of {gib(self.machine.host_bytes)}"

    def obstacles(self) -> Iterator[str]:
        """A sentence for what no size of the run mends: too few GPUs, a full disk, an old driver."""
        machine, store = self.machine, self.config.store
        if machine.gpus and self.local_ranks > machine.gpus:
            yield (
                f"launch.nproc_per_node={self.local_ranks} and this machine has {machine.gpus}: take "
                f"launch.nproc_per_node={machine.gpus}"
            )
        disk = disk_of(self.config, self.models.policy)
        if disk > machine.disk_bytes:
            yield (
                f"store={store} has {gib(machine.disk_bytes)} GiB left and the run writes up to {gib(disk)} at a time, "
                "two checkpoints among them: name another disk by store="
            )
        cuda = cuda_of_the_wheels()
        if machine.driver and cuda and machine.driver < LEAST_DRIVER.get(cuda, 0):
            yield (
                f"the installed PyTorch is built for CUDA {cuda}, whose driver is {LEAST_DRIVER[cuda]} or newer, and "
                f"this machine has {machine.driver}: bring the driver up to date, or install a build for an older CUDA"
            )

    def changed(self, values: GroupValues) -> "Preflight":
        """The same with other keys."""
        config = self.config
        for group, keys in values.items():
            config = config.model_copy(update={group: getattr(config, group).model_copy(update=keys)})
        return Preflight(config, self.models, self.machine)

    def remedies(self) -> list[str]:
        """Keys that make a run fit, cheapest first: each by itself, or where none does, two or three together."""
        for number in range(1, AT_ONCE + 1):
            found = []
            for names in combinations(CHANGES, number):
                if mended := self.mended(names):
                    found.append(mended)
            if found:
                return found
        return []

    def mended(self, names: tuple[str, ...]) -> str | None:
        """The words of some changes, one after the other, where the run fits with them."""
        words, run = [], self
        for name in names:
            change = CHANGES[name](run)
            if change is None:
                return None
            word, values = change
            words.append(word)
            run = run.changed(values)
        return " ".join(words) if not any(run.shortages()) else None


Change = Callable[[Preflight], tuple[str, GroupValues] | None]  # its words; nothing where nothing would change


def checkpointing(run: Preflight) -> tuple[str, GroupValues] | None:
    """Activations of a layer are computed again."""
    values = {"train": {"gradient_checkpointing": True}}
    return None if run.config.train.gradient_checkpointing else ("train.gradient_checkpointing=true", values)


def offload(run: Preflight) -> tuple[str, GroupValues] | None:
    """Frozen models wait in main memory."""
    values = {"train": {"offload": "cpu"}}
    return None if run.config.train.offload == "cpu" or not run.machine.gpus else ("train.offload=cpu", values)


def smaller_microbatch(run: Preflight) -> tuple[str, GroupValues] | None:
    """Half the tokens at a time."""
    tokens = run.config.train.tokens_per_microbatch // 2
    return f"train.tokens_per_microbatch={tokens}", {"train": {"tokens_per_microbatch": tokens}}


def adapter(run: Preflight) -> tuple[str, GroupValues] | None:
    """A low-rank adapter learns in the place of the weights."""
    model = run.config.model
    if run.config.train.deepspeed or not isinstance(model, Pretrained) or model.adapter:
        return None
    return "'model.adapter={rank: 32, alpha: 64}'", {"model": {"adapter": Adapter(rank=32, alpha=64)}}


def fit_adapter(run: Preflight) -> tuple[str, GroupValues] | None:
    """The same in the fit of a reward model."""
    prm = run.config.prm
    if run.config.train.deepspeed or not isinstance(prm, FitPrm) or prm.adapter:
        return None
    return "'prm.adapter={rank: 32, alpha: 64}'", {"prm": {"adapter": Adapter(rank=32, alpha=64)}}


def shard_weights(run: Preflight) -> tuple[str, GroupValues] | None:
    """From ZeRO-2 to ZeRO-3."""
    zero = run.config.train.deepspeed
    if zero is None or zero.stage != 2:
        return None
    return "train=deepspeed_zero3", {"train": {"deepspeed": zero.model_copy(update={"stage": 3})}}


def offload_optimizer(run: Preflight) -> tuple[str, GroupValues] | None:
    """The optimizer's state in main memory."""
    zero = run.config.train.deepspeed
    if zero is None or zero.stage == 0 or zero.offload_optimizer or not run.machine.gpus:
        return None
    values = {"train": {"deepspeed": zero.model_copy(update={"offload_optimizer": True})}}
    return "train.deepspeed.offload_optimizer=true", values


def engine_share(run: Preflight) -> tuple[str, GroupValues] | None:
    """What the others leave to an engine of vLLM, if it starts with that; at least what it starts with."""
    rollout, size = run.config.rollout, run.machine.gpu_bytes
    if not isinstance(rollout, VllmRollout) or not run.machine.gpus:
        return None
    made = run.memory
    left = run.room - (made.phases["sample"] - made.engine_weights - made.engine_work - made.kv_cache)
    share = max(floor(100 * left / size) / 100, least_share(run.config, run.models.policy, size))
    share = min(share, floor(100 * run.machine.usable) / 100)
    if share == rollout.gpu_memory:
        return None
    return f"rollout.gpu_memory={share}", {"rollout": {"gpu_memory": share}}


def shorter_responses(run: Preflight) -> tuple[str, GroupValues] | None:
    """Half the response limit."""
    rollout = run.config.rollout
    length = rollout.max_new_tokens // 2
    return f"rollout.max_new_tokens={length}", {"rollout": {"max_new_tokens": length}}


def more_machines(run: Preflight) -> tuple[str, GroupValues] | None:
    """Twice as many."""
    launch = run.config.launch
    if not isinstance(launch, Torchrun):
        return None
    nodes = 2 * launch.nnodes
    return f"launch.nnodes={nodes} launch.rdzv_endpoint=host:port", {"launch": {"nnodes": nodes}}


CHANGES: dict[str, Change] = {
    change.__name__: change
    for change in (
        checkpointing,
        smaller_microbatch,
        offload,
        adapter,
        fit_adapter,
        shard_weights,
        offload_optimizer,
        engine_share,
        more_machines,
        shorter_responses,
    )
}


def refusal(run: Preflight) -> str | None:
    """One sentence that says what does not fit and which keys mend it; nothing where the run fits."""
    shortages = list(run.shortages())
    if not shortages:
        return next(run.obstacles(), None)
    keys = run.remedies()
    what = f"{' or '.join(keys)} would fit" if keys else "no three keys are enough: take a smaller model or more GPUs"
    here = "" if run.machine.gpus else " without a GPU (gpu=80 gpus=8 behind --preflight asks for a machine with some)"
    return f"it does not fit{here}: {', '.join(shortages)}; {what}"


def require_fit(run: Preflight | None) -> None:
    """Raises ``ConfigError`` where a run does not fit."""
    if run is not None and (reason := refusal(run)):
        raise ConfigError(reason)


def preflight_text(run: Preflight) -> str:
    """Machine, phases and components as text, and what is said of positions."""
    made, launch = run.memory, run.config.launch
    groups = f"{launch.ranks} rank{'s' * (launch.ranks > 1)}" + f" on {launch.ranks // run.local_ranks} machines" * (
        launch.ranks > run.local_ranks
    )
    disk, host = disk_of(run.config, run.models.policy), host_of(run.config, run.models, run.local_ranks)
    parts = [
        f"{name.replace('_', ' ')} {gib(size)}"
        for name, size in vars(made).items()
        if run.trains and not isinstance(size, bool) and name != "whole_copies" and size >= GIB / 20
    ]
    lines = [
        f"{groups}; {run.machine.words}, of which {gib(run.room)} GiB a rank are planned with",
        "  phases in GiB: " + ", ".join(f"{phase} {gib(size)}" for phase, size in run.phases.items()),
        *(["  of which " + ", ".join(parts)] if parts else []),
        f"  disk {gib(disk)} GiB (two checkpoints, and policies that are kept), main memory {gib(host)} GiB a machine",
    ]
    return "\n".join([*lines, *filter(None, [beyond_positions(run.config, run.models.policy)])])


def preflight(config: Config, machine: Machine) -> Preflight | None:
    """The preflight of a run; nothing for a model that is made here, which fits everywhere.

    Raises ``ConfigError`` where the sizes of a model cannot be known.
    """
    return Preflight(config, model_shapes(config), machine) if isinstance(config.model, Pretrained) else None


def main(words: list[str]) -> int:
    """Print the preflight of a command line: 0 where the run fits, 2 with one sentence where it does not."""
    asked = dict(word.split("=", 1) for word in words if word.startswith(("gpu=", "gpus=")))
    words = [word for word in words if not word.startswith(("gpu=", "gpus=")) and "=" in word]
    try:
        config = composed(words)
        wanted = {name: float(value) for name, value in asked.items()}
        gpus = int(wanted["gpus"]) if "gpus" in wanted else config.launch.ranks if "gpu" in wanted else None
        run = preflight(config, planned(this_machine(config.store), wanted.get("gpu"), gpus))
    except ValueError:
        print(f"pure-repro: gpu={asked.get('gpu')} gpus={asked.get('gpus')} must be numbers", file=sys.stderr)
        return 2
    except ConfigError as error:
        print(f"pure-repro: {error}", file=sys.stderr)
        return 2
    if run is None:
        print(f"model={config.model.name} is made here and fits wherever Python does")
        return 0
    print(preflight_text(run))
    if reason := refusal(run):
        print(f"pure-repro: {reason}", file=sys.stderr)
        return 2
    print("It fits.")
    return 0
