"""Subgoals: what a response earns for reaching each of them for the first time, and how good their judge is."""

from collections.abc import Sequence

from jaxtyping import Bool, Float, Int
from torch import Tensor


def subgoal_rewards(
    hit: Bool[Tensor, "batch step subgoal"],
    step_mask: Bool[Tensor, "batch step"],
    subgoals: Int[Tensor, " batch"],
    *,
    beta: float,
) -> Float[Tensor, "batch step"]:
    """``r_s = β·Σ_m f_{s,m}/M``: f is hit where no earlier step hit the same subgoal, and 0 else; at most β in all.

    After CALM (arXiv 2409.12798), whose auxiliary reward is paid for each subgoal that is judged achieved; that each
    pays once is ours. ``subgoals`` is M of every response. To repeat a step that has achieved a subgoal earns nothing.

    >>> import torch
    >>> hit = torch.tensor([[[True, False], [False, False], [False, True], [False, True]]])
    >>> subgoal_rewards(hit, torch.ones(1, 4, dtype=torch.bool), torch.tensor([2]), beta=0.1)
    tensor([[0.0500, 0.0000, 0.0500, 0.0000]])
    """
    counted = (hit & step_mask[:, :, None]).int()
    first = (counted.cumsum(dim=1) == 1) & (counted == 1)
    return beta * first.sum(dim=2) / subgoals.clamp(min=1)[:, None]


def quality(said: Sequence[bool], truth: Sequence[bool]) -> dict[str, float]:
    """Precision, recall and F1 of a judge's flags; 0 where there is nothing to divide by.

    >>> quality([True, False, True, True], [False, True, True, True])
    {'precision': 0.6666666666666666, 'recall': 0.6666666666666666, 'f1': 0.6666666666666666}
    """
    right = sum(a and b for a, b in zip(said, truth, strict=True))
    precision, recall = right / max(sum(said), 1), right / max(sum(truth), 1)
    return {"precision": precision, "recall": recall, "f1": 2 * precision * recall / max(precision + recall, 1e-12)}
