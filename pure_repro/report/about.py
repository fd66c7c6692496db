"""What an experiment is about, as its ``claims.yaml`` says it: the mark, the figures that matter, the claims.

- ``reference``: the row whose final validated accuracy is the mark for the others' steps; ``level`` is a fixed one in
  its place, and ``mark`` what a column calls it;
- ``figures``: what is logged besides accuracy and matters here, with the title of its column and panel;
- ``columns``, ``views``, ``sections``: what the table shows beside each arm, which accuracies it shows by set, and
  which parts follow; ``grid``: two keys of the rows that a figure crosses;
- ``claims``: statements, each decided by a rule of :mod:`pure_repro.report.claims`.

Columns and claims speak of measures: ``sampled_last``, ``sampled_chosen``, ``greedy_last``, ``greedy_chosen`` (accuracy
over the held-out sets; ``sampled_last/<set>`` on one), ``steps_to_level`` (of the mark), ``draws_to_level`` (batches of
prompts sampled until then), ``seconds_per_step`` (the median step's), ``collapsed_at``, ``chosen_step``, ``last_step``,
and every logged figure at the end of training (``steps``, ``reward/process``, …).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from pure_repro.config.base import Rate, Strict
from pure_repro.config.cells import CellRows

View = Literal["sampled_chosen", "greedy_chosen", "sampled_last", "greedy_last"]
Section = Literal["sets", "training", "answers", "fitted", "published"]


FIGURES = {"tokens": "tokens per response", "steps": "steps per response"}  # every training logs these


class Statement(Strict):
    """A claim before it is decided: what is said, where, and its rule, whose keys are the other ones."""

    model_config = ConfigDict(extra="allow")

    statement: str
    paper: str = "nothing: the statement is this experiment's own."
    rule: Literal["compare", "collapses_early", "outlives", "fewer_steps", "leads", "saves"] = "compare"

    @property
    def keywords(self) -> dict[str, Any]:
        """What the rule is called with."""
        return dict(self.model_extra or {})


class Grid(Strict):
    """A figure of the rows by two of their keys in ``cells.yaml``; ``names`` are what a reader calls their values."""

    down: str
    across: str
    title: str
    names: dict[str, str] = Field(default_factory=dict)


class About(Strict):
    """A ``claims.yaml``. Everything has a default that suits a table of any runs."""

    title: str = "Runs"
    reference: str | None = None
    level: Annotated[Rate | None, Field(description="of sampled accuracy on the validation problems")] = None
    mark: str = "the mark"
    figures: dict[str, str] = Field(default_factory=lambda: dict(FIGURES), min_length=1)
    columns: tuple[str, ...] = (
        *("sampled_chosen", "sampled_last", "greedy_chosen", "greedy_last"),
        *("figures", "collapsed_at", "steps_to_level", "seconds_per_step"),
    )
    views: tuple[View, ...] = ("sampled_last",)
    sections: tuple[Section, ...] = ("sets", "training", "fitted", "published")
    grid: Grid | None = None
    claims: tuple[Statement, ...] = ()


@dataclass(frozen=True)
class Experiment:
    """The files of ``experiments/<name>/``, or of a user's own folder."""

    name: str
    rows: CellRows  # cells.yaml
    about: About = field(default_factory=About)  # claims.yaml
    expected: Mapping[str, Any] = field(default_factory=dict)  # expected.json: published numbers, where there are any
