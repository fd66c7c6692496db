"""Which prompts are trained on (``conf/filter/``)."""

from typing import Annotated, Literal

from pydantic import Field

from pure_repro.config.base import Count, NonNegative, Rate, Strict


class Unfiltered(Strict):
    """Every prompt is trained on."""

    name: Literal["none"]


class Differing(Strict):
    """Prompts whose responses did not all earn the same outcome; at most ``max_rounds`` draws to fill a step."""

    name: Literal["differing"]
    max_rounds: Count


class AccuracyBand(Strict):
    """Prompts of which a share of the responses from ``low`` to ``high``, both included, is right."""

    name: Literal["accuracy_band"]
    low: Rate
    high: Rate
    max_rounds: Count


class Prof(Strict):
    """Of the responses to each prompt the ``share`` in which step scores and outcome agree."""

    name: Literal["prof"]
    share: Annotated[float, Field(gt=0, le=1)]
    penalty: NonNegative
    longest: Annotated[int, Field(gt=1)]


Filter = Annotated[Unfiltered | Differing | AccuracyBand | Prof, Field(discriminator="name")]
