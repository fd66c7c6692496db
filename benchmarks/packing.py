"""Padding: slots computed and time of an update's forward and backward, packed against padded.

    python benchmarks/packing.py [--rows 96] [--budget 4096] [--rounds 3]

Responses of very different lengths go through one small Qwen2 in micro-batches of ``--budget`` tokens, three ways:
padded as they come, padded after sorting by length (``train.packing=false``), and one after the other without padding
(``train.packing=true``). Sides take turns. All three compute the same log-probabilities and gradients.
"""

import argparse
import time
from collections.abc import Iterator

import torch
from torch import Tensor
from transformers import PreTrainedModel, Qwen2Config, Qwen2ForCausalLM

from pure_repro.models.batches import microbatches, total_lengths
from pure_repro.models.logprobs import token_logprobs
from pure_repro.types import Rollouts

SIDES = ("as they come", "sorted", "packed")


def main() -> None:
    """All sides in turn, then the ratios to padding as it comes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in (("rows", 96), ("budget", 4096), ("rounds", 3)):
        parser.add_argument(f"--{name}", type=int, default=value)
    asked = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(0)
    shape = {"hidden_size": 256, "intermediate_size": 768, "num_hidden_layers": 4, "vocab_size": 512}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 4, "attn_implementation": "sdpa"}
    model = Qwen2ForCausalLM(Qwen2Config(**shape, **heads)).to(device)
    rollouts = uneven(asked.rows)
    seconds: dict[str, list[float]] = {side: [] for side in SIDES}
    for _ in range(asked.rounds + 1):  # the first warms up
        norms = {}
        for side in SIDES:
            start = time.perf_counter()
            norms[side] = one_pass(model, rollouts, side, asked.budget)
            seconds[side].append(time.perf_counter() - start)
        assert all(abs(norms[side] / norms[SIDES[0]] - 1) < 1e-3 for side in SIDES), "all must compute the same"
    real = int(total_lengths(rollouts, packing=True).sum())
    slots = {side: slots_of(rollouts, side, asked.budget) for side in SIDES}
    best = {side: min(times[1:]) for side, times in seconds.items()}
    print(f"{asked.rows} responses, {real} tokens with their prompts, micro-batches of {asked.budget}")
    for side in SIDES:
        print(
            f"{side:<13} {slots[side]:>8} slots, {1 - real / slots[side]:5.1%} of them padding {best[side]:8.2f} s"
            f"   ratios: slots {slots[side] / slots[SIDES[0]]:.2f}, seconds {best[side] / best[SIDES[0]]:.2f}"
        )


def uneven(rows: int) -> Rollouts:
    """Random tokens; prompts of 20 to 80, responses of about 150 by a log-normal distribution, at most 1,000."""
    prompts = torch.randint(20, 81, (rows,))
    lengths = (5 + 0.8 * torch.randn(rows)).exp().long().clamp(8, 1000)
    widest, longest = int(prompts.max()), int(lengths.max())
    mask = torch.arange(longest) < lengths[:, None]
    return Rollouts(
        prompt=torch.randint(3, 512, (rows, widest)),
        prompt_mask=torch.arange(widest) >= widest - prompts[:, None],
        tokens=torch.randint(3, 512, (rows, longest)),
        mask=mask,
        logprobs=torch.zeros(mask.shape),
        finished=torch.ones(rows, dtype=torch.bool),
        group=torch.arange(rows),
    )


def batches(rollouts: Rollouts, side: str, budget: int) -> Iterator[Tensor]:
    """Rows of the micro-batches of a side."""
    if side == "as they come":
        widest = rollouts.prompt.shape[1] + rollouts.tokens.shape[1]
        return iter(torch.arange(len(rollouts.mask)).split(max(budget // widest, 1)))
    packing = side == "packed"
    return microbatches(total_lengths(rollouts, packing), budget, packing)


def slots_of(rollouts: Rollouts, side: str, budget: int) -> int:
    """Tokens and padding that go through the model."""
    if side == "packed":
        return int(total_lengths(rollouts, packing=True).sum())
    lengths = total_lengths(rollouts)
    return sum(len(rows) * int(lengths[rows].max()) for rows in batches(rollouts, side, budget))


def one_pass(model: PreTrainedModel, rollouts: Rollouts, side: str, budget: int) -> float:
    """Forward and backward over all responses; returns the norm of the gradients."""
    model.zero_grad()
    for rows in batches(rollouts, side, budget):
        logprobs, _ = token_logprobs(model, rollouts, rows, 1.0, packing=side == "packed")
        (logprobs * rollouts.mask[rows, : logprobs.shape[1]]).sum().div(len(rollouts.mask)).backward()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return float(torch.nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None]))


if __name__ == "__main__":
    main()
