"""The problems that are trained on (``conf/data/``)."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pure_repro.config.base import Count, FileOrHub, Means, Rate, Strict
from pure_repro.config.benchmark import Benchmark, Difficulty, Published

SPLITS = {"base": 40, "prm": 20, "rl": 20, "validation": 8, "test": 12}  # percent of the embedded problems, by hash


class ErrorRates(Strict):
    """How often a demonstrator errs, per opportunity."""

    wrap: Rate  # a sum that goes round the clock with an operand of 6 or more, one off
    wrap_small: Rate  # the same with a smaller operand
    times: Rate  # a product that goes round the clock, one off
    slip: Rate  # any result, replaced by a random value
    skip: Rate  # an operation left out
    wrong_operation: Rate  # another operation than the one that is due
    twice: Rate  # an operation done twice
    copy_slip: Rate  # a step that starts from another value than the chain's
    box: Rate  # boxes another value than the last
    early_stop: Rate  # ends without an answer, per step
    early_box: Rate  # answers with operations left, per step
    box_only: Rate  # answers without reasoning
    empty: Rate  # says nothing
    thanks: Rate  # says "thanks"
    filler: Rate  # each harmless filler (have, next, wait) before a step
    wrong_filler: Rate  # share of have/next fillers that are wrong


class Embedded(Strict):
    """The embedded world and its demonstrator."""

    name: Literal["embedded"]
    modulus: Annotated[int, Field(gt=9, lt=100)]
    difficulty: Difficulty
    train_difficulty: Difficulty | None  # of the problems of training and validation; null: the same
    prompt: str
    train_problems: Count
    validation_problems: Count
    errors: ErrorRates

    @model_validator(mode="after")
    def modulus_is_prime(self) -> "Embedded":
        """A product by a factor that divides the modulus could erase an error; and the prompt holds the problem."""
        if any(self.modulus % n == 0 for n in range(2, self.modulus)):
            raise ValueError(
                f"modulus={self.modulus} is not prime, so that a product could erase an error; take 19, 23 or 29"
            )
        if "{question}" not in self.prompt:
            raise ValueError(f"prompt={self.prompt!r} lacks the place for the problem, {{question}}")
        return self


class Mathematics(Strict):
    """Problems with answers in a file: a JSON list, as PURE ships one, or JSON Lines, with named columns."""

    name: Literal["math_8k_879", "math_lv3to5", "local"]
    path: FileOrHub  # a file, or the hub id of a data set
    file: Annotated[str | None, Means.ADDRESS]  # the file in that data set
    revision: str | None  # its commit
    question: str  # columns
    answer: str
    hidden_answer: str | None  # the column of answers that the mixed arm does not see; "null" there is no answer
    train_problems: Count | None  # checked on loading, as the next; null: as many as there are
    answered_problems: Count | None
    answered_by: Literal["file", "draw"]  # which problems have their answer where reward.answered_share is in between
    prompt: str
    on_overlap: Literal["warn", "drop", "stop"]  # where a training problem is one of validation or score, too
    validation: tuple[Benchmark, ...]  # an empty list: no validation, and no checkpoint is chosen

    @model_validator(mode="after")
    def problem_has_its_place(self) -> "Mathematics":
        """The prompt holds the problem, and the policy is validated by the prompt it is trained with."""
        if self.path == "???":
            raise ValueError("path is missing: name a file of JSON or JSON Lines")
        if "{question}" not in self.prompt:
            raise ValueError(f"prompt={self.prompt!r} lacks the place for the problem, {{question}}")
        for one in self.validation:
            if isinstance(one, Published) and one.prompt:
                raise ValueError(f"validation has a prompt for {one.name}: a policy is validated by data.prompt")
        return self


Data = Annotated[Embedded | Mathematics, Field(discriminator="name")]
