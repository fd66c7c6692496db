"""What an update minimises (``conf/objective/``)."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from pure_repro.config.base import Count, NonNegative, Positive, Rate, Strict
from pure_repro.config.credit import Contrast


class Kl(Strict):
    """The divergence from the base model: estimator, weight, and whether it is part of the reward or of the loss."""

    estimator: Literal["k1", "k2", "k3"]
    beta: NonNegative
    where: Literal["reward", "loss"]
    clamp: Positive | None  # the largest estimate of a token, either way


class Objective(Strict):
    """What an update minimises: every objective has a ``name``, and is read at a ``temperature``."""

    name: str
    temperature: Positive  # of the log-probabilities of policy and reference


class PolicyGradient(Objective):
    """A policy loss; the ratio to the sampling policy counts from 1 − ``clip`` to 1 + ``clip_high``."""

    loss: ClassVar[str] = "ppo_clip"
    clip: Positive
    clip_high: Positive
    max_mean_ratio: Positive | None  # a micro-batch whose mean ratio to the old policy exceeds it is left out
    importance_cap: Positive | None  # the largest weight that corrects a token for the sampler's own arithmetic
    aggregation: Literal["token_mean", "sequence_mean", "constant"]
    kl: Kl

    @property
    def reads_reference(self) -> bool:
        """Whether the base model's log-probabilities are needed."""
        return self.kl.beta > 0

    @property
    def penalised(self) -> bool:
        """Whether the divergence is a part of the reward."""
        return self.reads_reference and self.kl.where == "reward"


class PpoClip(PolicyGradient):
    """The clipped policy gradient by itself."""

    name: Literal["ppo_clip"]


class Positives(Strict):
    """Right answers to problems with a known answer that the policy did not find by itself.

    An ``explanation`` is its own: sampled with the question and the answer before it, kept where it ends in the answer.
    An ``expert`` chain is a faultless demonstration of the embedded world. Both are learned under the plain question.
    """

    source: Literal["explanation", "expert"]
    when: Literal["always", "all_wrong"]  # of which problems: all, or those whose responses are all wrong
    prompt: str  # how question and answer are put in the place of the question
    samples: Count  # explanations of a problem; the first right one is taken
    expert_filler: Rate  # how often an expert says where it stands before a step

    @model_validator(mode="after")
    def both_have_their_place(self) -> "Positives":
        """An explanation is asked for with question and answer."""
        for place, what in (("{question}", "problem"), ("{answer}", "answer")):
            if place not in self.prompt:
                raise ValueError(f"prompt={self.prompt!r} lacks the place for the {what}, {place}")
        return self


class ExpoGrpo(PolicyGradient):
    """The clipped policy gradient, and beside it ``weight`` times the likelihood of ``positives``."""

    name: Literal["expo_grpo"]
    weight: NonNegative
    reduce: Literal["token_mean", "sum"]  # of the log-probabilities of a response
    positives: Positives


class Preference(Objective):
    """A loss of pairs: a right response to a problem is preferred to a wrong one. ``beta`` scales the log-ratios."""

    loss: ClassVar[str] = "dpo"
    reads_reference: ClassVar[bool] = True
    penalised: ClassVar[bool] = False
    beta: Positive
    pairs_per_prompt: Count  # at most; no response is in two


class Dpo(Preference):
    """Both responses are the policy's own."""

    name: Literal["dpo"]


class Treg(Preference):
    """``dpo``, regularised by contrastive token rewards with the weight ``alpha``."""

    loss: ClassVar[str] = "treg"
    name: Literal["treg"]
    alpha: NonNegative
    weighting: Literal["margin", "none"]  # whether the regulariser fades as a pair comes apart
    contrast: Contrast


class ExpoDpo(Preference):
    """``dpo`` whose preferred responses are ``positives``."""

    name: Literal["expo_dpo"]
    positives: Positives


AnyObjective = Annotated[PpoClip | ExpoGrpo | Dpo | Treg | ExpoDpo, Field(discriminator="name")]
