"""The entry points in processes that have the libraries imported already.

``python -m pure_repro`` takes ten seconds of a processor until torch and transformers are there, and the suite runs it
some hundred times. A server imports them once and forks; what a child then runs is the module as ``__main__``, with its
words, folder and environment, as in a process of its own. Tests of what is imported, of signals and of installation
start real processes.
"""

import atexit
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

from project import ROOT

LIMIT = 1800  # seconds after which a child hangs
PRELOADED = [
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


def as_main(module: str, words: tuple[str, ...], cwd: Path, environment: dict[str, str], out: str, err: str) -> None:
    """What ``python -m module words`` does, in this process."""
    for path, descriptor in ((out, 1), (err, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), descriptor)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [module, *words]
    sys.path.insert(0, str(ROOT))
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        atexit._run_exitfuncs()  # a child of multiprocessing leaves without them


def run_forked(module: str, words: tuple[str, ...], cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        child = server.Process(target=as_main, args=(module, words, cwd, environment, str(out), str(err)))
        child.start()
        child.join(LIMIT)
        if child.exitcode is None:
            child.kill()
            raise subprocess.TimeoutExpired([module, *words], LIMIT, out.read_text(), err.read_text())
        return subprocess.CompletedProcess([module, *words], child.exitcode, out.read_text(), err.read_text())
