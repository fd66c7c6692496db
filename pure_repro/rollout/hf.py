"""Sampling with the Hugging Face model itself: a key-value cache, one forward pass per token, finished rows dropped.

Noise is drawn per (seed, step, problem, sample), never from a shared stream, so a response does not depend on the batch
it was sampled in, and a resumed run samples what the unbroken run would have.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import pad
from transformers import DynamicCache, PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from pure_repro.rollout.join import join_rollouts
from pure_repro.types import Problem, Rollouts

ROWS_AT_ONCE = 512  # a larger key-value cache leaves the processor's own
DROP_BELOW = 0.9  # copying the cache pays once a tenth of its rows is finished


@dataclass(frozen=True)
class SamplingPlan:
    """How responses are drawn. ``temperature == 0`` is greedy decoding.

    A response has at most ``max_new_tokens``, and gains at most ``at_once`` of them in one call (``None``: all).
    """

    samples: int
    temperature: float
    top_p: float
    max_new_tokens: int
    at_once: int | None = None

    def room(self, length: int = 0) -> int:
        """How many tokens a response of so many gains in one call.

        >>> plan = SamplingPlan(samples=1, temperature=1.0, top_p=1.0, max_new_tokens=10, at_once=4)
        >>> [plan.room(length) for length in (0, 4, 8, 10)]
        [4, 4, 2, 0]
        """
        left = self.max_new_tokens - length
        return left if self.at_once is None else min(left, self.at_once)


def noise(seed: int, step: int, problem_id: str, samples: int, length: int) -> Float[np.ndarray, "sample token"]:
    """One uniform number per token of each sample of one problem, from a counter-based generator with the rest as key.

    >>> drawn = noise(seed=0, step=7, problem_id="a", samples=2, length=3)
    >>> drawn.shape, bool((drawn == noise(0, 7, "a", 2, 3)).all()), bool((drawn == noise(0, 8, "a", 2, 3)).any())
    ((2, 3), True, False)
    """
    digest = hashlib.sha256(f"{seed}/{step}/{problem_id}".encode()).digest()
    generator = np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "big")))
    return generator.random((samples, length), dtype=np.float32)


def sample_tokens(
    logits: Float[Tensor, "batch vocab"], uniform: Float[Tensor, " batch"], temperature: float, top_p: float
) -> tuple[Int[Tensor, " batch"], Float[Tensor, " batch"]]:
    """Sample by inverting the cumulative distribution at ``uniform``; returns tokens and their log-probabilities.

    >>> logits = torch.tensor([[0.0, 0.0, -1e9]] * 3)
    >>> sample_tokens(logits, torch.tensor([0.2, 0.7, 0.999]), temperature=1.0, top_p=1.0)[0].tolist()
    [0, 1, 1]
    >>> sample_tokens(torch.tensor([[1.0, 3.0, 2.0]]), torch.tensor([0.9]), temperature=0.0, top_p=1.0)[0].tolist()
    [1]
    """
    if temperature == 0:
        best = logits.log_softmax(dim=-1).max(dim=-1)
        return best.indices, best.values
    logprobs = (logits / temperature).log_softmax(dim=-1)
    if top_p < 1:
        ranked = logprobs.exp().sort(dim=-1, descending=True)
        outside = ranked.values.cumsum(dim=-1) - ranked.values >= top_p
        logprobs = logprobs.masked_fill(outside.gather(1, ranked.indices.argsort(dim=-1)), -torch.inf)
        logprobs = logprobs.log_softmax(dim=-1)
    cumulative = logprobs.exp().cumsum(dim=-1)
    threshold = uniform[:, None] * cumulative[:, -1:]  # the sum is 1 only up to rounding
    tokens = (cumulative <= threshold).sum(dim=-1)
    return tokens, logprobs.gather(1, tokens[:, None]).squeeze(1)


@dataclass
class HfSampler:
    """The trainer's own model, or a copy of it: whatever it was given last, so there is nothing to prove."""

    tokenizer: PreTrainedTokenizerBase
    model: PreTrainedModel | None = None

    def push(self, policy: PreTrainedModel) -> None:
        """Sample from this model."""
        self.model = policy

    def generate(
        self,
        problems: Sequence[Problem],
        prompts: Sequence[str],
        plan: SamplingPlan,
        *,
        seed: int,
        step: int,
        begun: Sequence[Rollouts] = (),
    ) -> Rollouts:
        """``plan.samples`` responses to every prompt, samples of one prompt adjacent."""
        assert self.model is not None, "weights come first"
        return generate(self.model, self.tokenizer, problems, prompts, plan, seed=seed, step=step, begun=begun)

    def rest(self) -> None:
        """Let go of the copy."""
        self.model = None


