"""The critic: a model that learns beside the policy what is still to come after the tokens so far."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import AutoModelForTokenClassification, PreTrainedModel

from pure_repro.config import Config, Critic, Pretrained, Train
from pure_repro.models.batches import microbatches, total_lengths
from pure_repro.models.engine import Engine, open_engine
from pure_repro.models.load import load_model
from pure_repro.models.logprobs import before_tokens
from pure_repro.models.optimize import Term, one_pass
from pure_repro.models.precision import autocast
from pure_repro.models.ranks import Ranks
from pure_repro.objective.value_loss import explained_variance, value_loss
from pure_repro.types import Columns, Rollouts


@dataclass(frozen=True)
class ValueModel:
    """The base model with a head of one number: ``V(s_t)``, read in the slot before token t."""

    engine: Engine
    plan: Critic
    train: Train  # the policy's, with the critic's own rate, clipping and update size

    @classmethod
    def open(cls, config: Config, plan: Critic, base: Path, ranks: Ranks) -> "ValueModel":
        """A critic that says 0 of everything, with the base model's knowledge behind it."""
        own = plan.model_dump(include={"learning_rate", "max_grad_norm", "rollouts_per_update"})
        train = config.train.model_copy(update={**own, "chunked_logprobs": False})  # it has no vocabulary
        torch.manual_seed(config.seed)
        model: Any = load_model(
            AutoModelForTokenClassification,
            base,
            fresh=["score."],
            dtype=getattr(torch, config.model.dtype) if isinstance(config.model, Pretrained) else torch.float32,
            attn_implementation=train.attention,
            num_labels=1,
        )
        model.dropout.p = 0.0  # it is trained in the mode in which checkpointing works
        for weight in model.score.parameters():
            torch.nn.init.zeros_(weight)
        return cls(open_engine(model.eval(), train, ranks), plan, train)

    def values(self, rollouts: Rollouts) -> Float[Tensor, "batch token"]:
        """Values of all response tokens, without gradients; 0 where masked."""

        def of_rows(own: slice) -> Tensor:
            return all_values(self.engine.sampler, rollouts.rows(own), self.train)

        return self.engine.ranks.shared(of_rows, len(rollouts.tokens))

    def learn(self, rollouts: Rollouts, columns: Columns) -> dict[str, float]:
        """One pass towards ``columns["returns"]`` from ``columns["values"]``, which it had said before the update."""
        old, returns = columns["values"], columns["returns"]

        def loss_of(members: Tensor, local: Tensor) -> tuple[Tensor, dict[str, float]]:
            """A micro-batch's share of the clipped value loss."""
            rows, mask = members[local], rollouts.mask[members]
            values = row_values(self.engine.policy, rollouts, rows, packing=self.train.packing)
            width = values.shape[1]
            counted = (mask / mask.sum())[local, :width]
            losses = value_loss(values, old[rows, :width], returns[rows, :width], clip=self.plan.value_clip)
            return (counted * losses).sum(), {"value": (counted * values.detach()).sum().item()}

        metrics = one_pass(
            self.engine, [Term("critic", total_lengths(rollouts, self.train.packing), loss_of)], self.train
        )
        metrics["critic/explained_variance"] = explained_variance(old, returns, rollouts.mask)
        return metrics


def all_values(model: PreTrainedModel, rollouts: Rollouts, train: Train) -> Float[Tensor, "batch token"]:
    """Values of all response tokens, without gradients; 0 where masked."""
    values = torch.zeros(rollouts.tokens.shape)
    with torch.no_grad():
        for rows in microbatches(total_lengths(rollouts, train.packing), train.tokens_per_microbatch, train.packing):
            part = row_values(model, rollouts, rows, packing=train.packing)
            values[rows, : part.shape[1]] = part * rollouts.mask[rows, : part.shape[1]]
    return values


def row_values(
    model: PreTrainedModel, rollouts: Rollouts, rows: Int[Tensor, " row"], *, packing: bool
) -> Float[Tensor, "row token"]:
    """Values before the response tokens of some rows, cut to the longest of them."""
    [values] = before_tokens(partial(next_values, model), rollouts, rows, model.device, packing=packing)
    return values


def next_values(
    model: PreTrainedModel,
    ids: Int[Tensor, "row slot"],
    position: Int[Tensor, "row slot"],
    attention: Bool[Tensor, "row slot"] | None,
    *,
    last: int,
) -> tuple[Float[Tensor, "row last"]]:
    """What the critic expects before each of the ``last`` tokens of a row."""
    with autocast(model.dtype):
        logits = model(input_ids=ids, attention_mask=attention, position_ids=position, use_cache=False).logits
    return (logits[:, -last - 1 : -1, 0].float(),)
