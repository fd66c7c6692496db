"""Which tokens are one action (``conf/macro/``)."""

from typing import Annotated, Literal

from pydantic import Field

from pure_repro.config.base import Count, Strict


class MacroActions(Strict):
    """Tokens taken together by the critic and by its advantages; ``released_*`` is what the official code does."""

    value: Literal["equal", "unit", "position", "released_position"]  # how much each token's value counts
    released_reward: bool  # the mean of the tokens' rewards by the weights of their values, in the place of the sum
    released_last_alone: bool  # the last token is a macro action of its own


class Tokens(MacroActions):
    """Every token is an action by itself, so that the keys change nothing."""

    name: Literal["token"]


class Fixed(MacroActions):
    """So many tokens each."""

    name: Literal["fixed"]
    length: Count


class RandomLengths(MacroActions):
    """Lengths by lot."""

    name: Literal["random"]
    lengths: Annotated[tuple[Count, ...], Field(min_length=1)]
    released_repeats: Count | None  # every length so many times, shuffled; the rest is one macro action


class StepActions(MacroActions):
    """Reasoning steps."""

    name: Literal["steps"]


class Perplexity(MacroActions):
    """As long as the next token does not raise its perplexity under the base model."""

    name: Literal["perplexity"]
    released_boundaries: bool  # against the token before alone, and one token early


Macro = Annotated[Tokens | Fixed | RandomLengths | StepActions | Perplexity, Field(discriminator="name")]
