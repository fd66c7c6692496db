"""Sums over the responses to one prompt, with and without the response itself.

They are taken in double precision, where adding equal single-precision numbers is exact: a group of equal
rewards then has exactly its reward as mean, and advantages of exactly zero.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def group_sizes(group: Int[Tensor, " batch"]) -> Int[Tensor, " batch"]:
    """K, the number of responses in each response's group.

    Raises ``ValueError`` for a group of one: a single response cannot be compared with others.

    >>> group_sizes(torch.tensor([7, 7, 3, 7, 3]))
    tensor([3, 3, 2, 3, 2])
    """
    numbers, index, sizes = group.unique(return_inverse=True, return_counts=True)
    if (sizes < 2).any():
        raise ValueError(
            f"group {int(numbers[sizes < 2][0])} holds one response, which has no others to compare with: "
            "sample at least 2 responses per prompt, or choose advantage=reinforce_pp, which needs no group"
        )
    return sizes[index]


def group_sum(values: Float[Tensor, " batch"], group: Int[Tensor, " batch"]) -> Float[Tensor, " batch"]:
    """``Σ_{k in group of i} xₖ`` for each response i, in double precision.

    >>> group_sum(torch.tensor([1.0, 2.0, 4.0, 8.0]), torch.tensor([0, 1, 0, 1]))
    tensor([ 5., 10.,  5., 10.], dtype=torch.float64)
    """
    numbers, index = group.unique(return_inverse=True)
    totals = torch.zeros(len(numbers), dtype=torch.double, device=values.device)
    return totals.index_add(0, index, values.double())[index]


def others_sum(values: Float[Tensor, " batch"], group: Int[Tensor, " batch"]) -> Float[Tensor, " batch"]:
    """Leave-one-out sum ``Σ_{k≠i} xₖ`` over i's group, in double precision.

    >>> others_sum(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([0, 0, 0]))
    tensor([6., 5., 3.], dtype=torch.float64)
    """
    return group_sum(values, group) - values


def others_mean(values: Float[Tensor, " batch"], group: Int[Tensor, " batch"]) -> Float[Tensor, " batch"]:
    """Leave-one-out mean ``(1/(K−1)) Σ_{k≠i} xₖ`` over i's group, in the precision of ``values``.

    Raises ``ValueError`` for a group of one.

    >>> others_mean(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([0, 0, 0]))
    tensor([3.0000, 2.5000, 1.5000])
    """
    return (others_sum(values, group) / (group_sizes(group) - 1)).to(values.dtype)
