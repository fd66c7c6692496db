"""How the scores of steps become returns (``conf/credit/``)."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pure_repro.config.base import Positive, Rate, Strict


class Min(Strict):
    """Softmin-weighted step rewards; ``temperature`` in units of the step reward."""

    name: Literal["min"]
    temperature: Positive


class MinStrict(Strict):
    """The exact minimum over the steps still to come."""

    name: Literal["min_strict"]


class Sum(Strict):
    """The sum of step rewards, ``gamma`` their discount per step."""

    name: Literal["sum"]
    gamma: Rate


class Mean(Strict):
    """The sum over the number of steps."""

    name: Literal["mean"]


class ReleasedTokenMin(Strict):
    """The verl release's strict min form."""

    name: Literal["released_token_min"]


Boundary = Literal["drop_last", "keep_last"]


class Clip(Strict):
    """What steps lack to a threshold ``eta``, in units of the step reward."""

    name: Literal["clip"]
    eta: float


class Delta(Strict):
    """Each step's score less the next one's; ``boundary`` says whether the last step's own score counts."""

    name: Literal["delta"]
    boundary: Boundary


class ClipDelta(Strict):
    """``delta`` of ``clip``."""

    name: Literal["clip_delta"]
    eta: float
    boundary: Boundary


class Contrast(Strict):
    """Two ways to ask for a response, by which a model says of each of its tokens whether it belongs to a better one.

    Each is put in the place of the question; ``{question}`` stands for it, ``{response}`` for the response itself.
    """

    better: str
    worse: str

    @model_validator(mode="after")
    def questions_have_their_place(self) -> "Contrast":
        """Both ask the question, and they differ."""
        if lacking := [text for text in (self.better, self.worse) if "{question}" not in text]:
            raise ValueError(f"{lacking[0]!r} lacks the place for the problem, {{question}}")
        if self.better == self.worse:
            raise ValueError(f"better and worse are both {self.better!r}, and no token would count more than another")
        return self


class TregWeights(Strict):
    """An outcome's advantage shared out over the tokens by contrastive token rewards; ``kappa`` is how unevenly."""

    name: Literal["treg_weights"]
    kappa: Rate
    contrast: Contrast


Credit = Annotated[
    Min | MinStrict | Sum | Mean | ReleasedTokenMin | Clip | Delta | ClipDelta | TregWeights,
    Field(discriminator="name"),
]
