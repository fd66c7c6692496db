"""The processes of one training group: who this one is, and what they tell each other.

A batch of responses is small beside the weights, so every rank comes to hold the whole of it: ranks share the work of
sampling, scoring and gradients, and whatever is a statistic of the batch is computed from the batch, on each of them.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NoReturn, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")
Module = TypeVar("Module", bound=torch.nn.Module)

PATIENCE = timedelta(minutes=30)  # of a collective: nothing that one rank does alone while others wait takes longer


@dataclass(frozen=True)
class Ranks:
    """This process is ``number`` (from 0) of ``size``. One process alone has nobody to talk to, and no group."""

    number: int
    size: int

    @property
    def first(self) -> bool:
        """Whether this is the process that writes, prints and decides."""
        return self.number == 0

    def own(self, count: int) -> slice:
        """This rank's run of ``count`` things; the runs of all ranks are as long as each other, give or take one.

        >>> [range(5)[Ranks(number, 2).own(5)] for number in (0, 1)]
        [range(0, 2), range(2, 5)]
        """
        return slice(self.number * count // self.size, (self.number + 1) * count // self.size)

    def gather(self, value: T) -> list[T]:
        """What each rank gave, in rank order, on every rank."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value)
        return values

    def agree(self, value: T) -> T:
        """The first rank's value, on every rank."""
        return self.gather(value)[0]

    def parts(self, compute: Callable[[slice], T], count: int) -> list[T]:
        """``compute`` of all ``count`` things, each rank doing its own, in order; a rank without any does nothing.

        >>> Ranks(number=0, size=1).parts(lambda own: [*range(10)[own]], 3)
        [[0, 1, 2]]
        """
        own = self.own(count)
        gathered = self.gather([compute(own)] if own.start < own.stop else [])
        return [part for parts in gathered for part in parts]

    def shared(self, compute: Callable[[slice], Tensor], count: int) -> Tensor:
        """``parts`` as one tensor; rows must come out equally wide."""
        return torch.cat(self.parts(compute, count))

    def wait(self) -> None:
        """Until every rank is here."""
        if self.size > 1:
            dist.barrier()


ALONE = Ranks(number=0, size=1)


def name_accelerator() -> None:
    """Tell DeepSpeed, which transformers imports to save a model, that there is no GPU: else it warns of it."""
    if not torch.cuda.is_available():
        os.environ.setdefault("DS_ACCELERATOR", "cpu")


def join() -> Ranks:
    """Meet the other processes that the launcher has started (it tells of them in the environment)."""
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group(timeout=PATIENCE)
    return Ranks(dist.get_rank(), dist.get_world_size())


def leave() -> NoReturn:
    """Wait for every rank, then end this process at once, with status 0.

    No rank goes before all are done: those left would take its closed connections for a lost rank. Nor does the
    interpreter shut down: threads that gloo, NCCL or DeepSpeed still run may crash it while it unloads their libraries,
    and a run whose work is saved would count as broken.
    """
    dist.barrier()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


@contextmanager
def own_cores() -> Iterator[None]:
    """Inside, this process computes on its share of the machine's cores, however few threads it was started with.

    An optimizer in main memory moves its share of the weights on them: a billion elements on one core take ten seconds.
    """
    threads = torch.get_num_threads()
    share = len(os.sched_getaffinity(0)) // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    torch.set_num_threads(max(share, threads))
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def device() -> torch.device:
    """Where this process computes: on its own GPU, or on the processor."""
    gpu = torch.cuda.is_available()
    return torch.device("cuda", torch.cuda.current_device()) if gpu else torch.device("cpu")


def device_name() -> str:
    """The GPU's name, or that there is none."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"


def placed(model: Module) -> Module:
    """The model, where this process computes."""
    return torch.nn.Module.to(model, device())
