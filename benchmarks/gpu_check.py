"""Does what a node needs run on this GPU, and how fast? One CUDA GPU, no network: ``make gpu-check``.

    python benchmarks/gpu_check.py [--tiny] [--out results/gpu_check] [--teraflops 989]

A Qwen2 model of about 100 M parameters with random weights is made on the spot and goes through the code of a run:
sampling (Hugging Face, and vLLM where it is installed, asleep and awake), log-probabilities padded, packed, in chunks
and with an attention that keeps packed rows apart without a mask (varlen), updates by every training engine that is
here and by a low-rank adapter, in bfloat16, and the output layer of a vocabulary of 152,064 in chunks. Printed and
written: tokens a second, the share of the GPU's peak that matrix products reach (2M operations a token forward, 6M with
the backward pass; M parameters that take part; attention over earlier tokens is not counted), peak memory, and how far
the sampler's log-probabilities are from the trainer's. ``--tiny`` runs the same code in seconds on whatever is here.
"""

import argparse
import gc
import math
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Qwen2Config, Qwen2ForCausalLM

from pure_repro.config import Config, Pretrained, VllmRollout
from pure_repro.data.tokenizer import world_tokenizer
from pure_repro.launch.compose import composed
from pure_repro.launch.shapes import from_config
from pure_repro.models.adapter import add_adapter
from pure_repro.models.engine import open_engine
from pure_repro.models.head import ChunkedLogprobs, install_target_head
from pure_repro.models.logprobs import all_logprobs
from pure_repro.models.policy import load_policy
from pure_repro.models.precision import has_fast_bf16, sampling_copy, sampling_dtype
from pure_repro.models.ranks import ALONE, device, device_name, placed
from pure_repro.rollout.hf import SamplingPlan, generate
from pure_repro.track.manifest import environment, write_json
from pure_repro.train.speed import peak_of
from pure_repro.train.update import update
from pure_repro.types import Problem, Rollouts

WIDE = 152_064  # words of Qwen2.5-7B
ADAPTER = "{rank: 32, alpha: 64}"
MEAN_GAP = 0.02  # nats a token, on average: the digits of bfloat16 allow that much, a wrong mask or position does not


@dataclass(frozen=True)
class Sizes:
    """Of the model and of the work."""

    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    vocabulary: int
    prompts: int
    samples: int
    prompt_tokens: int
    new_tokens: int
    tokens_per_microbatch: int
    rounds: int


FULL = Sizes(768, 2048, 12, 12, 4, 32768, 32, 8, 128, 512, 16384, 5)
TINY = Sizes(64, 64, 2, 2, 1, 256, 3, 2, 8, 24, 100, 1)  # heads of 32, the narrowest that vLLM has


@dataclass
class Check:
    """What was measured so far."""

    sizes: Sizes
    parameters: int
    matrix_parameters: int
    teraflops: float | None
    phases: dict[str, dict[str, float | None]]
    gaps: dict[str, dict[str, float]]
    freed_gib: float | None = None  # what an engine of vLLM gives back while it sleeps

    def measure(
        self, name: str, tokens: int, each: int, work: Callable[[], Any], rounds: int = 1, size: int | None = None
    ) -> Any:
        """Time some work after a first round that warms up; a token costs ``each`` · M operations, M of the model."""
        work()
        synchronise()
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        start = time.perf_counter()
        for _ in range(rounds):
            made = work()
        synchronise()
        seconds = (time.perf_counter() - start) / rounds
        operations = each * (size or self.matrix_parameters) * tokens / seconds
        self.phases[name] = {
            "seconds": seconds,
            "tokens_per_second": tokens / seconds,
            "utilisation": operations / (self.teraflops * 1e12) if self.teraflops else None,
            "peak_gib": peak_bytes() / 2**30,
        }
        print(line(name, self.phases[name]), flush=True)
        return made

    def compare(self, name: str, one: Tensor, other: Tensor, mask: Tensor) -> None:
        """How far two sets of log-probabilities of the same tokens are apart."""
        apart = (one - other)[mask].abs()
        self.gaps[name] = {"mean": apart.mean().item(), "largest": apart.max().item()}
        print(f"{name:<44} mean {self.gaps[name]['mean']:.1e}, largest {self.gaps[name]['largest']:.1e}", flush=True)


