"""How training responses are sampled (``conf/rollout/``)."""

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from pure_repro.config.base import Count, Positive, Strict


class Sampled(Strict):
    """How training responses are sampled, whoever does it."""

    name: str
    temperature: Positive
    top_p: Annotated[float, Field(gt=0, le=1)]
    max_prompt_tokens: Count | None  # longer problems are left out
    max_new_tokens: Count
    max_tokens_per_step: Count | None  # a response that is longer goes on in the next step


class HfRollout(Sampled):
    """By the policy's own model."""

    name: Literal["hf"]


class VllmRollout(Sampled):
    """By vLLM, in the trainer's process."""

    name: Literal["vllm"]
    gpu_memory: Annotated[float, Field(gt=0, lt=1)]  # share of a GPU that the engine has while it samples
    max_gap: Positive | None  # mean difference to the trainer's log-probabilities that stops the run

    @model_validator(mode="after")
    def gap_is_not_that_of_top_p(self) -> "VllmRollout":
        """A sampler that leaves out a share of the probability says up to ``−log top_p`` more than the trainer."""
        if self.max_gap is not None and -math.log(self.top_p) >= self.max_gap:
            raise ValueError(
                f"top_p={self.top_p:g} alone puts a sound sampler {-math.log(self.top_p):.3f} off the trainer, "
                f"and max_gap={self.max_gap:g} would stop it: take top_p=1 or a larger max_gap"
            )
        return self


Rollout = Annotated[HfRollout | VllmRollout, Field(discriminator="name")]
