"""What an update learns from besides advantages: pairs of responses, and responses that are simply to become likely."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pure_repro.config import ExpoGrpo, Preference, Train
from pure_repro.models.batches import total_lengths
from pure_repro.models.engine import Engine
from pure_repro.models.logprobs import token_logprobs
from pure_repro.models.optimize import Term
from pure_repro.objective import objective_loss
from pure_repro.objective.likelihood import negative_likelihood
from pure_repro.objective.treg import agreement
from pure_repro.types import Rollouts


@dataclass(frozen=True)
class Side:
    """One response of every pair: what the base model thinks of it and, where they are given, its token rewards."""

    rollouts: Rollouts
    reference: Float[Tensor, "pair token"]
    token_rewards: Float[Tensor, "pair token"] | None


def preference_pairs(
    outcome: Sequence[float], group: Sequence[int], most: int
) -> tuple[Int[Tensor, " pair"], Int[Tensor, " pair"]]:
    """Right responses, each with a wrong one to the same problem; at most so many a problem, and no response twice.

    >>> right, wrong = preference_pairs([1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0], [0, 0, 0, 0, 1, 1, 2, 2], most=4)
    >>> right.tolist(), wrong.tolist()
    ([0, 2], [1, 3])
    """
    chosen, rejected = [], []
    for number in dict.fromkeys(group):
        rows = [row for row, other in enumerate(group) if other == number]
        right, wrong = ([row for row in rows if (outcome[row] > 0.5) == good] for good in (True, False))
        matched = [*zip(right, wrong, strict=False)][:most]
        chosen += [one for one, _ in matched]
        rejected += [other for _, other in matched]
    return torch.tensor(chosen, dtype=torch.long), torch.tensor(rejected, dtype=torch.long)


def preference(engine: Engine, chosen: Side, rejected: Side, objective: Preference, train: Train) -> Term:
    """Pairs under a preference loss; a micro-batch holds both responses of each of its pairs."""
    loss_of = objective_loss(objective.loss)
    keys = objective.model_dump(include={"beta", "alpha", "weighting"})

    def read(side: Side, rows: Tensor) -> tuple[Tensor, Tensor | None]:
        """How much likelier responses are than under the reference, and how far their tokens agree with rewards."""
        logprobs, _ = token_logprobs(engine.policy, side.rollouts, rows, objective.temperature, packing=train.packing)
        mask = side.rollouts.mask[rows, : logprobs.shape[1]]
        gain = (logprobs - side.reference[rows, : logprobs.shape[1]]).masked_fill(~mask, 0).sum(dim=1)
        if side.token_rewards is None:
            return gain, None
        return gain, agreement(logprobs, side.token_rewards[rows, : logprobs.shape[1]], mask)

    def loss(members: Tensor, local: Tensor) -> tuple[Tensor, dict[str, float]]:
        """What some pairs add to the mean over all, and how far apart their sides are."""
        (better, agreed), (worse, agreed_too) = (read(side, members[local]) for side in (chosen, rejected))
        more = () if agreed is None or agreed_too is None else (agreed + agreed_too,)
        losses, margin = loss_of(better, worse, *more, **keys), (better - worse).detach()
        numbers = {"margin": margin, "right_order": (margin > 0).float(), "chosen": better.detach()}
        return losses.sum() / len(members), {k: v.sum().item() / len(members) for k, v in numbers.items()}

    lengths = total_lengths(chosen.rollouts, train.packing) + total_lengths(rejected.rollouts, train.packing)
    return Term("pairs", lengths, loss)


def likelihood(engine: Engine, rollouts: Rollouts, share: float, objective: ExpoGrpo, train: Train) -> Term:
    """Responses that are to become likely; ``share`` is that of the step's problems that have one.

    So the term is a mean over all problems, of which those without a response add nothing.
    """

    def loss(members: Tensor, local: Tensor) -> tuple[Tensor, dict[str, float]]:
        """What some rows add to the mean over all."""
        rows = members[local]
        logprobs, _ = token_logprobs(engine.policy, rollouts, rows, objective.temperature, packing=train.packing)
        mask = rollouts.mask[rows, : logprobs.shape[1]]
        losses = negative_likelihood(logprobs, mask, reduce=objective.reduce).sum() / len(members)
        return objective.weight * share * losses, {"nll": losses.item()}

    return Term("positives", total_lengths(rollouts, train.packing), loss)