def line(name: str, row: dict[str, float | None]) -> str:
    """A phase as it is printed."""
    share = "–" if row["utilisation"] is None else f"{100 * row['utilisation']:.1f} %"
    return (
        f"{name:<44} {row['seconds']:8.3f} s {row['tokens_per_second']:>12,.0f} tokens/s  of the peak {share:>7}  "
        f"{row['peak_gib']:6.2f} GiB"
    )


def synchronise() -> None:
    """Until the GPU has done what it was told."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def peak_bytes() -> int:
    """The most memory that was held at a time: on the GPU since it was last asked, else of this process."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def make_model(sizes: Sizes, folder: Path) -> Qwen2ForCausalLM:
    """Random weights in a folder like those of the hub; logits spread as far as those of a trained model."""
    tokenizer = world_tokenizer(modulus=23)
    torch.manual_seed(0)
    model = Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=sizes.vocabulary,
            hidden_size=sizes.hidden,
            intermediate_size=sizes.intermediate,
            num_hidden_layers=sizes.layers,
            num_attention_heads=sizes.heads,
            num_key_value_heads=sizes.kv_heads,
            max_position_embeddings=sizes.prompt_tokens + sizes.new_tokens,
            tie_word_embeddings=True,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )
    model.model.embed_tokens.weight.data.normal_(0, 0.08)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model


def settings(folder: Path, sizes: Sizes, engine: str, fast: bool, adapter: str = "null") -> Config:
    """A run's own configuration; ``fast`` packs responses, keeps them apart and takes log-probabilities in chunks."""
    return composed(
        [
            *("model=local", f"model.path={folder}", "model.dtype=float32", f"model.adapter={adapter}"),
            *(f"train={engine}", f"train.attention={'varlen' if fast else 'sdpa'}"),
            *("score=benchmarks", f"model.context={sizes.prompt_tokens + sizes.new_tokens}"),
            *(f"rollout.max_new_tokens={sizes.new_tokens}", f"train.prompts_per_step={sizes.prompts}"),
            *(
                f"train.samples_per_prompt={sizes.samples}",
                f"train.rollouts_per_update={sizes.prompts * sizes.samples}",
            ),
            *(f"train.tokens_per_microbatch={sizes.tokens_per_microbatch}", "train.learning_rate=1e-6"),
            *(f"train.packing={str(fast).lower()}", f"train.chunked_logprobs={str(fast).lower()}"),
        ]
    )


