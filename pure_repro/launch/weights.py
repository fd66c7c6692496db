"""Models that were not made here: what identifies their weights, and the folder these lie in. Imports no torch."""

import hashlib
import json
import re
from math import prod
from pathlib import Path
from typing import Any

from pure_repro.config import ConfigError, EndpointPrm, Model, Reading, Tiny, Weights
from pure_repro.launch.failure import first_line
from pure_repro.track.redact import redacted_address

REACHED = {"url", "path", "revision", "timeout", "batch", "at_once", "cache"}  # where and how a reward model is
SAFE, WORDS = ("*.safetensors",), ("*.json", "merges.txt", "vocab.txt", "tokenizer.model")


def identity(model: Weights, group: str) -> str:
    """What the weights are, wherever they lie: ``id@revision`` of a hub model, the digest of a folder's files.

    Raises ``ConfigError`` where there is neither a folder nor a pinned hub id.
    """
    folder = Path(model.path)
    if not folder.is_dir():
        if model.revision is None:
            raise ConfigError(
                f"{group}.path={model.path} is no folder; a hub model needs its commit, {group}.revision=…"
            )
        return f"{model.path}@{model.revision}"
    return folder_identity(model.path, f"{group}.path")


def folder_identity(path: str, key: str) -> str:
    """What a folder of weights holds: the digest of its files.

    Raises ``ConfigError`` for a folder that is not there or holds no weights; ``key`` is what named it.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise ConfigError(f"{key}={path} is no folder")
    if not list(folder.glob(SAFE[0])):
        raise ConfigError(f"{key}={path} holds no *.safetensors: save the model with save_pretrained")
    files = sorted(file for pattern in (*SAFE, *WORDS) for file in folder.glob(pattern))
    return hashlib.sha256("".join(f"{file.name} {file_digest(file)}\n" for file in files).encode()).hexdigest()[:16]


def weights_name(model: Weights) -> str:
    """What a table calls the weights: the last part of hub id or folder, in letters that every tracker takes.

    >>> from pure_repro.config import Pretrained
    >>> weights_name(Pretrained(name="hub", kind="pretrained", path="Qwen/Qwen2.5-Math-1.5B", revision="a",
    ...                         context=4096, dtype="bfloat16", stop=None, adapter=None))
    'Qwen2.5-Math-1.5B'
    """
    return re.sub(r"[^\w.-]", "_", Path(model.path).resolve().name)


def weights_in_words(model: Weights) -> str:
    """The weights for a reader who wants to find them: hub id and revision, or folder and digest."""
    found = identity(model, "model")
    return f"{model.path}, {found}" if Path(model.path).is_dir() else found


def parameters(model: Model) -> float:
    """How many weights a model has: about a million if made here, counted in a folder, else by the name of a hub id.

    >>> from pure_repro.config import Pretrained
    >>> parameters(Pretrained(name="hub", kind="pretrained", path="Qwen/Qwen2.5-Math-1.5B", revision="a", context=4096,
    ...                       dtype="bfloat16", stop=None, adapter=None)) / 1e9
    1.5
    """
    if isinstance(model, Tiny):
        return 0.86e6
    if Path(model.path).is_dir():
        return sum(map(weights_in, Path(model.path).glob(SAFE[0])))
    size = re.search(r"(\d+(?:\.\d+)?)[Bb]\b", model.path)
    return 1e9 * (float(size[1]) if size else 7)


def weights_in(file: Path) -> int:
    """The number of weights in a safetensors file, from its header: a length in 8 bytes, then that much JSON."""
    with file.open("rb") as content:
        header = json.loads(content.read(int.from_bytes(content.read(8), "little")))
    return sum(prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")


def file_digest(path: Path) -> str:
    """A hash of a file's bytes.

    Raises ``ConfigError`` where it cannot be read.
    """
    try:
        with path.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error


def folder_of(model: Weights) -> Path:
    """The folder of a model; a hub model is downloaded at its revision, weights as safetensors only.

    Raises ``ConfigError`` where the hub does not give it.
    """
    if Path(model.path).is_dir():
        return Path(model.path)
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(model.path, revision=model.revision, allow_patterns=[*SAFE, *WORDS]))
    except Exception as error:  # the hub and the network fail in many ways
        reason = first_line(error)
        raise ConfigError(f"{model.path} cannot be fetched ({type(error).__name__}: {reason})") from error


def identity_of_reader(prm: Reading) -> dict[str, Any]:
    """What a reward model is and how it is read; of one that is served, what the server calls it, and where."""
    weights = f"{prm.model} at {redacted_address(prm.url)}" if isinstance(prm, EndpointPrm) else identity(prm, "prm")
    return {"weights": weights, "read": prm.model_dump(mode="json", exclude=REACHED)}


def folder_of_reader(prm: Reading) -> Path:
    """The folder of one that is loaded here."""
    assert not isinstance(prm, EndpointPrm)
    return folder_of(prm)
