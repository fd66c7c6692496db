"""The model that is trained: one that is made here, or weights that somebody else made (``conf/model/``)."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from pure_repro.config.base import Count, Fit, FolderOrHub, Rate, Strict


class Explained(Strict):
    """Demonstrations of which a ``share`` is asked with the answer, and reaches it."""

    share: Rate
    prompt: str  # how question and answer are put in the place of the question


class Marked(Strict):
    """Demonstrations of which a ``share`` is asked under a word that says whether their answer is right."""

    share: Rate
    better: str  # how the question is put where the answer is right, and where it is wrong
    worse: str


class Tiny(Strict):
    """A Qwen2-architecture policy made here, and the fit that turns it into a base model."""

    name: Literal["tiny", "tiny_asked"]
    hidden_size: Count
    intermediate_size: Count
    layers: Count
    heads: Count
    context: Count
    clean_demonstrations: Annotated[int, Field(ge=0)]
    clean_fit: Fit
    demonstrations: Count
    fit: Fit
    explained: Explained | None
    marked: Marked | None

    @model_validator(mode="after")
    def heads_divide_hidden_size(self) -> "Tiny":
        """Every attention head is as wide as the others."""
        if self.hidden_size % self.heads:
            raise ValueError(f"heads={self.heads} does not divide hidden_size={self.hidden_size}")
        return self


class Weights(Strict):
    """Weights that somebody else made: a hub id at a revision, or a folder."""

    path: FolderOrHub  # as in models/mine, or a hub id as in Qwen/Qwen2.5-Math-7B
    revision: str | None  # the commit of a hub id; a folder has none
    dtype: Literal["float32", "bfloat16"]


class Adapter(Strict):
    """A low-rank adapter beside every linear layer but the output layer, which learns in the place of the weights."""

    rank: Count
    alpha: Count  # its change of a layer counts alpha / rank times


class Pretrained(Weights):
    """A model that somebody else trained. There is nothing to fit first."""

    name: str
    kind: Literal["pretrained"]
    context: Count  # tokens of prompt and response together
    stop: tuple[str, ...] | None  # tokens that end a response; null: those that the folder itself names
    adapter: Adapter | None  # null: all weights learn

    @model_validator(mode="after")
    def path_is_given(self) -> "Pretrained":
        """``model=local`` names no model by itself."""
        if self.path == "???":
            raise ValueError("path is missing: name a folder, or a hub id and its revision")
        return self


def kind_of_model(values: Any) -> str:
    """Which schema a model has: one without ``kind`` is made here."""
    return values.get("kind", "tiny") if isinstance(values, dict) else getattr(values, "kind", "tiny")


Model = Annotated[Annotated[Tiny, Tag("tiny")] | Annotated[Pretrained, Tag("pretrained")], Discriminator(kind_of_model)]
