"""Log-probabilities and entropies straight from the last hidden states: no tensor of tokens × vocabulary exists."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import PreTrainedModel

from pure_repro.config import LOGITS_AT_ONCE


class ChunkedLogprobs(torch.autograd.Function):
    """``log p(y)`` and ``H = log Z − Σ p·z`` of ``z = h Wᵀ / temperature``, a run of tokens at a time.

    The backward pass computes each run's logits again: ``∂ log p(y) / ∂z = 1(y) − p``. The entropy is reported and has
    no gradient.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Float[Tensor, "token hidden"],
        weight: Float[Tensor, "vocab hidden"],
        targets: Int[Tensor, " token"],
        temperature: float,
    ) -> tuple[Float[Tensor, " token"], Float[Tensor, " token"]]:
        """In float32, whatever the precision of ``hidden``."""
        logprobs, entropy, normaliser = (torch.empty(len(targets), device=hidden.device) for _ in range(3))
        matrix = weight.to(hidden.dtype)
        for rows in runs(hidden, weight):
            logits = (hidden[rows] @ matrix.T).float().div_(temperature)
            normaliser[rows] = logits.logsumexp(dim=1)
            logprobs[rows] = logits.gather(1, targets[rows, None]).squeeze(1) - normaliser[rows]
            shifted = logits - normaliser[rows, None]
            entropy[rows] = -torch.einsum("tv,tv->t", shifted.exp(), shifted.clamp(min=torch.finfo(torch.float32).min))
        ctx.save_for_backward(hidden, weight, targets, normaliser)
        ctx.temperature = temperature
        ctx.mark_non_differentiable(entropy)
        return logprobs, entropy

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor | None, None, None]:
        """Gradients of hidden states and weight."""
        hidden, weight, targets, normaliser = ctx.saved_tensors
        matrix, scale = weight.to(hidden.dtype), gradients[0] / ctx.temperature
        of_hidden, learns = torch.empty_like(hidden), ctx.needs_input_grad[1]  # not where an adapter does
        of_weight = torch.zeros_like(weight if learns else weight[:0], dtype=torch.float32)
        for rows in runs(hidden, weight):
            logits = (hidden[rows] @ matrix.T).float().div_(ctx.temperature)
            of_logits = logits.sub_(normaliser[rows, None]).exp_().mul_(-scale[rows, None])
            of_logits.scatter_add_(1, targets[rows, None], scale[rows, None])
            narrow = of_logits.to(hidden.dtype)
            of_hidden[rows] = narrow @ matrix
            if not learns:
                continue
            if hidden.dtype == torch.float32:
                of_weight.addmm_(narrow.T, hidden[rows])
            else:
                of_weight += narrow.T @ hidden[rows]
        return of_hidden, of_weight.to(weight.dtype) if learns else None, None, None


def runs(hidden: Float[Tensor, "token hidden"], weight: Float[Tensor, "vocab hidden"]) -> list[slice]:
    """Runs of tokens whose logits are at most ``LOGITS_AT_ONCE``; at least one token each."""
    size = max(LOGITS_AT_ONCE // len(weight), 1)
    return [slice(start, start + size) for start in range(0, len(hidden), size)]


class TargetHead(torch.nn.Linear):
    """An output layer that, told what comes next, answers with log-probability and entropy instead of logits."""

    targets: Int[Tensor, "row token"] | None = None
    temperatures: Sequence[float] = (1.0,)

    @contextmanager
    def told(self, targets: Int[Tensor, "row token"], temperatures: Sequence[float]) -> Iterator[None]:
        """Inside, the tokens to answer about, and at which temperatures."""
        self.targets, self.temperatures = targets, temperatures
        try:
            yield
        finally:
            self.targets = None

    def forward(self, hidden: Tensor) -> Tensor:
        """Logits; with ``targets`` a last axis of two for each temperature, log-probability and entropy."""
        if self.targets is None:
            return super().forward(hidden)
        flat, targets = hidden.flatten(0, 1), self.targets.flatten()
        output = [x for heat in self.temperatures for x in ChunkedLogprobs.apply(flat, self.weight, targets, heat)]
        return torch.stack(output, dim=-1).unflatten(0, hidden.shape[:2])


def install_target_head(model: PreTrainedModel) -> None:
    """Give the model a :class:`TargetHead` with its own output weights, tied ones included."""
    plain = model.lm_head
    head = TargetHead(plain.in_features, plain.out_features, bias=False, device="meta")
    head.weight = plain.weight
    model.lm_head = head
