"""Sets of problems that a policy is scored and validated on (``conf/benchmark/`` has the published ones)."""

from math import comb, perm
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from pure_repro.config.base import Content, Count, Means, Rate, Strict


class Difficulty(Strict):
    """Which chains a set holds: how many operations, and how many of them multiply (null: none or one, by coin)."""

    min_operations: Count
    max_operations: Annotated[int, Field(gt=0, le=12)]
    multiplications: Annotated[int, Field(ge=0, le=2)] | None

    @model_validator(mode="after")
    def chains_exist(self) -> "Difficulty":
        """No chain is shorter than its shortest, or than its multiplications."""
        if self.max_operations < self.min_operations:
            raise ValueError(f"max_operations={self.max_operations} is below min_operations={self.min_operations}")
        if (self.multiplications or 0) > self.min_operations:
            raise ValueError(f"multiplications={self.multiplications} exceeds min_operations={self.min_operations}")
        return self

    def chains(self, modulus: int) -> int:
        """How many different problems there are: 18 sums and 2 products, none twice in a chain.

        >>> Difficulty(min_operations=1, max_operations=2, multiplications=0).chains(modulus=23)
        7452
        """
        products = (0, 1) if self.multiplications is None else (self.multiplications,)
        lengths = range(self.min_operations, self.max_operations + 1)
        return modulus * sum(perm(18, n - k) * perm(2, k) * comb(n, k) for n in lengths for k in products)


class TestSet(Strict):
    """A test set of the embedded world."""

    __test__ = False  # not a pytest class
    name: str
    difficulty: Difficulty


# What an answer is: a whole number; a measured number, right within a tolerance (or an expression, which is exact); one
# expression; or one or several of them.
AnswerType = Literal["integer", "measured", "expression", "list"]


class Published(Strict):
    """A published benchmark: how its rows are read, and what proves that it is the one meant."""

    name: str
    question: str  # columns
    answer: str
    reading: Literal["text", "boxed", "after_hashes"]  # the answer is the column, its last box, or what follows ####
    answer_type: AnswerType
    rel_tol: Rate  # of measured answers; 0: exact
    prompt: str | None  # a template of its own; null: that of the score
    problems: Count
    digest: str | None  # of the references; null: nobody has read them yet

    @model_validator(mode="after")
    def measured_answers_have_a_tolerance(self) -> "Published":
        """A tolerance is of measured answers, and of no others."""
        if (self.rel_tol > 0) != (self.answer_type == "measured"):
            raise ValueError(
                f"rel_tol={self.rel_tol} does not go with answer_type={self.answer_type}: measured answers have a "
                "tolerance above 0, and all others are exact"
            )
        return self


class HubSet(Published):
    """A published benchmark that lies in a repository of the hub."""

    hub: Annotated[str, Means.ADDRESS]
    config: str | None
    revision: str  # a commit
    split: str


class UrlSet(Published):
    """A published benchmark that is one JSON Lines file of the web."""

    url: Annotated[str, Means.ADDRESS]  # with a commit in it, so that the file behind it stays the same


class FileSet(Strict):
    """A user's own problems: JSON Lines, with the columns of question and answer."""

    name: str
    path: Content
    question: str
    answer: str


def kind_of_set(values: Any) -> str:
    """Which schema a set has, by the key that only this one has."""
    keys = set(values) if isinstance(values, dict) else set(getattr(values, "model_fields_set", ()))
    kinds = {"difficulty": "embedded", "hub": "hub_set", "url": "url_set"}
    return next((kind for key, kind in kinds.items() if key in keys), "file")


Benchmark = Annotated[
    Annotated[TestSet, Tag("embedded")]
    | Annotated[HubSet, Tag("hub_set")]
    | Annotated[UrlSet, Tag("url_set")]
    | Annotated[FileSet, Tag("file")],
    Discriminator(kind_of_set),
]
