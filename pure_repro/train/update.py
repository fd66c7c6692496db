"""One update of the policy from rollouts and their advantages."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import PreTrainedModel

from pure_repro.config import PolicyGradient, Train
from pure_repro.models.engine import Engine
from pure_repro.models.head import TargetHead
from pure_repro.models.precision import autocast
from pure_repro.models.ranks import Ranks
from pure_repro.objective import objective_loss
from pure_repro.objective.aggregate import token_weights
from pure_repro.objective.entropy import entropy
from pure_repro.objective.importance import truncated_importance
from pure_repro.objective.kl import kl_estimate
from pure_repro.rollout.batches import microbatches, total_lengths
from pure_repro.types import Rollouts

Reading = Callable[..., tuple[Tensor, ...]]  # (ids, position, attention, last=…) → what was read, each (row, last)


def token_logprobs(
    model: PreTrainedModel, rollouts: Rollouts, rows: Int[Tensor, " row"], temperature: float, *, packing: bool
) -> tuple[Float[Tensor, "row token"], Float[Tensor, "row token"]]:
    """Log-probabilities and entropies of the response tokens of some rows, cut to the longest of them."""
    chosen, entropies = before_tokens(
        partial(next_logprobs, model, temperature=temperature), rollouts, rows, model.device, packing=packing
    )
    return chosen, entropies


def before_tokens(
    read: Reading, rollouts: Rollouts, rows: Int[Tensor, " row"], device: torch.device, *, packing: bool
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
        return tuple(found.cpu() for found in read(ids, position, attention, last=width))
    before = torch.zeros_like(attention)  # slots that a response token follows
    before[:, -width - 1 : -1] = mask
    real = int(attention.sum())
    made = read(ids[attention][None], position[attention][None], None, last=real - 1)
    follows = before[attention][None, :-1]  # nothing follows the last slot
    return tuple(torch.zeros(mask.shape, device=x.device).masked_scatter(mask, x[follows]).cpu() for x in made)


def next_logprobs(
    model: PreTrainedModel,
    ids: Int[Tensor, "row slot"],
    position: Int[Tensor, "row slot"],
    attention: Bool[Tensor, "row slot"] | None,
    *,
    last: int,
    temperature: float,
) -> tuple[Float[Tensor, "row last"], Float[Tensor, "row last"]]:
    """How likely each of the ``last`` tokens of a row was after those before it, and the entropy there."""
    inputs = {"input_ids": ids, "attention_mask": attention, "position_ids": position, "use_cache": False}
    head = model.lm_head
    with autocast(model.dtype):
        if isinstance(head, TargetHead):
            with head.told(
                ids[:, -last - 1 :].roll(-1, dims=1), temperature
            ):  # the last slot's target counts for naught
                made = model(**inputs, logits_to_keep=last + 1).logits[:, :-1]
            return made[..., 0], made[..., 1]
        logits = model(**inputs).logits
    logits = logits[:, -last - 1 : -1].float() / temperature
    chosen = logits.log_softmax(dim=-1).gather(2, ids[:, -last:, None]).squeeze(2)
    return chosen, entropy(logits)


def own_microbatches(
    lengths: Int[Tensor, " row"], tokens_per_microbatch: int, ranks: Ranks, packing: bool = False
) -> list[tuple[Int[Tensor, " _"], float]]:  # each of its own size
    """The micro-batches of this rank, and what each counts.

    There are as many on every rank, for sharded weights are read in step. They are dealt in order of length, so that
    those of one round cost about the same. Where their number is no multiple of the ranks, the largest are halved;
    where all are single rows by then, ranks that are left without one read the shortest again, and it counts 0.

    >>> lengths = torch.tensor([9, 2, 8, 3])
    >>> def dealt(lengths, budget):
    ...     made = [own_microbatches(lengths, budget, Ranks(number, 2)) for number in (0, 1)]
    ...     return [[(rows.tolist(), counts) for rows, counts in own] for own in made]
    >>> dealt(lengths, 100)
    [[([1, 3], 1.0)], [([2, 0], 1.0)]]
    >>> dealt(lengths[:3], 9)
    [[([1], 1.0), ([0], 1.0)], [([2], 1.0), ([1], 0.0)]]
    """
    batches = [*microbatches(lengths, tokens_per_microbatch, packing)]
    while len(batches) % ranks.size and len(batches) < len(lengths):
        largest = max(range(len(batches)), key=lambda i: len(batches[i]))
        rows = batches[largest]
        batches[largest : largest + 1] = [rows[: len(rows) // 2], rows[len(rows) // 2 :]]
    again = -len(batches) % ranks.size
    return [*[(rows, 1.0) for rows in batches], *[(batches[0], 0.0)] * again][ranks.number :: ranks.size]


def all_logprobs(
    model: PreTrainedModel, rollouts: Rollouts, temperature: float, tokens_per_microbatch: int, *, packing: bool = False
) -> Float[Tensor, "batch token"]:
    """Log-probabilities of all response tokens, without gradients; 0 where masked."""
    logprobs = torch.zeros(rollouts.tokens.shape)
    with torch.no_grad():
        for rows in microbatches(total_lengths(rollouts, packing), tokens_per_microbatch, packing):
            chosen, _ = token_logprobs(model, rollouts, rows, temperature, packing=packing)
            logprobs[rows, : chosen.shape[1]] = chosen * rollouts.mask[rows, : chosen.shape[1]]
    return logprobs


def mean_over(values: Float[Tensor, "row token"], weights: Float[Tensor, "row token"]) -> float:
    """``Σ w·x / Σ w``.

    >>> mean_over(torch.tensor([[1.0, 3.0, 100.0]]), torch.tensor([[1.0, 1.0, 0.0]]))
    2.0
    """
    return ((weights * values).sum() / weights.sum()).item()


def sampler_gap(
    logprobs: Float[Tensor, "batch token"], sampled: Float[Tensor, "batch token"], mask: Bool[Tensor, "batch token"]
) -> dict[str, float]:
    """``|log π − log μ|`` of the sampled tokens, on average and at most; π is the trainer's and μ the sampler's.

    >>> mask = torch.tensor([[True, True, False]])
    >>> sampler_gap(torch.tensor([[-1.5, -2.0, -9.0]]), torch.tensor([[-1.0, -2.0, 0.0]]), mask)
    {'sampler/logprob_gap_mean': 0.25, 'sampler/logprob_gap_max': 0.5}
    """
    gap = (logprobs - sampled).abs()[mask]
    return {"sampler/logprob_gap_mean": gap.mean().item(), "sampler/logprob_gap_max": gap.max().item()}


LossOf = Callable[[Int[Tensor, " member"], Int[Tensor, " row"]], tuple[Tensor, dict[str, float]]]


@dataclass(frozen=True)
class Term:
    """A term of what an update minimises: rows, what each of them costs in tokens, and the loss of some of them.

    ``loss(members, local)`` is what the rows ``members[local]`` add to the loss of an optimizer step, which is a mean
    over its ``members``, and numbers for the log that add up to theirs in the same way, under ``name``.
    """

    name: str
    lengths: Int[Tensor, " row"]
    loss: LossOf


def one_pass(engine: Engine, terms: Sequence[Term], train: Train) -> dict[str, float]:
    """One pass over the rows of all terms, whose losses are added; returns what happened.

    An optimizer step takes ``rollouts_per_update`` rows of the first term, and of each other its share. Every rank
    holds the whole batch and does its share of the micro-batches, so losses and gradients are the same however many
    ranks and micro-batches there are.
    """
    first, *others = (torch.arange(len(term.lengths)) for term in terms)
    steps = first.split(train.rollouts_per_update)
    told: list[dict[str, float]] = []
    norms = []
    engine.policy.train(train.gradient_checkpointing)  # checkpointing works in this mode alone; no model has dropout
    for step in zip(steps, *(rows.tensor_split(len(steps)) for rows in others), strict=True):
        for term, members in zip(terms, step, strict=True):
            told += learn(engine, term, members, train) if len(members) else []
        norms.append(engine.step())
    engine.policy.eval()
    parts = [numbers for part in engine.ranks.gather(told) for numbers in part]
    names = dict.fromkeys(name for part in parts for name in part)
    summed = {name: sum(part.get(name, 0.0) for part in parts) for name in names}
    return summed | {f"{terms[0].name}/grad_norm": sum(norms) / len(norms)}


def learn(engine: Engine, term: Term, members: Int[Tensor, " member"], train: Train) -> list[dict[str, float]]:
    """Add this rank's gradients of some rows of a term; returns what they add to its numbers."""
    share = len(members) / len(term.lengths)
    told = []
    dealt = own_microbatches(term.lengths[members], train.tokens_per_microbatch, engine.ranks, train.packing)
    for local, counts in dealt:
        loss, numbers = term.loss(members, local)
        engine.backward(counts * loss)
        told.append({f"{term.name}/{k}": v * counts * share for k, v in {"loss": loss.item(), **numbers}.items()})
    return told


