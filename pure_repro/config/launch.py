"""Which processes run the stages (``conf/launch/``)."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pure_repro.config.base import Count, Strict, Url


class Inline(Strict):
    """Stages run in this process."""

    name: Literal["inline"]
    threads: Count

    @property
    def ranks(self) -> int:
        """Processes that train together."""
        return 1


class Torchrun(Strict):
    """One group of processes: ``nproc_per_node`` on each of ``nnodes`` machines.

    They meet at ``rdzv_endpoint`` (host:port). ``null`` is a free port of this machine; under Slurm it is the machine
    that the job was started from.
    """

    name: Literal["torchrun", "slurm"]
    threads: Count
    nproc_per_node: Count
    nnodes: Count
    rdzv_endpoint: Url | None

    @property
    def ranks(self) -> int:
        """Processes that train together."""
        return self.nnodes * self.nproc_per_node

    @model_validator(mode="after")
    def machines_know_where_to_meet(self) -> "Torchrun":
        """One machine may take any port of its own; several need a place that all of them know."""
        if self.name == "torchrun" and self.nnodes > 1 and self.rdzv_endpoint is None:
            raise ValueError(f"rdzv_endpoint=null is for one machine: with nnodes={self.nnodes} name one as host:port")
        return self


Launch = Annotated[Inline | Torchrun, Field(discriminator="name")]