def asked(sizes: Sizes) -> tuple[list[Problem], list[str]]:
    """Problems of unequal length, the longest as long as allowed."""
    lengths = [sizes.prompt_tokens - 2 - 3 * n % (sizes.prompt_tokens // 2) for n in range(sizes.prompts)]
    prompts = ["7" + "+5" * length + ":" for length in lengths]
    return [Problem(str(n), prompt, None) for n, prompt in enumerate(prompts)], prompts


def cut(rollouts: Rollouts) -> Rollouts:
    """The responses, ended at random places: trained models do not all write as long as they may."""
    draw = torch.Generator().manual_seed(0)
    lengths = torch.randint(1, rollouts.tokens.shape[1] + 1, (len(rollouts.tokens), 1), generator=draw)
    lengths[0] = rollouts.tokens.shape[1]
    mask = rollouts.mask & (torch.arange(rollouts.tokens.shape[1]) < lengths)
    return replace(rollouts, mask=mask, tokens=rollouts.tokens * mask, logprobs=rollouts.logprobs * mask)


def run(check: Check, folder: Path) -> None:
    """All phases, one after the other."""
    sizes = check.sizes
    engines = ["local", *(["deepspeed_zero2"] if find_spec("deepspeed") else [])]
    model, tokenizer = load_policy(folder, settings(folder, sizes, "local", False).model, "sdpa")
    rollouts = cut(sample(check, placed(model), tokenizer))
    read = int(rollouts.mask.sum() + rollouts.prompt_mask.sum())
    listen(check, model, rollouts, read)
    del model
    ways = [(engine, fast, "null") for engine in engines for fast in (False, True)]
    for engine, fast, adapter in [*ways, *([("local", True, ADAPTER)] if find_spec("peft") else [])]:
        learn(check, folder, engine, fast, adapter, rollouts, read)
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    wide_head(check)
    if find_spec("vllm"):
        sample_vllm(check, folder, tokenizer)
    else:
        print("vLLM is not installed: left out")


def sample(check: Check, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Rollouts:
    """Responses of the model itself, as a training step samples them."""
    sizes = check.sizes
    problems, prompts = asked(sizes)
    plan = SamplingPlan(sizes.samples, 1.0, 1.0, sizes.new_tokens)
    drawn = sizes.prompts * sizes.samples * sizes.new_tokens  # next to none ends before
    copy = sampling_copy(model, compiled=False)
    made: Rollouts = check.measure(
        "sampling, hf", drawn, 2, lambda: generate(copy, tokenizer, problems, prompts, plan, seed=0, step=0)
    )
    return made


def listen(check: Check, model: PreTrainedModel, rollouts: Rollouts, read: int) -> None:
    """Log-probabilities of the responses, in four ways that must agree."""
    budget, heard = check.sizes.tokens_per_microbatch, {}

    def logprobs(packing: bool) -> Tensor:
        return all_logprobs(model, rollouts, 1.0, budget, packing=packing)

    ways = {"padded": False, "packed": True, "packed, varlen": True, "packed, in chunks": True}
    for name, packing in ways.items():
        if name == "packed, varlen":
            model.set_attn_implementation("varlen")
        elif name == "packed, in chunks":
            install_target_head(model)
        work = partial(logprobs, packing)
        heard[name] = check.measure(f"log-probabilities, {name}", read, 2, work, check.sizes.rounds)
    check.compare("sampler (hf) – trainer", rollouts.logprobs, heard["padded"], rollouts.mask)
    for name in list(ways)[1:]:
        check.compare(f"{name} – padded", heard[name], heard["padded"], rollouts.mask)


def learn(check: Check, folder: Path, engine: str, fast: bool, adapter: str, rollouts: Rollouts, read: int) -> None:
    """Updates of the policy by an engine, or of an adapter in it."""
    config = settings(folder, check.sizes, engine, fast, adapter)
    policy, way = (
        load_policy(folder, config.model, config.train.attention)[0],
        "packed, in chunks" if fast else "padded",
    )
    if isinstance(config.model, Pretrained) and config.model.adapter is not None:
        add_adapter(policy, config.model.adapter, seed=0)
        way = "adapter"
    opened = open_engine(policy, config.train, ALONE)
    advantages = torch.randn(rollouts.tokens.shape, generator=torch.Generator().manual_seed(1)) * rollouts.mask
    limit = check.sizes.new_tokens
    outcome = check.measure(
        f"update, {engine}, {way}",
        read,
        6,
        lambda: update(
            opened, rollouts, advantages, None, None, config.objective, config.train, temperature=1.0, max_tokens=limit
        ),
        check.sizes.rounds,
    )
    if not math.isfinite(outcome["policy/loss"]):
        raise SystemExit(f"gpu-check: the loss of {engine} is {outcome['policy/loss']}")


def wide_head(check: Check) -> None:
    """The output layer of Qwen2.5-7B: log-probabilities in chunks and their gradients, beside those of whole logits."""
    full = check.sizes == FULL
    width, tokens, compared = (3584, 16384, 512) if full else (32, 64, 64)
    dtype = torch.bfloat16 if has_fast_bf16() else torch.float32
    draw = torch.Generator().manual_seed(0)
    weight = placed_tensor(torch.randn(WIDE, width, generator=draw) / math.sqrt(width), dtype)
    hidden = placed_tensor(torch.randn(tokens, width, generator=draw), dtype)
    targets = torch.randint(WIDE, (tokens,), generator=draw).to(weight.device)

    def both(count: int) -> tuple[Tensor, Tensor]:
        """Log-probabilities, and the gradient of their mean to the hidden states."""
        some = hidden[:count].detach().requires_grad_()
        logprobs, _ = ChunkedLogprobs.apply(some, weight, targets[:count], 1.0)
        logprobs.mean().backward()
        assert some.grad is not None
        return logprobs.detach(), some.grad

    name, size = f"head of {WIDE} words, in chunks", weight.numel()
    check.measure(name, tokens, 6, lambda: both(tokens), check.sizes.rounds, size)
    chunked, gradient = both(compared)
    some = hidden[:compared].detach().requires_grad_()
    whole = (some @ weight.T).float().log_softmax(dim=-1).gather(1, targets[:compared, None]).squeeze(1)
    whole.mean().backward()
    assert some.grad is not None
    everywhere = torch.ones(compared, dtype=torch.bool, device=weight.device)
    check.compare(f"{name} – whole", chunked, whole.detach(), everywhere)
    scale = some.grad.float().abs().mean()
    apart = (gradient.float() / scale, some.grad.float() / scale)
    check.compare("its gradient – whole, in units of its mean", *apart, torch.ones_like(gradient, dtype=torch.bool))


def placed_tensor(values: Tensor, dtype: torch.dtype) -> Tensor:
    """A leaf that learns, where this process computes."""
    return values.to(device(), dtype).requires_grad_()


def sample_vllm(check: Check, folder: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    """The same by an engine of vLLM, as in a training step: weights pushed and proven, responses, sleep.

    The engine has an allocator of its own; its weights and cache may be missing from the peak.
    """
    from pure_repro.rollout.vllm import VllmSampler

    sizes, rollout = check.sizes, composed(["rollout=vllm"]).rollout
    assert isinstance(rollout, VllmRollout)
    context, plan = sizes.prompt_tokens + sizes.new_tokens, SamplingPlan(sizes.samples, 1.0, 1.0, sizes.new_tokens)
    problems, prompts = asked(sizes)
    model = placed(load_policy(folder, settings(folder, sizes, "local", True).model, "sdpa")[0])
    sampler = VllmSampler.open(rollout, model, tokenizer, context=context, dtype=sampling_dtype(model), ranks=1)

    def step() -> Rollouts:
        """New weights in, a batch out, and how much memory its sleep gives back."""
        sampler.push(sampling_copy(model, compiled=False))
        made = sampler.generate(problems, prompts, plan, seed=0, step=0)
        awake = free_bytes()
        sampler.rest()
        if torch.cuda.is_available():
            check.freed_gib = (free_bytes() - awake) / 2**30
        return made

    drawn = sizes.prompts * sizes.samples * sizes.new_tokens  # next to none ends before
    rollouts = check.measure("push and sampling, vLLM", drawn, 2, step)
    trained = all_logprobs(model, rollouts, 1.0, sizes.tokens_per_microbatch, packing=True)
    check.compare("sampler (vLLM) – trainer", rollouts.logprobs, trained, rollouts.mask)
    if check.freed_gib is not None:
        print(f"vLLM asleep gives back {check.freed_gib:.1f} GiB, and awake again agrees with the trainer")


def free_bytes() -> int:
    """What is free on the GPU, whoever holds the rest."""
    return torch.cuda.mem_get_info()[0] if torch.cuda.is_available() else 0


def main() -> int:
    """Run the check, print and write what it found; 2 without a GPU, 1 where a gap is too wide."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="the same code at toy size, without a GPU too")
    parser.add_argument("--out", type=Path, default=Path("results/gpu_check"))
    parser.add_argument("--teraflops", type=float, help="dense bfloat16 peak, where the GPU's name is not known here")
    words = parser.parse_args()
    if not torch.cuda.is_available() and not words.tiny:
        print(
            "gpu-check: PyTorch sees no CUDA GPU here; run it on a machine that has one, or add --tiny to run the same "
            "code on the processor",
            file=sys.stderr,
        )
        return 2
    name, sizes = device_name(), TINY if words.tiny else FULL
    known = peak_of(name)
    peak = words.teraflops or (known and known / 1e12)
    with tempfile.TemporaryDirectory() as made:
        model = make_model(sizes, Path(made))
        shape = from_config(model.config.to_dict())
        check = Check(sizes, shape.parameters, shape.matrix_parameters, peak, {}, {})
        print(f"{name}, {shape.parameters / 1e6:.1f} M parameters, bfloat16 {'yes' if has_fast_bf16() else 'no'}")
        if peak is None:
            print("the peak of this device is not known here: --teraflops names it")
        run(check, Path(made))
    words.out.mkdir(parents=True, exist_ok=True)
    file = words.out / f"{name.lower().replace(' ', '_')}{'_tiny' if words.tiny else ''}.json"
    write_json(file, {"device": name, "bfloat16": has_fast_bf16(), **asdict(check), "environment": environment()})
    print(f"written: {file}")
    if wide := [gap for gap, values in check.gaps.items() if values["mean"] > MEAN_GAP]:
        print(f"gpu-check: {' and '.join(wide)} differ by more than {MEAN_GAP} a token on average", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
