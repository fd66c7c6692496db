"""From reward streams to the advantages of a batch: each stream by its own credit and estimator, then their sum."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pure_repro.advantage import advantage_estimator
from pure_repro.advantage.mask_ends import is_step_end, mask_step_ends
from pure_repro.advantage.whiten import whiten
from pure_repro.config import Compared, Gae
from pure_repro.types import Rollouts, Steps


@dataclass(frozen=True)
class Returns:
    """What is still to come of one reward at every token, undiscounted, and how it is compared.

    ``known`` says which responses have this reward: one without is not a wrong one. ``estimator`` names the baseline;
    ``none`` takes nothing off.
    """

    values: Float[Tensor, "batch token"]
    known: Bool[Tensor, " batch"]
    weight: float
    estimator: str


def compared(
    returns: Sequence[Returns], rollouts: Rollouts, steps: Steps, *, max_tokens: int
) -> Float[Tensor, "batch token"]:
    """``A = Σ_i w_i·A_i``: each reward less its own estimator's baseline, and 0 of a reward that is not known.

    A response whose problem has no answer has no outcome part: not a wrong answer, no signal. Outcomes are compared
    among the responses that have one, also by estimators that look at the whole batch. A penalty is one of the rewards;
    the verl release has one baseline for all rewards, the OpenRLHF release none for it.
    """

    def less_baseline(one: Returns) -> Float[Tensor, "batch token"]:
        """A stream's returns minus its own baseline, 0 where nothing is known."""
        rows, made = one.known.nonzero().squeeze(1), one.values * one.known[:, None]
        if one.estimator != "none" and len(rows):
            those = (one.values[rows], rollouts.mask[rows], rollouts.group[rows], steps.rows(rows))
            made[rows] = advantage_estimator(one.estimator)(*those, max_tokens=max_tokens)
        return made

    parts = [one.weight * less_baseline(one) for one in returns]
    return sum(parts[1:], start=parts[0])


def as_one(returns: Sequence[Returns], estimator: str) -> Returns:
    """The weighted sum of all rewards as a single one: what verl's and OpenRLHF's estimators normalise.

    A reward that is not known adds nothing.
    """
    return Returns(total(returns), torch.stack([one.known for one in returns]).any(dim=0), 1.0, estimator)


def total(returns: Sequence[Returns]) -> Float[Tensor, "batch token"]:
    """``G = Σ_i w_i·G_i``: the one sum that a critic foretells; a reward that is not known adds nothing."""
    weighted = [one.weight * one.values * one.known[:, None] for one in returns]
    return sum(weighted[1:], start=weighted[0])


def with_switches(
    advantages: Float[Tensor, "batch token"],
    rollouts: Rollouts,
    steps: Steps,
    kept: Bool[Tensor, " batch"],
    advantage: Compared | Gae,
) -> Float[Tensor, "batch token"]:
    """Advantages after the two switches of the releases.

    Rows that are not ``kept`` have advantage 0 and do not count in the batch's mean and variance. ``mask_step_ends``
    takes the loss off separators and EOS (OpenRLHF release), ``whiten`` brings the batch to mean 0 and variance 1 over
    the tokens that still count (both releases).
    """
    advantages, counted = advantages * kept[:, None], rollouts.mask & kept[:, None]
    if advantage.mask_step_ends:
        advantages = mask_step_ends(advantages, steps)
        counted = counted & ~is_step_end(steps, counted.shape[1])
    return whiten(advantages, counted, eps=advantage.whiten_eps) if advantage.whiten else advantages


def penalty_to_go(
    penalty: Float[Tensor, "batch token"], mask: Bool[Tensor, "batch token"]
) -> Float[Tensor, "batch token"]:
    """``−Σ_{u≥t} penalty_u``: a penalty on tokens as part of the reward, without a baseline (OpenRLHF release).

    >>> import torch
    >>> penalty_to_go(torch.tensor([[1.0, 2.0, 9.0]]), torch.tensor([[True, True, False]])).tolist()
    [[-3.0, -2.0, 0.0]]
    """
    to_go = penalty.masked_fill(~mask, 0).flip(1).cumsum(dim=1).flip(1)
    return (-to_go).masked_fill(~mask, 0)
