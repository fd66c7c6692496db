"""Which prompts stay in the update, by how often their responses are right (verl release: its curriculum)."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def keep_groups(
    outcome: Float[Tensor, " batch"], known: Bool[Tensor, " batch"], group: Int[Tensor, " batch"], how: str
) -> Bool[Tensor, " batch"]:
    """Responses whose prompt stays. ``outcome`` is 1 right and 0 wrong; means are those of ``known`` outcomes.

    A prompt of which none is known, as one without an answer, counts as 0 right.

    - ``all``: every prompt;
    - ``remove_extreme``: ``0 < mean outcome < 1``, since a group of equal outcomes has no advantage;
    - ``interquartile``: means from the first to the third quartile of the batch.

    So under ``remove_extreme`` every prompt without an answer is dropped, as the release does. Where nothing would
    stay everything does: the process rewards still differ.

    >>> outcome, group = torch.tensor([1.0, 0.0, 1.0, 1.0]), torch.tensor([0, 0, 1, 1])
    >>> known = torch.tensor([True, True, True, True])
    >>> keep_groups(outcome, known, group, "remove_extreme").tolist()
    [True, True, False, False]
    """
    if how == "all":
        return torch.ones_like(group, dtype=torch.bool)
    size = torch.zeros(int(group.max()) + 1).index_add(0, group, known.to(outcome.dtype))
    means = torch.zeros_like(size).index_add(0, group, outcome * known) / size.clamp(min=1)
    if how == "remove_extreme":
        stays = (means > 0) & (means < 1)
    else:
        low, high = means.quantile(0.25), means.quantile(0.75)
        stays = (means >= low) & (means <= high)
    return stays[group] if stays.any() else torch.ones_like(group, dtype=torch.bool)
