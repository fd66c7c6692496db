"""Implicit process rewards: what a language model that was fitted to outcomes says of every token (PRIME).

A model φ is fitted so that ``β·log(π_φ/π_ref)`` of a whole response is the logit of its being right. The same ratio
of a single token is then a reward for this token, and no step was ever labelled.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

EPSILON = 1e-6  # as in the releases; small beside any return


def implicit_rewards(
    logprobs: Float[Tensor, "batch token"],
    reference: Float[Tensor, "batch token"],
    mask: Bool[Tensor, "batch token"],
    *,
    beta: float,
) -> Float[Tensor, "batch token"]:
    """``r_t = β·(log π_φ(y_t|y_<t) − log π_ref(y_t|y_<t))``, 0 outside the mask.

    PRIME (arXiv 2502.01456, Eq. 3). Their sum up to t is ``q_t = β·log E_ref[exp(r(y)/β) | y_≤t]``, so that r_t is by
    how much token t raises the soft value of what has been written; their sum over the response is the logit of its
    being right. Differentiable in ``logprobs``. Rewards are in nats times β.

    >>> ratios, mask = torch.tensor([[0.9, 0.2, 0.8, 0.6]]), torch.ones(1, 4, dtype=torch.bool)
    >>> rewards = implicit_rewards(ratios, torch.zeros(1, 4), mask, beta=0.05)
    >>> rewards, rewards.cumsum(dim=1)
    (tensor([[0.0450, 0.0100, 0.0400, 0.0300]]), tensor([[0.0450, 0.0550, 0.0950, 0.1250]]))
    """
    return (beta * (logprobs - reference)).masked_fill(~mask, 0)


def outcome_losses(rewards: Float[Tensor, "batch token"], outcome: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
    """``−o·log σ(R) − (1−o)·log(1 − σ(R))`` of each response, with ``R = Σ_t r_t`` its implicit rewards' sum.

    The cross-entropy that fits the reward model online (PRIME, Eq. 4); ``outcome`` is 1 right and 0 wrong, or the
    share of tests that pass. Rewards are 0 where masked. Losses are in nats.

    >>> rewards = torch.tensor([[0.045, 0.010, 0.040, 0.030]]).expand(2, 4)
    >>> outcome_losses(rewards, torch.tensor([1.0, 0.0]))
    tensor([0.6326, 0.7576])
    """
    return binary_cross_entropy_with_logits(rewards.sum(dim=1), outcome, reduction="none")


def by_largest_return(
    rewards: Float[Tensor, "batch token"], mask: Bool[Tensor, "batch token"]
) -> Float[Tensor, "batch token"]:
    """``r_t / (max |Σ_{s≥t} r_s| + 1e-6)``, the largest over all tokens of the batch.

    ``reward_model.reward_norm=batch_norm`` in the releases of PRIME, and not in its Eq. 5. The policy then does not
    feel β. The releases take the largest over what one rank holds, which is the batch here.

    >>> rewards, mask = torch.tensor([[0.045, 0.010, 0.040, 0.030]]), torch.ones(1, 4, dtype=torch.bool)
    >>> by_largest_return(rewards, mask)
    tensor([[0.3600, 0.0800, 0.3200, 0.2400]])
    """
    to_go = rewards.flip(1).cumsum(dim=1).flip(1).masked_fill(~mask, 0)
    return rewards / (to_go.abs().max() + EPSILON)


def ranked_right(
    rewards: Float[Tensor, " batch"], outcome: Float[Tensor, " batch"], group: Int[Tensor, " batch"]
) -> float:
    """Share of pairs of a right and a wrong response to one prompt in which the right one has the higher reward.

    The mean over prompts; a prompt whose outcomes are all equal has no pair and counts one half, as an equal reward
    does (``dpo_acc`` in the releases of PRIME).

    >>> outcome, group = torch.tensor([1.0, 0.0, 0.0, 1.0, 1.0]), torch.tensor([0, 0, 0, 1, 1])
    >>> ranked_right(torch.tensor([0.5, 0.1, 0.9, 0.2, 0.3]), outcome, group)
    0.5
    >>> ranked_right(torch.tensor([0.5, 0.1, 0.2, 0.2, 0.3]), outcome, group)
    0.75
    """
    prompts, prompt = group.unique(return_inverse=True)
    pairs = (outcome[:, None] > outcome) & (prompt[:, None] == prompt)
    higher = (rewards[:, None] > rewards).double() + 0.5 * (rewards[:, None] == rewards).double()
    none = torch.zeros(len(prompts), dtype=torch.double)
    ranked, there = (none.index_add(0, prompt, x.sum(dim=1).double()) for x in (pairs * higher, pairs))
    return torch.where(there > 0, ranked / there, 0.5).mean().item()
