"""One update of the policy from rollouts and their advantages."""

from collections.abc import Sequence

from jaxtyping import Bool, Float
from torch import Tensor

from pure_repro.config import PolicyGradient, Train
from pure_repro.models.batches import total_lengths
from pure_repro.models.engine import Engine
from pure_repro.models.logprobs import token_logprobs
from pure_repro.models.optimize import Term, one_pass
from pure_repro.objective import objective_loss
from pure_repro.objective.aggregate import token_weights
from pure_repro.objective.importance import truncated_importance
from pure_repro.objective.kl import kl_estimate
from pure_repro.types import Rollouts


def mean_over(values: Float[Tensor, "row token"], weights: Float[Tensor, "row token"]) -> float:
    """``Σ w·x / Σ w``.

    >>> import torch
    >>> mean_over(torch.tensor([[1.0, 3.0, 100.0]]), torch.tensor([[1.0, 1.0, 0.0]]))
    2.0
    """
    return ((weights * values).sum() / weights.sum()).item()


def sampler_gap(
    logprobs: Float[Tensor, "batch token"], sampled: Float[Tensor, "batch token"], mask: Bool[Tensor, "batch token"]
) -> dict[str, float]:
    """``|log π − log μ|`` of the sampled tokens, on average and at most; π is the trainer's and μ the sampler's.

    ``mask`` is of the tokens that π drew itself: of those of an earlier step the gap says what has been learned since.

    >>> import torch
    >>> mask = torch.tensor([[True, True, False]])
    >>> sampler_gap(torch.tensor([[-1.5, -2.0, -9.0]]), torch.tensor([[-1.0, -2.0, 0.0]]), mask)
    {'sampler/logprob_gap_mean': 0.25, 'sampler/logprob_gap_max': 0.5}
    """
    if not mask.any():
        return {"sampler/logprob_gap_mean": 0.0, "sampler/logprob_gap_max": 0.0}
    gap = (logprobs - sampled).abs()[mask]
    return {"sampler/logprob_gap_mean": gap.mean().item(), "sampler/logprob_gap_max": gap.max().item()}


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
    policy, widest, drawn = objective_loss(objective.loss), [0.0], rollouts.fresh

    def loss_of(members: Tensor, local: Tensor) -> tuple[Tensor, dict[str, float]]:
        """What some rows add to the loss of their optimizer step."""
        rows, mask = members[local], rollouts.mask[members]
        logprobs, entropies = token_logprobs(engine.policy, rollouts, rows, temperature, packing=train.packing)
        width = logprobs.shape[1]
        logprobs = logprobs.masked_fill(~mask[local, :width], 0)  # of padding nothing is known, and nothing follows
        weights = token_weights(objective.aggregation, mask, max_tokens=max_tokens)[local, :width]
        counted = (mask / mask.sum())[local, :width]
        fresh = (drawn[members] / drawn[members].sum().clamp(min=1))[local, :width]
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
            losses = logprobs * 0  # not ``losses * 0``: of a ratio that is infinite that is no number
        outside = (ratio < 1 - objective.clip) | (ratio > 1 + objective.clip_high)
        gap = ((old if heated_logprobs is None else heated_logprobs[rows, :width]) - sampled).abs()
        widest.append(gap.masked_fill(fresh == 0, 0).max().item())
        numbers = {"entropy": entropies.detach(), "clipped": outside, "ratio": ratio}
        logged = {name: (counted * value).sum().item() for name, value in numbers.items()}
        return (weights * losses).sum(), {**logged, "gap": (fresh * gap).sum().item()}

    metrics = one_pass(engine, [Term("policy", total_lengths(rollouts, train.packing), loss_of), *beside], train)
    gaps = {"mean": metrics.pop("policy/gap"), "max": max(engine.ranks.gather(max(widest)))}
    return metrics | {f"sampler/logprob_gap_{name}": value for name, value in gaps.items()}
