"""What a number came from: configuration, code, packages, seed, machine, time."""

import json
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("torch", "transformers", "tokenizers", "hydra-core", "pydantic", "sympy", "mlflow", "numpy")


def write_json(path: Path, value: dict) -> None:
    """Write readable JSON, whole or not at all."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(value, indent=2) + "\n")
    os.replace(partial, path)


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
