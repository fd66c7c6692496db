"""How training responses are sampled (``conf/rollout/``)."""

from typing import Annotated, Literal

from pydantic import Field

from pure_repro.config.base import Count, Positive, Strict


class Sampled(Strict):
    """How training responses are sampled, whoever does it."""

    name: str
    temperature: Positive
    top_p: Annotated[float, Field(gt=0, le=1)]
    max_prompt_tokens: Count | None  # longer problems are left out
    max_new_tokens: Count


class HfRollout(Sampled):
    """By the policy's own model."""

    name: Literal["hf"]


class VllmRollout(Sampled):
    """By vLLM, in the trainer's process."""

    name: Literal["vllm"]
    gpu_memory: Annotated[float, Field(gt=0, lt=1)]  # share of a GPU that the engine has while it samples
    max_gap: Positive | None  # mean difference to the trainer's log-probabilities that stops the run


Rollout = Annotated[HfRollout | VllmRollout, Field(discriminator="name")]
