"""What a reward model is examined on, and how it chooses (``conf/examine.yaml``, ``choose.yaml``, ``conf/on/``)."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pure_repro.config.base import Content, Count, Place, Strict
from pure_repro.config.credit import Min
from pure_repro.config.prm import Reading

# The score of a response by those of its steps: what a credit form makes of it, or one of two more.
Aggregate = Literal["min", "min_strict", "mean", "last", "product", "sum"]


class Split(Strict):
    """What proves that a split is the one meant: how many rows, and the digest of its verdicts (null: not known)."""

    rows: Count | None
    digest: str | None


class StepSet(Strict):
    """Solutions whose steps somebody has judged: rows of a published set, or of a file of one's own.

    ``layout`` says what the column ``verdicts`` holds: the number of the first wrong step from 0, or -1 (first_wrong);
    a verdict for every step up to where the judging ended (labels); the numbers of wrong steps from 1, in a solution
    that was made of a right one (prmbench).
    """

    name: Literal["processbench", "prmbench", "prm800k", "file"]
    hub: str | None
    revision: str | None  # a commit
    splits: dict[str, Split]
    path: Content | None  # JSON lines that are read instead; nothing is asked of their number
    layout: Literal["first_wrong", "labels", "prmbench"]
    question: str  # columns
    steps: str
    verdicts: str
    group: str | None  # the column of the kind of a row; null: there is none
    measure: Literal["first_error", "prm_score", "steps"]

    @model_validator(mode="after")
    def rows_are_somewhere(self) -> "StepSet":
        """A set lies on the hub or in a file; figures by kind need the kind."""
        if self.path is None and self.hub is None:
            raise ValueError(f"path=null names no file, and on={self.name} lies nowhere else: name one of JSON lines")
        if self.measure == "prm_score" and self.group is None:
            raise ValueError("group=null names no column of kinds, which measure=prm_score has figures of")
        return self


class Examined(Strict):
    """One reward model on one set."""

    on: StepSet
    prm: Reading
    threshold: float | str  # a step is wrong at or below it; a split's name, or half: chosen there
    data_dir: Place | None  # a folder with <split>.jsonl or <split>.json; null: the hub
    problems: Count | None  # the first so many of every split; null: all
    probes: Annotated[int, Field(ge=0)]  # right solutions that are spoilt and restyled
    packed_tokens: Count
    store: Place


class Chosen(Strict):
    """A reward model that chooses among kept responses."""

    prm: Reading
    aggregates: Annotated[tuple[Aggregate, ...], Field(min_length=1)]
    softmin: Min  # of the aggregate min
    same: Literal["checker", "string"]  # when two answers are one: by the rules of the score, or letter by letter
    orders: Count  # in which responses are drawn, for votes among some of them
    packed_tokens: Count
