"""Who draws training responses: one interface, an implementation for each choice of ``rollout``."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from pure_repro.config import HfRollout, Rollout
from pure_repro.rollout.hf import HfSampler, SamplingPlan
from pure_repro.types import Problem, Rollouts


@runtime_checkable
class Sampler(Protocol):
    """It is given weights, draws from them, and rests until it is given the next."""

    def push(self, policy: PreTrainedModel) -> None:
        """Take over the weights; raises ``StaleWeights`` unless they have arrived, all of them."""

    def generate(
        self,
        problems: Sequence[Problem],
        prompts: Sequence[str],
        plan: SamplingPlan,
        *,
        seed: int,
        step: int,
        begun: Sequence[Rollouts] = (),
    ) -> Rollouts:
        """``plan.samples`` responses to every prompt, samples of one prompt adjacent.

        ``begun`` are the responses so far to the first of the problems: those that are not done go on.
        What is drawn depends on (seed, step, problem, sample) and the weights, not on the company.
        """

    def rest(self) -> None:
        """Give back the memory that only sampling needs; what comes next is a push."""


def open_sampler(
    rollout: Rollout,
    policy: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    *,
    context: int,
    dtype: torch.dtype,
    ranks: int,
) -> Sampler:
    """The sampler that ``rollout`` asks for; ``policy`` says what is sampled from, in ``dtype``, on each of ``ranks``.

    It is opened once a run.
    """
    if isinstance(rollout, HfRollout):
        return HfSampler(tokenizer)
    from pure_repro.rollout.vllm import VllmSampler

    return VllmSampler.open(rollout, policy, tokenizer, context=context, dtype=dtype, ranks=ranks)
