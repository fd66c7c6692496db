"""What a number came from: configuration, code, packages, seed, machine, time."""

import fcntl
import json
import os
import platform
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from uuid import uuid4

PACKAGES = ("torch", "transformers", "tokenizers", "hydra-core", "pydantic", "sympy", "mlflow", "numpy")


def write_json(path: Path, value: dict) -> None:
    """Write readable JSON, as ``write_whole`` does."""
    write_whole(path, json.dumps(value, indent=2) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Write a file, whole or not at all. The machines of a group may write it at once; one of their copies stays."""
    partial = path.with_name(f"{path.name}.{uuid4().hex}.partial")
    try:
        partial.write_text(text)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def locked(path: Path, waiting: str = "") -> Iterator[None]:
    """Hold a file lock, so that processes take turns; one that has to wait for its own prints ``waiting``."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting:
                print(waiting, flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def environment() -> dict:
    """Code, package and machine versions."""
    return {
        "code": code_version(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "machine": {"system": platform.platform(), "processor": processor(), "cores": os.cpu_count()},
    }


def code_version() -> str:
    """The commit of the working tree, marked when files differ from it; "unknown" outside a checkout."""
    here = Path(__file__).parent
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12"], cwd=here, capture_output=True, text=True
    )
    return described.stdout.strip() or "unknown"


def processor() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.processor())
