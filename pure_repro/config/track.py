"""Where runs are logged (``conf/track/``)."""

from typing import Literal

from pure_repro.config.base import Strict, Url


class Track(Strict):
    """Where runs are logged. ``uri: null`` is the SQLite store in the project folder."""

    name: Literal["mlflow", "none"]
    uri: Url | None
    experiment: str
    parent: str | None
