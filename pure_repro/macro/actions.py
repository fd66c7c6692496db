"""Rewards, values and advantages of macro actions, from those of their tokens and back."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pure_repro.advantage.gae import gae


def macro_gae(
    rewards: Float[Tensor, "batch token"],
    values: Float[Tensor, "batch token"],
    last: Bool[Tensor, "batch token"],
    mask: Bool[Tensor, "batch token"],
    *,
    gamma: float,
    lam: float,
    value: str,
    released_reward: bool,
    released_last_alone: bool,
) -> tuple[Float[Tensor, "batch token"], Float[Tensor, "batch token"]]:
    """Advantages and returns of tokens by their macro action: generalised advantages with macro actions as actions.

    ``R_τ = Σ r_t`` and ``V_τ = Σ σ_t·V(s_t)`` over the tokens of macro action τ, σ by ``value``; every token has the
    advantage and the return of its macro action (MA-RLHF, arXiv 2410.02743, as it is quoted; its reward discount ρ
    is 1). ``released_reward`` is the official code's ``R_τ = Σ σ_t·r_t``, which spares a reward on the last token only
    with ``released_last_alone``. ``last`` says which tokens end a macro action, as the rules do; the last of a response
    always does. One macro action a token is :func:`~pure_repro.advantage.gae.gae`, one a response its sum of rewards
    less one value.

    >>> rewards, values = torch.tensor([[0.9, 0.2, 0.8, 0.6]]), torch.tensor([[0.5, 0.4, 0.6, 0.3]])
    >>> last, mask = torch.tensor([[False, True, False, True]]), torch.ones(1, 4, dtype=torch.bool)
    >>> keys = {"gamma": 1.0, "lam": 0.95, "value": "equal"}
    >>> advantages, returns = macro_gae(
    ...     rewards, values, last, mask, **keys, released_reward=False, released_last_alone=False
    ... )
    >>> advantages
    tensor([[2.0025, 2.0025, 0.9500, 0.9500]])
    >>> returns
    tensor([[2.4525, 2.4525, 1.4000, 1.4000]])
    >>> macro_gae(rewards, values, last, mask, **keys, released_reward=True, released_last_alone=True)[0]
    tensor([[1.4457, 1.4457, 0.7850, 0.3000]])
    """
    action = numbered(last, mask, last_alone=released_last_alone)
    weights = value_weights(value, action, mask)
    size = int(action.max()) + 1
    earned = sum_by_action(rewards * weights if released_reward else rewards.masked_fill(~mask, 0), action, size)
    there = sum_by_action(mask.to(values.dtype), action, size) > 0
    estimates = gae(earned, sum_by_action(values * weights, action, size), there, gamma=gamma, lam=lam)
    advantages, returns = (each.gather(1, action).masked_fill(~mask, 0) for each in estimates)
    return advantages, returns


def numbered(
    last: Bool[Tensor, "batch token"], mask: Bool[Tensor, "batch token"], *, last_alone: bool
) -> Int[Tensor, "batch token"]:
    """The number of each token's macro action, from 0; of padding that of the last one.

    >>> mask = torch.tensor([[True, True, True, False]])
    >>> last = torch.tensor([[True, False, False, False]])
    >>> numbered(last, mask, last_alone=False), numbered(last, mask, last_alone=True)
    (tensor([[0, 1, 1, 1]]), tensor([[0, 1, 2, 2]]))
    """
    followed = mask.roll(-1, dims=1)
    followed[:, -1] = False
    ends = last & followed  # of a macro action that another one follows
    if last_alone:
        ends = ends | (followed & ~followed.roll(-1, dims=1))
    before = ends.long().cumsum(dim=1) - ends.long()
    return before.where(mask, before.masked_fill(~mask, 0).amax(dim=1, keepdim=True))


def value_weights(
    name: str, action: Int[Tensor, "batch token"], mask: Bool[Tensor, "batch token"]
) -> Float[Tensor, "batch token"]:
    """σ: how much each token's value counts in its macro action; they add up to 1 there, and padding counts nothing.

    With i from 0 for the first of n tokens: ``equal`` 1/n, ``unit`` the last token alone, ``position`` in proportion to
    1/(n − i), ``released_position`` to 1/(i + 1), the other way round, as the official code has it.

    >>> action, mask = torch.tensor([[0, 0, 0, 0]]), torch.ones(1, 4, dtype=torch.bool)
    >>> value_weights("position", action, mask)
    tensor([[0.1200, 0.1600, 0.2400, 0.4800]])
    """
    size = int(action.max()) + 1
    length = sum_by_action(mask.float(), action, size).gather(1, action)
    first = torch.full((len(mask), size), mask.shape[1]).scatter_reduce(
        1, action, torch.arange(mask.shape[1]).expand_as(action), "amin"
    )
    i = torch.arange(mask.shape[1]) - first.gather(1, action)
    match name:
        case "equal":
            raw = torch.ones_like(length)
        case "unit":
            raw = (i == length - 1).float()
        case "position":
            raw = 1 / (length - i)
        case _:
            raw = 1 / (i + 1)
    raw = raw.masked_fill(~mask, 0)
    return raw / sum_by_action(raw, action, size).gather(1, action)


def sum_by_action(
    tokens: Float[Tensor, "batch token"], action: Int[Tensor, "batch token"], size: int
) -> Float[Tensor, "batch action"]:
    """The sum over the tokens of each macro action.

    >>> sum_by_action(torch.tensor([[1.0, 2.0, 4.0]]), torch.tensor([[0, 0, 1]]), 2)
    tensor([[3., 4.]])
    """
    return torch.zeros(len(tokens), size, dtype=tokens.dtype).scatter_add(1, action, tokens)
