"""The reward model: how it is fitted here, or how somebody else's is read (``conf/prm/``)."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pure_repro.config.base import Count, FileOrHub, Fit, NonNegative, Positive, Rate, Strict
from pure_repro.config.data import ErrorRates
from pure_repro.config.model import Weights


class Gate(Strict):
    """What a reward model must reach on fresh samples of the base before any reinforcement."""

    problems: Count
    min_bad_found: Rate
    max_false_alarms: Rate
    on_fail: Literal["stop", "warn"]


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

    @model_validator(mode="after")
    def samples_of_the_demonstrations_fit(self) -> "EmbeddedPrm":
        """The head is fitted to a part of the demonstrations; stalled and broken-off answers are made of a part too."""
        for name in ["head_examples"] + ["filler_examples"] * (self.negatives == "all") + ["broken_examples"]:
            if getattr(self, name) > self.demonstrations:
                raise ValueError(f"{name}={getattr(self, name)} exceeds demonstrations={self.demonstrations}")
        return self


class PretrainedPrm(Weights):
    """A process reward model that somebody else fitted, and how it is read: ``r = P(right) − P(wrong)`` at a marker."""

    name: Literal["pure_prm_7b", "qwen2_5_math_prm_7b", "math_shepherd_7b"]
    head: Literal["linear", "mlp", "words"]  # two classes by one layer, by two, or two words of a language model
    words: tuple[str, str] | None  # of wrong and right
    reads: Literal["tokens", "text"]  # the policy's own tokens, or text that its own tokenizer cuts up
    marker: str  # the token that it is read at
    prompt: str | None  # how text is written: the problem, then every step
    step: str | None

    @model_validator(mode="after")
    def reading_is_whole(self) -> "PretrainedPrm":
        """A head of words names them, text has its two patterns."""
        if (self.head == "words") != (self.words is not None):
            raise ValueError("words is needed by head=words and by no other: name the words for wrong and right")
        if self.reads == "tokens" and self.head == "words":
            raise ValueError("reads=tokens has two classes and head=words a whole vocabulary: take reads=text")
        if self.reads == "text" and not (self.prompt and self.step and self.marker in self.step):
            raise ValueError(f"reads=text needs a prompt and a step with the marker {self.marker!r}")
        return self


class ScheduledFit(Fit):
    """A supervised fit whose learning rate falls to 0 in a line or a cosine."""

    schedule: Literal["linear", "cosine"]


class StepRows(Strict):
    """Rows ``{prompt, completions, labels}``: JSON lines here, or a split of a hub data set at a revision."""

    path: FileOrHub
    revision: str | None
    split: str


class FitPrm(Weights):
    """A process reward model fitted in two stages to human step labels; ``path`` is the language model it starts as."""

    name: Literal["fit_prm800k"]
    rows: StepRows
    max_tokens: Count  # what lies beyond is cut
    head_fit: ScheduledFit
    full_fit: ScheduledFit
    gate: Gate


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


Prm = Annotated[EmbeddedPrm | PretrainedPrm | FitPrm | ImplicitPrm, Field(discriminator="name")]
