"""The reward model: how it is fitted here, or how somebody else's is read (``conf/prm/``)."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pure_repro.config.base import (
    Count,
    FileOrHub,
    Fit,
    NonNegative,
    Place,
    Positive,
    Rate,
    Strict,
    Url,
    require_served,
)
from pure_repro.config.data import ErrorRates
from pure_repro.config.model import Adapter, Weights


class Gate(Strict):
    """What a reward model must reach on fresh samples of the base before any reinforcement."""

    problems: Count
    min_bad_found: Rate
    max_false_alarms: Rate
    on_fail: Literal["stop", "warn"]


class Online(Strict):
    """A reward model that goes on learning beside the policy, from the run's own responses to answered problems.

    The last step of a wrong one is bad and that of a right one good; as many rows of its own fit are learned again, so
    that it does not forget them. ``share`` is the part of the run's own responses in its loss.
    """

    learning_rate: Positive
    max_grad_norm: Positive
    share: Rate


class EmbeddedPrm(Strict):
    """A process reward model fitted here to the embedded world: data, architecture, two-stage fit, gate."""

    name: Literal["embedded"]
    negatives: Literal["none", "zero_step", "all"]
    extra_layers: Annotated[int, Field(ge=0)]
    demonstrations: Count
    base_samples: Count
    broken_examples: Count
    zero_step_examples: Count
    filler_examples: Count
    errors: ErrorRates
    token_weight: NonNegative
    language_weight: NonNegative
    head_examples: Count
    head_fit: Fit
    full_fit: Fit
    refits: Annotated[int, Field(ge=0)]  # how often the full fit goes on where the gate has failed
    gate: Gate
    online: Online | None  # null: it stays as it was fitted

    @model_validator(mode="after")
    def samples_of_the_demonstrations_fit(self) -> "EmbeddedPrm":
        """The head is fitted to a part of the demonstrations; stalled and broken-off answers are made of a part too."""
        for name in ["head_examples"] + ["filler_examples"] * (self.negatives == "all") + ["broken_examples"]:
            if getattr(self, name) > self.demonstrations:
                raise ValueError(f"{name}={getattr(self, name)} exceeds demonstrations={self.demonstrations}")
        return self


class PretrainedPrm(Weights):
    """A process reward model of somebody else, or one fitted here: ``r = P(right) − P(wrong)`` at a marker."""

    name: Literal["local", "pure_prm_7b", "qwen2_5_math_prm_7b", "math_shepherd_7b"]
    head: Literal["linear", "mlp", "words"]  # two classes by one layer, by two, or two words of a language model
    words: tuple[str, str] | None  # of wrong and right
    reads: Literal["tokens", "text"]  # the policy's own tokens, or text that its own tokenizer cuts up
    marker: str  # the token that it is read at
    join: Literal["token", "text"]  # markers stand between steps as tokens, or as text that is cut up with them
    prompt: str  # how text is written: the problem, then every step
    step: str | None  # null: the step and the marker

    @property
    def of_step(self) -> str:
        """How a step is written."""
        return "{step}" + self.marker if self.step is None else self.step

    @model_validator(mode="after")
    def reading_is_whole(self) -> "PretrainedPrm":
        """A head of words names them, and there is a place for the problem, for every step and for its marker."""
        if self.path == "???":
            raise ValueError("path is missing: name a folder, or a hub id and its revision")
        if (self.head == "words") != (self.words is not None):
            raise ValueError("words is needed by head=words and by no other: name the words for wrong and right")
        if self.reads == "tokens" and self.head == "words":
            raise ValueError("reads=tokens has two classes and head=words a whole vocabulary: take reads=text")
        places(self.prompt, self.of_step)
        if self.of_step.count(self.marker) != 1:
            raise ValueError(f"step={self.step!r} needs the marker {self.marker!r} once, where the model is read")
        return self


class EndpointPrm(Strict):
    """A reward model behind an address: texts in, the scores of their steps out (``pure_repro/prm/endpoint.py``)."""

    name: Literal["endpoint"]
    url: Url
    model: str
    marker: str  # taken out of what is judged
    prompt: str
    step: str
    batch: Count  # texts a request
    at_once: Count  # requests
    timeout: Positive  # seconds for the whole of one reply
    cache: Place | None  # an SQLite file; null: beside the scores

    @model_validator(mode="after")
    def address_is_given(self) -> "EndpointPrm":
        """There is somebody to ask, and a place for what is asked."""
        require_served(self.url)
        places(self.prompt, self.step)
        return self


class Critique(Strict):
    """A sampled critique of a step that ends in a verdict, within a budget of so many tokens."""

    samples: Count
    max_new_tokens: Count
    temperature: Positive


class GenerativePrm(Weights):
    """A language model that is asked of every step, with those before it, whether it is right.

    Without a critique the score is ``P(yes) − P(no)`` of the word that comes next, of these two; with one it is the
    difference of the shares of critiques that end in either.
    """

    name: Literal["generative"]
    words: tuple[str, str]  # of no and yes
    prompt: str  # the problem, the steps up to the one that is judged, and that step's number
    step: str
    critique: Critique | None

    @model_validator(mode="after")
    def question_is_whole(self) -> "GenerativePrm":
        """A model is named, and a place for problem and steps."""
        if self.path == "???":
            raise ValueError("path is missing: name a folder, or a hub id and its revision")
        places(self.prompt, self.step)
        if "{steps}" not in self.prompt:
            raise ValueError(f"prompt={self.prompt!r} lacks the place for the steps, {{steps}}")
        return self


def places(prompt: str, step: str) -> None:
    """A pattern without the place for what it is to hold asks the same of everything."""
    if "{question}" not in prompt:
        raise ValueError(f"prompt={prompt!r} lacks the place for the problem, {{question}}")
    if "{step}" not in step:
        raise ValueError(f"step={step!r} lacks the place for a step, {{step}}")


class ScheduledFit(Fit):
    """A supervised fit whose learning rate falls to 0 in a line or a cosine."""

    schedule: Literal["linear", "cosine"]


class StepRows(Strict):
    """Rows ``{prompt, completions, labels}``: JSON lines here, or a split of a hub data set at a revision."""

    path: FileOrHub
    revision: str | None
    split: str


class FitPrm(Weights):
    """A process reward model fitted in two stages to human step labels; ``path`` is the language model it starts as.

    It is fitted by the engine of ``train``, in micro-batches of ``train.tokens_per_microbatch``; the gate's problems
    are held out with all their rows.
    """

    name: Literal["fit_prm800k"]
    rows: StepRows
    max_tokens: Count  # what lies beyond is cut
    head_fit: ScheduledFit
    full_fit: ScheduledFit
    adapter: Adapter | None  # what the full fit moves beside the head; null: all weights
    gate: Gate
    online: Online | None


class ImplicitPrm(Strict):
    """The reward model of implicit rewards, fitted here to which of the base's own responses are right."""

    name: Literal["implicit"]
    problems: Count
    samples: Count
    responses_per_update: Count
    epochs: Count
    learning_rate: Positive
    max_grad_norm: Positive
    gate: Gate  # of whole responses instead of steps


Prm = Annotated[
    EmbeddedPrm | PretrainedPrm | EndpointPrm | GenerativePrm | FitPrm | ImplicitPrm, Field(discriminator="name")
]
Reading = Annotated[PretrainedPrm | EndpointPrm | GenerativePrm, Field(discriminator="name")]  # of any solution
