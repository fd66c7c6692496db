"""The entry points in processes that have the libraries imported already.

``python -m pure_repro`` takes ten seconds of a processor until torch and transformers are there, and the suite runs it
some hundred times. A server imports them once and forks; what a child then runs is the module as ``__main__``, with its
words, folder and environment, as in a process of its own. Tests of what is imported, of groups of ranks and of
installation start real ones.
"""

import atexit
import multiprocessing
import os
import runpy
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from project import ROOT

LIMIT = 1800  # seconds after which a child hangs
PRELOADED = [
    "mlflow",
    "deepspeed",  # transformers imports it when a model is saved
    "hydra.main",
    "pure_repro.launch.compose",
    "pure_repro.launch.run",
    "pure_repro.launch.stages",
    "pure_repro.multirun",
    "pure_repro.train.loop",
    "transformers.models.qwen2.modeling_qwen2",
]

server = multiprocessing.get_context("forkserver")
server.set_forkserver_preload(PRELOADED)


class Forked:
    """A process that runs ``python -m module words``; of ``subprocess.Popen`` what tests need."""

    def __init__(
        self, module: str, words: tuple[str, ...], cwd: Path, root: Path = ROOT, more: Mapping[str, str] | None = None
    ) -> None:
        folder = Path(tempfile.mkdtemp())
        self.args = [module, *words]
        self.stdout, self.stderr = ((folder / name).open("w+") for name in ("out", "err"))
        environment = os.environ | {"PYTHONPATH": str(root)} | dict(more or {})
        self.process = server.Process(target=as_main, args=(self.args, cwd, environment, folder, root))
        self.process.start()
        atexit.register(self.process.kill)  # where a test has failed before its end

    @property
    def pid(self) -> int:
        assert self.process.pid
        return self.process.pid

    @property
    def returncode(self) -> int | None:
        return self.process.exitcode

    poll = returncode.fget

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self.process.kill()

    def wait(self, timeout: float = LIMIT) -> int:
        self.process.join(timeout)
        if self.returncode is None:
            self.kill()
            raise subprocess.TimeoutExpired(self.args, timeout, self.stdout.read(), self.stderr.read())
        return self.returncode

    def communicate(self, timeout: float = LIMIT) -> tuple[str, str]:
        self.wait(timeout)
        return self.stdout.read(), self.stderr.read()


def as_main(words: list[str], cwd: Path, environment: dict[str, str], folder: Path, root: Path) -> None:
    """What ``python -m words`` does, in this process; the package is that of ``root``."""
    if root != ROOT:
        for name in [name for name in sys.modules if name.split(".")[0] == "pure_repro"]:
            del sys.modules[name]
    for name, descriptor in (("out", 1), ("err", 2)):
        os.dup2(os.open(folder / name, os.O_WRONLY), descriptor)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = words
    sys.path.insert(0, str(root))
    try:
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
    finally:
        threading._shutdown()  # as Python ends a process; a child of multiprocessing leaves without either
        atexit._run_exitfuncs()


def run_forked(module: str, words: tuple[str, ...], cwd: Path, root: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    process = Forked(module, words, cwd, root)
    out, err = process.communicate()
    return subprocess.CompletedProcess(process.args, process.wait(), out, err)


def start_group(module: str, words: tuple[str, ...], cwd: Path, ranks: int) -> list[Forked]:
    """The ranks of a group, told what ``torch.distributed.run`` tells the processes that it starts."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    group = {"WORLD_SIZE": str(ranks), "LOCAL_WORLD_SIZE": str(ranks), "MASTER_ADDR": "127.0.0.1"}
    group |= {"MASTER_PORT": str(port), "PYTHONWARNINGS": "ignore"}
    return [
        Forked(module, words, cwd, more=group | {"RANK": str(rank), "LOCAL_RANK": str(rank)}) for rank in range(ranks)
    ]


def wait_for_group(ranks: list[Forked]) -> str:
    """What the first rank said, once all have ended well."""
    said = [rank.communicate() for rank in ranks]
    assert [rank.wait() for rank in ranks] == [0] * len(ranks), "\n".join(f"{out}{err}" for out, err in said)
    return said[0][0]
