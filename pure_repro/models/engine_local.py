"""One process, plain PyTorch (``train=local``)."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedModel

from pure_repro.config import Train
from pure_repro.models.adapter import adapted_layers, learning
from pure_repro.models.checkpoint import Progress, load_state, save_state
from pure_repro.models.finite import require_finite, require_finite_weights
from pure_repro.models.ranks import Ranks


@dataclass
class LocalEngine:
    """Weights and optimizer in float32; the sampler is the policy itself."""

    policy: PreTrainedModel
    optimizer: torch.optim.Optimizer
    max_grad_norm: float
    ranks: Ranks

    @classmethod
    def open(cls, policy: PreTrainedModel, train: Train, ranks: Ranks) -> "LocalEngine":
        """AdamW over the weights that learn, in float32 however they were stored: bfloat16 would lose a small step.

        Weights that do not move, with an adapter beside them, say, stay as they were stored.
        """
        for weight in learning(policy):
            weight.data = weight.data.float()
        betas = (train.beta1, train.beta2)
        optimizer = torch.optim.AdamW(
            learning(policy), lr=train.learning_rate, betas=betas, weight_decay=train.weight_decay
        )
        return cls(policy, optimizer, train.max_grad_norm, ranks)

    @property
    def sampler(self) -> PreTrainedModel:
        """The policy: it is whole and up to date."""
        return self.policy

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of one micro-batch."""
        loss.backward()

    def step(self) -> float:
        """Clip, move, forget; returns the gradient norm before clipping. Raises ``NotFinite`` before it moves."""
        norm = torch.nn.utils.clip_grad_norm_(self.policy.parameters(), self.max_grad_norm).item()
        require_finite("the gradient norm", norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return norm

    def set_rate(self, rate: float) -> None:
        """The learning rate of the steps to come."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def save(self, out: Path, progress: Progress) -> None:
        """Everything that changes in one file: all weights, or those of an adapter and of what learns beside it.

        Raises ``NotFinite`` for weights that are none.
        """
        require_finite_weights(self.policy)
        weights = self.policy.state_dict()
        if adapted_layers(self.policy):
            moved = {name for name, weight in self.policy.named_parameters() if weight.requires_grad}
            weights = {name: weight for name, weight in weights.items() if name in moved}
        save_state(out, {"policy": weights, "optimizer": self.optimizer.state_dict()}, progress)

    def load(self, out: Path) -> Progress:
        """The file's weights, optimizer and position."""
        state, progress = load_state(out)
        if state:
            self.policy.load_state_dict(state["policy"], strict=not adapted_layers(self.policy))
            self.optimizer.load_state_dict(state["optimizer"])
        return progress
