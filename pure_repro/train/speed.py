"""How fast a step was: tokens a second, what the device could have done, slots and prompts that taught nothing."""

from collections.abc import Mapping

from jaxtyping import Float, Int
from torch import Tensor

from pure_repro.config import Train
from pure_repro.models.batches import microbatches, total_lengths
from pure_repro.types import Batch

# Dense bfloat16 TFLOP/s by a part of the device's name, the more special name first.
PEAKS = {"H200": 989, "H100 PCIe": 756, "H100": 989, "A100": 312, "L40S": 362, "L4": 121, "RTX 4090": 165}


def peak_of(device: str) -> float | None:
    """Operations a second of a GPU by its name, in bfloat16; ``None`` where nobody has written it down here.

    >>> peak_of("NVIDIA H100 80GB HBM3"), peak_of("CPU")
    (989000000000000.0, None)
    """
    return next((1e12 * value for part, value in PEAKS.items() if part in device), None)


def speed_figures(
    batch: Batch, seconds: Mapping[str, float], train: Train, *, parameters: int, ranks: int, peak: float | None
) -> dict[str, float]:
    """Tokens a second of sampling and of the update, the update's share of the devices' peak, and what was in vain.

    ``speed/utilisation`` is ``6·M·tokens / (seconds · ranks · peak)`` for M ``parameters`` (PaLM, arXiv 2204.02311,
    App. B, without attention); activations that are computed again count once.
    """
    sampled = int(batch.rollouts.mask.sum())
    read = sampled + int(batch.rollouts.prompt_mask.sum())
    lengths = total_lengths(batch.rollouts, train.packing)
    figures = {"speed/wasted_slots": wasted_slots(lengths, read, train.tokens_per_microbatch, train.packing)}
    if spent := seconds.get("sample"):
        figures["speed/sampled_tokens_per_second"] = sampled / spent
    if spent := seconds.get("update"):
        figures["speed/trained_tokens_per_second"] = read / spent
        if peak is not None:
            figures["speed/utilisation"] = 6 * parameters * read / (spent * ranks * peak)
    if batch.advantages is not None:
        figures["advantage/zero_groups"] = zero_groups(batch.advantages, batch.rollouts.group)
    return figures


def wasted_slots(lengths: Int[Tensor, " row"], real: int, tokens_per_microbatch: int, packing: bool) -> float:
    """Share of the slots of all micro-batches that hold padding; ``real`` is how many do not.

    >>> import torch
    >>> wasted_slots(torch.tensor([4, 2]), 6, tokens_per_microbatch=8, packing=False)
    0.25
    """
    slots = sum(
        int(lengths[rows].sum() if packing else lengths[rows].max() * len(rows))
        for rows in microbatches(lengths, tokens_per_microbatch, packing)
    )
    return 1 - real / slots


def zero_groups(advantages: Float[Tensor, "batch token"], group: Int[Tensor, " batch"]) -> float:
    """Share of the prompts none of whose responses teaches anything.

    >>> import torch
    >>> zero_groups(torch.tensor([[0.0], [0.0], [1.0], [-1.0]]), torch.tensor([0, 0, 1, 1]))
    0.5
    """
    teaches = (advantages != 0).any(dim=1)
    return 1 - len(group[teaches].unique()) / len(group.unique())
