"""Process consistency: responses whose steps and outcome agree."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def prof(
    outcome: Float[Tensor, " batch"],
    group: Int[Tensor, " batch"],
    step_scores: Float[Tensor, "batch step"],
    step_mask: Bool[Tensor, "batch step"],
    *,
    share: float,
    penalty: float,
    longest: int,
) -> Bool[Tensor, " batch"]:
    """Of the n responses to each prompt the ``m = max(2, round(share·n))`` whose steps and outcome agree best.

    PROF (arXiv 2509.03403, algorithm 1): right responses with the highest and wrong ones with the lowest mean step
    score stay, ``s = mean_h r^h − λ·[H = 1 or H ≥ H_λ]`` with H steps, λ ``penalty`` and H_λ ``longest``. With n₊ right
    and n₋ wrong ones, ``k₊ = min(n − m, ⌈(n₊ − n₋ + n − m)/2⌉)`` right ones go, not fewer than none, and the other
    n − m − k₊ from the wrong ones, so that both kinds are as even as they can be. This filter looks at process scores,
    as no other does: it never pays them.

    How far verified: means, ranks and the balance in the README of the paper's code; the formulas of s and k₊ in a
    reader's notes on algorithm 1, not in the paper.

    >>> outcome, group = torch.tensor([1.0, 1, 1, 0]), torch.tensor([0, 0, 0, 0])
    >>> scores = torch.tensor([[0.9, 0.7], [0.9, -0.9], [0.2, 0.4], [-0.8, 0.6]])
    >>> prof(outcome, group, scores, torch.ones(4, 2, dtype=torch.bool), share=0.5, penalty=0.0, longest=99)
    tensor([ True, False, False,  True])
    """
    lengths = step_mask.sum(dim=1)
    consistency = (step_scores * step_mask).sum(dim=1) / lengths - penalty * ((lengths == 1) | (lengths >= longest))
    keep = torch.zeros_like(group, dtype=torch.bool)
    for number in group.unique():
        rows = (group == number).nonzero().squeeze(1)
        right, wrong = rows[outcome[rows] > 0.5], rows[outcome[rows] <= 0.5]
        gone = len(rows) - min(len(rows), max(2, round(share * len(rows))))
        from_right = min(gone, max(0, -(-(len(right) - len(wrong) + gone) // 2)), len(right))
        from_right = max(from_right, gone - len(wrong))
        keep[right[consistency[right].argsort(descending=True, stable=True)][: len(right) - from_right]] = True
        keep[wrong[consistency[wrong].argsort(stable=True)][: len(wrong) - (gone - from_right)]] = True
    return keep
