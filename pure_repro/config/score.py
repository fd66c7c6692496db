"""What a policy is scored on (``conf/score/``)."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pure_repro.config.base import Count, Place, Positive, Strict
from pure_repro.config.benchmark import Benchmark, Published, TestSet


class Score(Strict):
    """Which sets are scored, and how: one greedy response and some sampled ones to every problem."""

    name: Literal["embedded", "benchmarks"]
    benchmarks: Annotated[tuple[Benchmark, ...], Field(min_length=1)]
    data_dir: Place | None  # <name>.jsonl of every published benchmark; null: where each one lies
    prompt: str  # of every set that has none of its own
    problems_per_set: Count | None  # the first so many; null: all
    samples: Annotated[int, Field(ge=0)]
    samples_of_small_sets: Annotated[int, Field(ge=0)]
    small_set: Count  # a set of fewer problems is small
    temperature: Positive
    top_p: Annotated[float, Field(gt=0, le=1)]
    max_new_tokens: Count
    sampler: Literal["hf", "rollout"]  # who draws: the model itself, or whoever samples in training
    checkpoints: Annotated[tuple[Literal["chosen", "last"] | Count, ...], Field(min_length=1)]

    @property
    def embedded(self) -> tuple[TestSet, ...]:
        """The sets of the embedded world."""
        return tuple(one for one in self.benchmarks if isinstance(one, TestSet))

    def prompt_of(self, benchmark: Benchmark) -> str:
        """The template that puts the problems of a set."""
        return (benchmark.prompt if isinstance(benchmark, Published) else None) or self.prompt

    @property
    def folders(self) -> tuple[str, ...]:
        """Where the policies that are scored lie in the folder of a training."""
        return tuple(one if isinstance(one, str) else f"step{one}" for one in self.checkpoints)

    @model_validator(mode="after")
    def sets_are_told_apart(self) -> "Score":
        """No two sets have one name, a set that is drawn has a size, and the prompt holds the problem."""
        names = [one.name for one in self.benchmarks]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"benchmarks has {' and '.join(sorted(twice))} twice")
        if self.embedded and self.problems_per_set is None:
            raise ValueError("problems_per_set=null names no number, and embedded sets are drawn: take 100")
        prompts = {"prompt": self.prompt} | {
            f"benchmarks.{i}.prompt": self.prompt_of(one) for i, one in enumerate(self.benchmarks)
        }
        for key, prompt in prompts.items():
            if "{question}" not in prompt:
                raise ValueError(
                    f"{key}={prompt!r} is no name in conf/prompt, and as text it lacks the place for the problem, "
                    "{question}"
                )
        return self
