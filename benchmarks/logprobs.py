"""The log-prob step at a large vocabulary: peak memory and time of forward and backward, in chunks and the plain way.

    python benchmarks/logprobs.py [--tokens 4096] [--vocabulary 152064] [--hidden 1536] [--dtype bfloat16] [--rounds 3]

The step goes from the last hidden states to log-probabilities and entropies of the sampled tokens, and back to the
gradients of hidden states and output weights. Each side runs in a process of its own, so that its peak is its own.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch import Tensor

from pure_repro.models.head import ChunkedLogprobs
from pure_repro.objective.entropy import entropy

SIDES = ("plain", "chunked")


def plain(hidden: Tensor, weight: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """As without ``train.chunked_logprobs``: all logits at once."""
    logits = (hidden @ weight.to(hidden.dtype).T).float()
    chosen = logits.log_softmax(dim=-1).gather(1, targets[:, None]).squeeze(1)
    with torch.no_grad():
        return chosen, entropy(logits[None])[0]


def chunked(hidden: Tensor, weight: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """As with it."""
    made: tuple[Tensor, Tensor] = ChunkedLogprobs.apply(hidden, weight, targets, 1.0)
    return made


def measure(side: str, tokens: int, vocabulary: int, width: int, dtype: str, rounds: int) -> dict[str, float]:
    """Seconds of the fastest round, and the most bytes above what was there before the first."""
    gpu = torch.cuda.is_available()
    device = torch.device("cuda" if gpu else "cpu")
    torch.manual_seed(0)
    hidden = torch.randn(tokens, width, device=device, dtype=getattr(torch, dtype)).requires_grad_()
    weight = (0.02 * torch.randn(vocabulary, width, device=device)).requires_grad_()
    targets = torch.randint(vocabulary, (tokens,), device=device)
    gains = torch.randn(tokens, device=device)
    before, seconds = used(gpu), []
    for _ in range(rounds):
        hidden.grad = weight.grad = None
        start = time.perf_counter()
        chosen, _ = {"plain": plain, "chunked": chunked}[side](hidden, weight, targets)
        (chosen * gains).sum().backward()
        if gpu:
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    assert hidden.grad is not None
    return {"seconds": min(seconds), "bytes": used(gpu) - before, "check": hidden.grad.float().norm().item()}


def used(gpu: bool) -> int:
    """The peak so far."""
    return torch.cuda.max_memory_allocated() if gpu else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    """Both sides, then the ratios."""
    parser = argparse.ArgumentParser()
    for name, value in (("tokens", 4096), ("vocabulary", 152_064), ("hidden", 1536), ("rounds", 3)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--side", choices=SIDES)
    asked = parser.parse_args()
    sizes = (asked.tokens, asked.vocabulary, asked.hidden, asked.dtype, asked.rounds)
    if asked.side:
        print(json.dumps(measure(asked.side, *sizes)))
        return
    made = {}
    for side in SIDES:
        words = [sys.executable, str(Path(__file__)), *sys.argv[1:], f"--side={side}"]
        made[side] = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
        print(f"{side:<8} {made[side]['seconds']:8.2f} s  {made[side]['bytes'] / 2**30:6.2f} GiB above the inputs")
    assert abs(made["plain"]["check"] / made["chunked"]["check"] - 1) < 1e-2, "both must compute the same"
    for key, bound in (("bytes", 0.25), ("seconds", 1.15)):
        print(f"chunked / plain, {key}: {made['chunked'][key] / made['plain'][key]:.2f} (at most {bound})")


if __name__ == "__main__":
    main()
