"""Group-relative z-score of token returns."""

from jaxtyping import Bool, Float, Int
from torch import Tensor

from pure_repro.advantage.group_statistics import group_sizes, group_sum
from pure_repro.types import Steps

EPSILON = 1e-6  # as in verl; small beside any spread of rewards


def grpo(
    returns: Float[Tensor, "batch token"],
    mask: Bool[Tensor, "batch token"],
    group: Int[Tensor, " batch"],
    steps: Steps,
    *,
    max_tokens: int,
) -> Float[Tensor, "batch token"]:
    """``A_{i,t} = (G_{i,t} − μ) / (σ + ε)``, the z-score within i's group; ε = 1e-6.

    ``μ = (1/K) Σ_k mean_l G_{k,l}`` and ``σ² = (1/(K−1)) Σ_k mean_l (G_{k,l} − μ)²``, the means over the
    response's own tokens: a response weighs the same however long it is. With an outcome reward all tokens
    of a response share its return, and this is the GRPO of DeepSeekMath (arXiv 2402.03300) with the
    unbiased deviation; with process rewards it is the mean and deviation of the group's token returns (PURE
    App. F.2; its verl release counts padding too). Advantages have no unit; a group of equal outcomes gets
    zeros. Raises ``ValueError`` for a group of one.

    >>> import torch
    >>> outcome = torch.tensor([[0.9], [0.2], [0.8], [0.6]])
    >>> one_step = Steps(end=torch.zeros(4, 1, dtype=torch.long), mask=torch.ones(4, 1, dtype=torch.bool))
    >>> grpo(outcome, outcome > 0, torch.tensor([0, 0, 0, 0]), one_step, max_tokens=1)
    tensor([[ 0.8883],
            [-1.3729],
            [ 0.5653],
            [-0.0808]])
    """
    size, length = group_sizes(group), mask.sum(dim=1).clamp(min=1)
    response_mean = returns.double().sum(dim=1) / length
    centred = (returns - (group_sum(response_mean, group) / size)[:, None]).masked_fill(~mask, 0)
    deviation = (group_sum(centred.square().sum(dim=1) / length, group) / (size - 1)).sqrt()
    return (centred / (deviation[:, None] + EPSILON)).to(returns.dtype)