def update(
    engine: Engine,
    rollouts: Rollouts,
    advantages: Float[Tensor, "batch token"],
    old_logprobs: Float[Tensor, "batch token"] | None,
    reference_logprobs: Float[Tensor, "batch token"] | None,
    objective: PolicyGradient,
    train: Train,
    *,
    temperature: float,
    max_tokens: int,
    beside: Sequence[Term] = (),
    heated_logprobs: Float[Tensor, "batch token"] | None = None,
) -> dict[str, float]:
    """One pass of the policy over the rollouts, and over the terms ``beside`` them; returns what happened.

    ``old_logprobs`` are those of the policy that sampled; with a single optimizer step that is the policy itself, and
    ``None`` takes the detached new ones. ``reference_logprobs`` are given when the loss has a KL term,
    ``heated_logprobs`` when the sampler's temperature is not the objective's: the policy's at the sampler's, to hold
    against what the sampler says (``sampler/logprob_gap_mean`` and ``_max``, ``|log π − log μ|`` a token).
    """
    policy, widest = objective_loss(objective.loss), [0.0]

    def loss_of(members: Tensor, local: Tensor) -> tuple[Tensor, dict[str, float]]:
        rows, mask = members[local], rollouts.mask[members]
        logprobs, entropies = token_logprobs(engine.policy, rollouts, rows, temperature, packing=train.packing)
        width = logprobs.shape[1]
        weights = token_weights(objective.aggregation, mask, max_tokens=max_tokens)[local, :width]
        counted = (mask / mask.sum())[local, :width]
        old = logprobs.detach() if old_logprobs is None else old_logprobs[rows, :width]
        losses = policy(logprobs, old, advantages[rows, :width], clip=objective.clip, clip_high=objective.clip_high)
        sampled = rollouts.logprobs[rows, :width]
        if objective.importance_cap is not None:
            losses = losses * truncated_importance(old, sampled, cap=objective.importance_cap)
        if reference_logprobs is not None:
            reference = reference_logprobs[rows, :width]
            kl = kl_estimate(objective.kl.estimator, logprobs, reference, objective.kl.clamp)
            losses = losses + objective.kl.beta * kl
        ratio = (logprobs.detach() - old).exp()
        if objective.max_mean_ratio is not None and mean_over(ratio, counted) > objective.max_mean_ratio:
            losses = losses * 0
        outside = (ratio < 1 - objective.clip) | (ratio > 1 + objective.clip_high)
        gap = ((old if heated_logprobs is None else heated_logprobs[rows, :width]) - sampled).abs()
        widest.append(gap[counted > 0].max().item())
        numbers = {"entropy": entropies.detach(), "clipped": outside, "ratio": ratio, "gap": gap}
        return (weights * losses).sum(), {name: (counted * value).sum().item() for name, value in numbers.items()}

    told = one_pass(engine, [Term("policy", total_lengths(rollouts, train.packing), loss_of), *beside], train)
    gaps = {"mean": told.pop("policy/gap"), "max": max(engine.ranks.gather(max(widest)))}
    return told | {f"sampler/logprob_gap_{name}": value for name, value in gaps.items()}
