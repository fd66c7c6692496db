"""What a run has to do with: GPUs, main memory, disk, driver. Asked of the system; imports no torch."""

import os
import shutil
import subprocess
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

GIB = 2**30
USABLE = 0.92  # of a GPU: the rest is left to the CUDA context, NCCL and what allocators cannot use
LEAST_DRIVER = {12: 525, 13: 580}  # by the CUDA of the wheels: NVIDIA's table of minor-version compatibility


@dataclass(frozen=True)
class Machine:
    """One machine of a run, or one that somebody plans with. Without a GPU ranks compute in main memory."""

    gpus: int
    gpu_bytes: int | float  # of one GPU
    gpu_name: str
    driver: int | None  # major version; null: nobody has asked
    host_bytes: int | float
    disk_bytes: int | float  # free, where the store lies
    usable: int | float = USABLE

    def room(self, ranks: int) -> float:
        """Bytes that a rank may take where it computes; without a GPU the ranks share the main memory."""
        return self.usable * (self.gpu_bytes if self.gpus else self.host_bytes / ranks)

    @property
    def words(self) -> str:
        """The machine in words.

        >>> Machine(8, 80 * GIB, "A100", None, 0, 0).words
        '8 × A100 with 80.0 GiB each'
        """
        if not self.gpus:
            return f"no GPU, {self.host_bytes / GIB:.1f} GiB of main memory"
        return f"{self.gpus} × {self.gpu_name} with {self.gpu_bytes / GIB:.1f} GiB each"


def this_machine(store: Path) -> Machine:
    """The machine that this process is on, by ``nvidia-smi`` and the operating system."""
    names, sizes, drivers = zip(*cards(), strict=True) if cards() else ((), (), ())
    return Machine(
        gpus=len(sizes),
        gpu_bytes=min(sizes, default=0),
        gpu_name=names[0] if names else "",
        driver=min(drivers, default=None),
        host_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        disk_bytes=shutil.disk_usage(next(p for p in (store, *store.absolute().parents) if p.exists())).free,
    )


def planned(machine: Machine, gpu: int | float | None, gpus: int | None) -> Machine:
    """The machine with other GPUs, of so many GiB each: of its memory and disk nothing is known, and all is allowed.

    >>> planned(Machine(0, 0, "", None, 64 * GIB, 10 * GIB), gpu=24, gpus=None).words
    '1 × GPU with 24.0 GiB each'
    """
    if gpu is None:
        return machine if gpus is None else replace(machine, gpus=gpus)
    count = gpus or max(machine.gpus, 1)
    unknown = float("inf")
    return Machine(count, gpu * GIB, "GPU", driver=None, host_bytes=unknown, disk_bytes=unknown)


def cards() -> list[tuple[str, int, int]]:
    """Name, bytes and major driver version of every GPU; none where there is no driver."""
    try:
        said = subprocess.run(
            ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return []
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    lines = said.splitlines()[: len(visible.split(",")) if visible else None]
    return [read_card(line) for line in lines]


def read_card(line: str) -> tuple[str, int, int]:
    """One line of ``nvidia-smi``.

    >>> read_card("NVIDIA L4, 23034, 570.133.20")
    ('NVIDIA L4', 24152899584, 570)
    """
    name, mebibytes, driver = (word.strip() for word in line.split(","))
    return name, int(mebibytes) * 2**20, int(driver.split(".")[0])


def cuda_of_the_wheels() -> int | None:
    """The major CUDA version that the installed PyTorch brings; ``None`` for a build without CUDA."""
    try:
        return int(version("nvidia-cuda-runtime").split(".")[0])
    except PackageNotFoundError:
        return None
