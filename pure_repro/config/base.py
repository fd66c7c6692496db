"""What every group of the schema is built from: numbers with a range, the strict group, a supervised fit."""

from enum import Enum
from pathlib import Path
from typing import Annotated, Any, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

Rate = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(gt=0)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]


class Means(Enum):
    """What the words of a path change. Every field that names a file, a folder or a place of the network has one."""

    CONTENT = "what the file holds is part of an address, and where it lies is not"
    WEIGHTS = "what the folder holds is, or a hub id and its commit"
    ADDRESS = "the words themselves are, as they name what stays the same"
    NOTHING = "no output changes by it"


Content = Annotated[Path, Means.CONTENT]
FileOrHub = Annotated[str, Means.CONTENT]  # a file here, or the hub id of a data set
FolderOrHub = Annotated[str, Means.WEIGHTS]
Place = Annotated[Path, Means.NOTHING]
Url = Annotated[str, Means.NOTHING]


def require_served(url: str) -> None:
    """An address of a server, with a host and a port that can be. It may hold a password, and is not shown.

    >>> require_served("127.0.0.1:8000/pooling")
    Traceback (most recent call last):
    ValueError: url is no address of a server: take one as http://127.0.0.1:8000/v1
    """
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:  # of a port
        known = False
    if not known:
        raise ValueError("url is no address of a server: take one as http://127.0.0.1:8000/v1")


def meaning(field: FieldInfo) -> Means | None:
    """What a field's path means; ``None`` for a field that is none.

    >>> class Example(BaseModel):
    ...     rows: Content | None
    ...     count: int
    >>> meaning(Example.model_fields["rows"]), meaning(Example.model_fields["count"])
    (<Means.CONTENT: 'what the file holds is part of an address, and where it lies is not'>, None)
    """
    inner: list[Any] = [mark for form in get_args(field.annotation) for mark in getattr(form, "__metadata__", ())]
    return next((mark for mark in (*field.metadata, *inner) if isinstance(mark, Means)), None)


class ConfigError(Exception):
    """A request that cannot be met, in one sentence that names the key or file and what is allowed."""


class Strict(BaseModel):
    """A group: unknown keys are errors, numbers are finite, values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), allow_inf_nan=False)


class Fit(Strict):
    """One supervised fit: AdamW, cosine schedule, gradient clipping."""

    learning_rate: Positive
    batch_size: Count
    epochs: Annotated[int, Field(ge=0)]
    warmup_steps: Annotated[int, Field(ge=0)]
    weight_decay: NonNegative
    beta2: Rate
    max_grad_norm: Positive
