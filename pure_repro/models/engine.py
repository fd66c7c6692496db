"""What moves the weights: one interface, an implementation for one process and one for many.

An engine owns the policy from its first weights on. The loop computes a loss for each micro-batch and says when the
update is due; sharding, mixed precision, accumulation, clipping and the optimizer's state are the engine's.
"""

from pathlib import Path
from typing import Protocol, runtime_checkable

from torch import Tensor
from transformers import PreTrainedModel

from pure_repro.config import Train
from pure_repro.models.checkpoint import Progress
from pure_repro.models.compiled import compile_layers
from pure_repro.models.head import install_target_head
from pure_repro.models.ranks import Ranks, placed


@runtime_checkable
class Engine(Protocol):
    """Forward, backward, step, all state, and whole weights to sample from."""

    ranks: Ranks

    @property
    def policy(self) -> PreTrainedModel:
        """What a forward pass with gradients is called on, as one calls the model."""

    @property
    def sampler(self) -> PreTrainedModel:
        """The model with the whole of its current weights: for sampling, passes without gradients, and saving."""

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of one micro-batch. The sum over micro-batches and ranks is the loss of the update."""

    def step(self) -> float:
        """Clip the summed gradients, move the weights, forget the gradients; returns their norm before clipping."""

    def set_rate(self, rate: float) -> None:
        """The learning rate of the steps to come; without a word it is that of ``train``."""

    def save(self, out: Path, progress: Progress) -> None:
        """Write all state, whole or not at all; every rank calls it."""

    def load(self, out: Path) -> Progress:
        """Take up the state saved last; a folder without one is a run that has not started. Every rank calls it."""


def open_engine(policy: PreTrainedModel, train: Train, ranks: Ranks) -> Engine:
    """The engine that ``train`` asks for, with ``policy`` as its first weights."""
    policy = placed(policy)
    if train.gradient_checkpointing:
        policy.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    if train.chunked_logprobs:
        install_target_head(policy)
    if train.compile:
        compile_layers(policy)
    if train.deepspeed is None:
        from pure_repro.models.engine_local import LocalEngine

        return LocalEngine.open(policy, train, ranks)
    from pure_repro.models.engine_deepspeed import DeepSpeedEngine

    return DeepSpeedEngine.open(policy, train, ranks)
