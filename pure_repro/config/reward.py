"""What is rewarded, by whom and by how much (``conf/reward/``)."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from pure_repro.config.base import Content, Count, Fit, Means, NonNegative, Positive, Rate, Strict, Url, require_served


class Overlong(Strict):
    """What a long response loses of its verifiable reward: from 0 to ``factor`` over the last ``window`` tokens."""

    window: Count
    factor: Positive


class Source(Strict):
    """A reward source with keys of its own; the field of ``Reward`` that holds it names its file in ``reward/``.

    ``pays_process``: it takes the place of the reward model of ``prm``.
    """

    pays_process: ClassVar[bool] = False


class Implicit(Source):
    """A reward for every token, by a language model that learns which responses are right: ``β·log(π_φ/π_ref)``."""

    pays_process: ClassVar[bool] = True
    beta: Positive
    start: Literal["base", "prm"]  # what it is before the first step: the base itself, or what prm=implicit has fitted
    scale: Literal["none", "largest_return"]  # by the largest return of the batch, as the releases do
    update: Literal["before", "after", "never"]  # whether it learns from a step's outcomes, before or after it scores
    learning_rate: Positive
    max_grad_norm: Positive


class Judge(Source):
    """A language model that says which subgoals a response achieves at which step; all of them together pay ``beta``.

    Subgoals and labelled steps are files of JSON lines; of the embedded world they are made here.
    """

    pays_process: ClassVar[bool] = True
    who: Literal["fitted", "local", "endpoint"]
    url: Url | None
    model: Annotated[str | None, Means.WEIGHTS]  # a folder, or the name of the endpoint's
    beta: Annotated[float, Field(ge=0, lt=1)]
    subgoals: Content | None
    labelled: Content | None
    prompt: str
    subgoal: str
    step: str
    max_steps: Count
    max_new_tokens: Count
    timeout: Positive
    at_once: Count
    max_unanswered: Rate  # share of a batch's prompts that may stay without a reply
    examined: Count
    repeated: Rate
    context: Count
    demonstrations: Count
    fit: Fit | None

    @model_validator(mode="after")
    def judge_is_named(self) -> "Judge":
        """An endpoint has an address, a model a name, and a prompt holds all that is judged."""
        if self.who == "endpoint" and self.url is None:
            raise ValueError("url=null names no endpoint: take one as http://127.0.0.1:8000/v1")
        if self.url is not None:
            require_served(self.url)
        if self.who != "fitted" and self.model is None:
            raise ValueError(f"model=null names no judge for who={self.who}: name a folder, or a model of the endpoint")
        if self.who == "fitted" and self.fit is None:
            raise ValueError("fit=null says nothing about how who=fitted is fitted")
        for place in ("{question}", "{subgoals}", "{steps}"):
            if place not in self.prompt:
                raise ValueError(f"prompt={self.prompt!r} lacks a place, {place}")
        return self


class Reward(Strict):
    """Reward streams and their weights; ``answered_share`` of the training problems have a known answer.

    ``keep_groups`` leaves prompts out of the update by the mean outcome of their responses.
    """

    name: Literal["verifiable", "prm", "mixed", "mixed_10", "orm", "implicit", "judge"]
    judges: Literal["steps", "response"]  # what the reward model scores: every step, or the response at its end
    process_weight: NonNegative
    verifiable_weight: NonNegative
    answered_share: Rate
    overlong: Overlong | None
    right: float  # what a right answer earns, and a wrong one
    wrong: float
    on_timeout: Literal["wrong", "unknown"]  # an answer that cannot be decided in time earns that, or nothing is known
    keep_groups: Literal["all", "remove_extreme", "interquartile"]
    implicit: Implicit | None  # who pays the process reward: null: prm, a score a step
    judge: Judge | None

    @property
    def sources(self) -> list[str]:
        """Who pays, by the names of their files in ``pure_repro/reward/``, in the order in which they are asked."""
        own = {name: value for name, value in self if isinstance(value, Source)}
        scores = self.process_weight > 0 and not any(source.pays_process for source in own.values())
        return [
            *(["process_scores" if self.judges == "steps" else "outcome_scores"] if scores else []),
            *(["verifiable"] if self.verifiable_weight > 0 else []),
            *own,
        ]

    @property
    def outcomes(self) -> bool:
        """Whether a right answer is rewarded, for some problems at least."""
        return self.verifiable_weight * self.answered_share > 0

    @model_validator(mode="after")
    def something_is_rewarded(self) -> "Reward":
        """A run without any reward learns nothing."""
        if self.process_weight == 0 and not self.outcomes:
            raise ValueError(
                f"process_weight={self.process_weight:g} and verifiable_weight × answered_share = "
                f"{self.verifiable_weight:g} × {self.answered_share:g} reward nothing: raise one of them above 0"
            )
        return self
