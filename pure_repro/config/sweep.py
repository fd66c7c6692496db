"""What ``-m`` does with the runs of a sweep (key ``sweep`` of ``conf/config.yaml``)."""

from typing import Annotated, Literal

from pydantic import Field

from pure_repro.config.base import Strict


class Sweep(Strict):
    """What ``-m`` does with its runs; no key of it moves a result."""

    name: Annotated[str, Field(pattern=r"^[\w.=+-]+$")] | None
    refused: Literal["stop", "skip"]
    optimise: Annotated[str, Field(pattern=r"^(validation/[^/]+|score/[^/]+/(greedy|sampled)/[^/]+)$")]
