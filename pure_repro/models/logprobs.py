"""How likely responses are under a model: micro-batches through it, padded or packed, read before every token."""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import PreTrainedModel

from pure_repro.models.batches import microbatches, total_lengths
from pure_repro.models.head import TargetHead
from pure_repro.models.precision import autocast
from pure_repro.objective.entropy import entropy
from pure_repro.types import Rollouts

ForwardPass = Callable[..., tuple[Tensor, ...]]  # (ids, position, attention, last=…) → what was read, each (row, last)


def token_logprobs(
    model: PreTrainedModel, rollouts: Rollouts, rows: Int[Tensor, " row"], temperature: float, *, packing: bool
) -> tuple[Float[Tensor, "row token"], Float[Tensor, "row token"]]:
    """Log-probabilities and entropies of the response tokens of some rows, cut to the longest of them."""
    logprobs, entropies = before_tokens(
        partial(next_logprobs, model, temperatures=(temperature,)), rollouts, rows, model.device, packing=packing
    )
    return logprobs, entropies


def before_tokens(
    read: ForwardPass, rollouts: Rollouts, rows: Int[Tensor, " row"], device: torch.device, *, packing: bool
) -> tuple[Tensor, ...]:
    """What ``read`` finds in the slot before every response token of some rows, cut to the longest of them.

    Rollouts live in main memory, and so does what was read; the model may live elsewhere. With ``packing`` the rows go
    through the model one after the other as a single row without padding, each with positions of its own, by which the
    model keeps them apart; masked slots then hold 0.
    """
    mask = rollouts.mask[rows]
    mask = mask[:, : int(mask.sum(dim=1).max())].to(device)
    width = mask.shape[1]
    ids = torch.cat([rollouts.prompt[rows], rollouts.tokens[rows, :width]], dim=1).to(device)
    attention = torch.cat([rollouts.prompt_mask[rows].to(device), mask], dim=1)
    position = (attention.cumsum(dim=1) - 1).clamp(min=0)
    if not packing:
        return tuple(values.cpu() for values in read(ids, position, attention, last=width))
    before = torch.zeros_like(attention)  # slots that a response token follows
    before[:, -width - 1 : -1] = mask
    real = int(attention.sum())
    output = read(ids[attention][None], position[attention][None], None, last=real - 1)
    follows = before[attention][None, :-1]  # nothing follows the last slot
    return tuple(torch.zeros(mask.shape, device=x.device).masked_scatter(mask, x[follows]).cpu() for x in output)


def next_logprobs(
    model: PreTrainedModel,
    ids: Int[Tensor, "row slot"],
    position: Int[Tensor, "row slot"],
    attention: Bool[Tensor, "row slot"] | None,
    *,
    last: int,
    temperatures: Sequence[float],
) -> tuple[Float[Tensor, "row last"], ...]:
    """How likely each of the ``last`` tokens of a row was after those before it, and the entropy there; two a heat."""
    inputs = {"input_ids": ids, "attention_mask": attention, "position_ids": position, "use_cache": False}
    head = model.lm_head
    with autocast(model.dtype):
        if isinstance(head, TargetHead):
            with head.told(
                ids[:, -last - 1 :].roll(-1, dims=1), temperatures
            ):  # the last slot's target counts for naught
                output = model(**inputs, logits_to_keep=last + 1).logits[:, :-1]
            return output.unbind(dim=-1)
        logits = model(**inputs).logits
    found = []
    for temperature in temperatures:
        heated = logits[:, -last - 1 : -1].float() / temperature
        found += [heated.log_softmax(dim=-1).gather(2, ids[:, -last:, None]).squeeze(2), entropy(heated)]
    return tuple(found)


def all_logprobs(
    model: PreTrainedModel, rollouts: Rollouts, temperature: float, tokens_per_microbatch: int, *, packing: bool = False
) -> Float[Tensor, "batch token"]:
    """Log-probabilities of all response tokens, without gradients; 0 where masked."""
    return logprobs_at(model, rollouts, (temperature,), tokens_per_microbatch, packing=packing)[:, 0]


def logprobs_at(
    model: PreTrainedModel,
    rollouts: Rollouts,
    temperatures: Sequence[float],
    tokens_per_microbatch: int,
    *,
    packing: bool = False,
) -> Float[Tensor, "batch heat token"]:
    """The same at several temperatures, from one pass."""
    logprobs = torch.zeros(len(rollouts.tokens), len(temperatures), rollouts.tokens.shape[1])
    read = partial(next_logprobs, model, temperatures=temperatures)
    with torch.no_grad():
        for rows in microbatches(total_lengths(rollouts, packing), tokens_per_microbatch, packing):
            some = torch.stack(before_tokens(read, rollouts, rows, model.device, packing=packing)[::2], dim=1)
            width = some.shape[2]
            logprobs[rows, :, :width] = some * rollouts.mask[rows, None, :width]
    return logprobs
