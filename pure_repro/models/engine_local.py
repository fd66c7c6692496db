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
        """AdamW over all weights, in float32 however they were stored: a small step would be lost in bfloat16.

        Weights with an adapter beside them do not move, and stay as they were stored.
        """
        if not adapted_layers(policy):
            policy = policy.float()
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

    def save(self, out: Path, progress: Progress) -> None:
        """Everything that changes in one file: all weights, or those of an adapter.

        Raises ``NotFinite`` for weights that are none.
        """
        require_finite_weights(self.policy)
        weights = self.policy.state_dict()
        if adapted_layers(self.policy):
            weights = {name: weight for name, weight in weights.items() if ".lora_" in name}
        save_state(out, {"policy": weights, "optimizer": self.optimizer.state_dict()}, progress)

    def load(self, out: Path) -> Progress:
        """The file's weights, optimizer and position."""
        state, progress = load_state(out)
        if state:
            self.policy.load_state_dict(state["policy"], strict=not adapted_layers(self.policy))
            self.optimizer.load_state_dict(state["optimizer"])
        return progress
