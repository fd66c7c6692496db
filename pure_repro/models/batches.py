"""How responses are cut into micro-batches: padded to the longest of them, or packed one after the other."""

from collections.abc import Iterator

import torch
from jaxtyping import Int
from torch import Tensor

from pure_repro.types import Rollouts


def microbatches(
    lengths: Int[Tensor, " row"], tokens_per_microbatch: int, packing: bool = False
) -> Iterator[Int[Tensor, " row"]]:
    """Rows of similar length, as many together as stay within the budget; at least one.

    What counts is ``rows × longest``, or with ``packing``, which pads nothing, the sum of lengths.

    >>> [rows.tolist() for rows in microbatches(torch.tensor([9, 2, 8, 3]), tokens_per_microbatch=18)]
    [[1, 3], [2, 0]]
    >>> [rows.tolist() for rows in microbatches(torch.tensor([9, 2, 8, 3]), tokens_per_microbatch=18, packing=True)]
    [[1, 3, 2], [0]]
    """
    batch: list[int] = []
    for row in lengths.argsort().tolist():
        cost = int(lengths[[*batch, row]].sum()) if packing else (len(batch) + 1) * int(lengths[row])
        if batch and cost > tokens_per_microbatch:
            yield torch.tensor(batch)
            batch = []
        batch.append(row)
    yield torch.tensor(batch)


def total_lengths(rollouts: Rollouts, packing: bool = False) -> Int[Tensor, " batch"]:
    """Tokens a row costs in a batch: the prompt, padded unless rows are packed, and its own response."""
    prompt = rollouts.prompt_mask.sum(dim=1) if packing else rollouts.prompt.shape[1]
    return rollouts.mask.sum(dim=1) + prompt
