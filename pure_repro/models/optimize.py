"""Optimizer steps over rows: what is minimised is a sum of terms, cut into micro-batches and dealt to the ranks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from pure_repro.config import Train
from pure_repro.models.batches import microbatches
from pure_repro.models.engine import Engine
from pure_repro.models.finite import require_finite
from pure_repro.models.ranks import Ranks


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
    ranks and micro-batches there are. Raises ``NotFinite`` for a gradient or a loss that is none.
    """
    first, *others = (torch.arange(len(term.lengths)) for term in terms)
    steps = first.split(train.rollouts_per_update)
    metrics: list[dict[str, float]] = []
    norms = []
    engine.policy.train(train.gradient_checkpointing)  # checkpointing works in this mode alone; no model has dropout
    for step in zip(steps, *(rows.tensor_split(len(steps)) for rows in others), strict=True):
        for term, members in zip(terms, step, strict=True):
            metrics += learn(engine, term, members, train) if len(members) else []
        norms.append(engine.step())
    engine.policy.eval()
    parts = [numbers for part in engine.ranks.gather(metrics) for numbers in part]
    names = dict.fromkeys(name for part in parts for name in part)
    summed = {name: sum(part.get(name, 0.0) for part in parts) for name in names}
    for term in terms:
        require_finite(f"the loss of {term.name}", summed.get(f"{term.name}/loss", 0.0))
    return summed | {f"{terms[0].name}/grad_norm": sum(norms) / len(norms)}


def learn(engine: Engine, term: Term, members: Int[Tensor, " member"], train: Train) -> list[dict[str, float]]:
    """Add this rank's gradients of some rows of a term; returns what they add to its numbers."""
    share = len(members) / len(term.lengths)
    metrics = []
    dealt = own_microbatches(term.lengths[members], train.tokens_per_microbatch, engine.ranks, train.packing)
    for local, counts in dealt:
        loss, numbers = term.loss(members, local)
        engine.backward(counts * loss)
        metrics.append({f"{term.name}/{k}": v * counts * share for k, v in {"loss": loss.item(), **numbers}.items()})
    return metrics