@torch.no_grad()
def generate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    problems: Sequence[Problem],
    prompts: Sequence[str],
    plan: SamplingPlan,
    *,
    seed: int,
    step: int,
    begun: Sequence[Rollouts] = (),
) -> Rollouts:
    """``plan.samples`` responses to every prompt, samples of one prompt adjacent.

    To the first of the problems they have been ``begun``, and go on.
    """
    uniforms = torch.from_numpy(
        np.stack([noise(seed, step, p.id, plan.samples, plan.max_new_tokens) for p in problems])
    )
    old, new = uniforms[: len(begun)].flatten(0, 1), uniforms[len(begun) :]
    parts = [go_on(model, tokenizer, join_rollouts(begun), old, plan)] if begun else []
    if len(new):
        parts.append(answered(model, tokenizer, prompts[len(begun) :], new, plan))
    return join_rollouts(parts) if begun else parts[0]


def answered(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    uniforms: Float[Tensor, "prompts sample token"],
    plan: SamplingPlan,
) -> Rollouts:
    """Responses from their first token on."""
    encoded = tokenizer(list(prompts), padding=True, padding_side="left", return_tensors="pt")
    prompt, prompt_mask = encoded["input_ids"], encoded["attention_mask"]
    length = prompt.shape[1] + plan.room()
    parts = [
        decode(model, tokenizer, prompt[rows], prompt_mask[rows], uniforms[rows, :, : plan.room()], plan)
        for rows in torch.arange(len(prompts)).split(max(rows_at_once(model, length) // plan.samples, 1))
    ]
    tokens, mask, logprobs = (torch.cat(part) for part in zip(*parts, strict=True))
    longest = int(mask.any(dim=0).sum())
    tokens, mask, logprobs = tokens[:, :longest], mask[:, :longest], logprobs[:, :longest]
    return Rollouts(
        prompt=prompt.repeat_interleave(plan.samples, dim=0),
        prompt_mask=prompt_mask.bool().repeat_interleave(plan.samples, dim=0),
        tokens=tokens,
        mask=mask,
        logprobs=logprobs,
        finished=(torch.isin(tokens, ends_of(model)) & mask).any(dim=1),
        group=torch.arange(len(prompts)).repeat_interleave(plan.samples),
        stale=torch.zeros(len(tokens), dtype=torch.long),
    )


def go_on(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    begun: Rollouts,
    uniforms: Float[Tensor, "batch token"],
    plan: SamplingPlan,
) -> Rollouts:
    """The responses with what those gain that have no end yet; each is read again, with its prompt."""
    lengths = begun.mask.sum(dim=1)
    room = torch.tensor([plan.room(length) for length in lengths.tolist()]).masked_fill(begun.finished, 0)
    width = max(begun.tokens.shape[1], int((lengths + room).max()))
    tokens, mask, logprobs = (pad(x, (0, width - x.shape[1])) for x in (begun.tokens, begun.mask, begun.logprobs))
    for length in lengths[room > 0].unique().tolist():
        end = length + plan.room(length)
        rows = ((room > 0) & (lengths == length)).nonzero().squeeze(1)
        for some in rows.split(rows_at_once(model, begun.prompt.shape[1] + end)):
            read = torch.cat([begun.prompt[some], begun.tokens[some, :length]], dim=1)
            read_mask = torch.cat([begun.prompt_mask[some], begun.mask[some, :length]], dim=1)
            drawn = decode(model, tokenizer, read, read_mask.long(), uniforms[some, None, length:end], plan)
            for whole, part in zip((tokens, mask, logprobs), drawn, strict=True):
                whole[some, length:end] = part
    finished = (torch.isin(tokens, ends_of(model)) & mask).any(dim=1)
    return replace(begun, tokens=tokens, mask=mask, logprobs=logprobs, finished=finished)


def rows_at_once(model: PreTrainedModel, length: int) -> int:
    """How many responses of so many tokens, prompt included, have room in the cache; at least one.

    On a GPU half of what is free counts: the cache grows by copying, and so does what its finished rows leave.
    """
    if model.device.type != "cuda":
        return ROWS_AT_ONCE
    free = torch.cuda.mem_get_info(model.device)[0] + torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
    return max(min(ROWS_AT_ONCE, int(free / 2) // (length * cache_bytes_per_token(model.config, model.dtype))), 1)


def cache_bytes_per_token(config: PretrainedConfig, dtype: torch.dtype) -> int:
    """Bytes of keys and values of one token: ``2·b·L·kv``.

    >>> from transformers import Qwen2Config
    >>> sizes = Qwen2Config(hidden_size=3584, num_hidden_layers=28, num_attention_heads=28, num_key_value_heads=4)
    >>> cache_bytes_per_token(sizes, torch.bfloat16)
    57344
    """
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return 2 * dtype.itemsize * config.num_hidden_layers * heads * width


def ends_of(model: PreTrainedModel) -> Int[Tensor, " end"]:
    """Ids of the tokens that end a response, as the model's generation configuration names them."""
    ends = model.generation_config.eos_token_id
    return torch.tensor([ends] if isinstance(ends, int) else ends)


def decode(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompt: Int[Tensor, "prompts width"],
    prompt_mask: Int[Tensor, "prompts width"],
    uniforms: Float[Tensor, "prompts sample token"],
    plan: SamplingPlan,
) -> tuple[Int[Tensor, "batch token"], Bool[Tensor, "batch token"], Float[Tensor, "batch token"]]:
    """Tokens, mask and log-probabilities of all samples of some prompts, as wide as the noise is long.

    They are made where the model is and come back to main memory.
    """
    samples = uniforms.shape[1]
    uniforms, prompt, prompt_mask = (x.to(model.device) for x in (uniforms.flatten(0, 1), prompt, prompt_mask))
    batch, length = uniforms.shape
    ends = ends_of(model).to(model.device)
    tokens = torch.full((batch, length), tokenizer.pad_token_id, device=model.device)
    logprobs = torch.zeros(tokens.shape, device=model.device)
    mask = torch.zeros_like(tokens, dtype=torch.bool)

    cache = DynamicCache(config=model.config)
    position = prompt_mask.cumsum(dim=1) - 1
    output = model(
        input_ids=prompt,
        attention_mask=prompt_mask,
        position_ids=position.clamp(min=0),
        past_key_values=cache,
        logits_to_keep=1,
    )
    cache.batch_repeat_interleave(samples)  # every prompt is read once, for all its samples
    logits, attention, position = (
        x.repeat_interleave(samples, dim=0) for x in (output.logits[:, -1], prompt_mask, position[:, -1:])
    )
    rows = torch.arange(batch, device=model.device)  # rows of the batch that are still in the cache
    running = torch.ones_like(rows, dtype=torch.bool)  # of those, the ones without EOS
    for t in range(length):
        chosen, chosen_logprobs = sample_tokens(logits.float(), uniforms[rows, t], plan.temperature, plan.top_p)
        live = rows[running]
        tokens[live, t] = chosen[running]
        logprobs[live, t] = chosen_logprobs[running]
        mask[live, t] = True
        running = running & ~torch.isin(chosen, ends)
        left = int(running.sum())
        if left == 0 or t + 1 == length:
            break
        if left < DROP_BELOW * len(rows):
            keep = running.nonzero().squeeze(1)
            cache.batch_select_indices(keep)
            rows, running, chosen = rows[keep], running[keep], chosen[keep]
            attention, position = attention[keep], position[keep]
        position = position + 1
        attention = pad(attention, (0, 1), value=1)
        logits = model(
            input_ids=chosen[:, None], attention_mask=attention, position_ids=position, past_key_values=cache
        ).logits[:, -1]

    return tokens.cpu(), mask.cpu(), logprobs.cpu()
