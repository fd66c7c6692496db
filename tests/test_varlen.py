"""Packed rows without a mask: log-probabilities, gradients and scores are those of padded rows; no square exists."""

import pytest
import torch
from families import FAMILIES, save_family
from held_memory import Allocated
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedModel

from pure_repro.models import varlen
from pure_repro.models.logprobs import token_logprobs
from pure_repro.types import Rollouts

varlen.make_known()


def rollouts() -> Rollouts:
    """Rows of very unequal length."""
    draw = torch.Generator().manual_seed(0)
    lengths, prompts = torch.tensor([30, 3, 17, 1, 24]), torch.tensor([4, 9, 1, 6, 2])
    mask, prompt_mask = torch.arange(30) < lengths[:, None], torch.arange(9) >= 9 - prompts[:, None]
    tokens, prompt = torch.randint(3, 60, (5, 30), generator=draw), torch.randint(3, 60, (5, 9), generator=draw)
    drawn = torch.zeros(5, 30), mask.any(1), torch.arange(5), torch.zeros(5, dtype=torch.long)
    return Rollouts(prompt * prompt_mask, prompt_mask, tokens * mask, mask, *drawn)


def read(model: PreTrainedModel, packing: bool) -> tuple[Tensor, Tensor]:
    """Log-probabilities of all response tokens, and the gradient of their weighted sum."""
    made, some = rollouts(), torch.arange(5)
    logprobs, _ = token_logprobs(model, made, some, 1.0, packing=packing)
    weights = torch.linspace(-1, 1, logprobs.numel()).view_as(logprobs) * made.mask
    model.zero_grad()
    (weights * logprobs).sum().backward()
    return (logprobs * made.mask).detach(), torch.cat(
        [w.grad.flatten() for w in model.parameters() if w.grad is not None]
    )


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("checkpointing", [False, True])
def test_packed_rows_are_read_as_padded_ones(family, checkpointing, tmp_path, float32):
    folder = save_family(family, tmp_path)
    padded, packed = (
        AutoModelForCausalLM.from_pretrained(folder, attn_implementation=a) for a in ("sdpa", varlen.NAME)
    )
    if checkpointing:
        packed.train().gradient_checkpointing_enable({"use_reentrant": False})
    expected, found = read(padded, packing=False), read(packed, packing=True)
    print([f"{(a - b).abs().max():.1e}" for a, b in zip(expected, found, strict=True)])
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(one, other, atol=2e-5, rtol=1e-4)
    assert expected[1].abs().max() > 1e-2, "nothing is learned: nothing is tested"
    torch.testing.assert_close(read(packed, packing=False)[0], expected[0], atol=2e-5, rtol=1e-4)


def test_no_square_of_tokens_exists(tmp_path):
    """The largest tensor of a forward pass over 40 rows of 25 tokens: with a mask it is 1000 × 1000."""
    folder = save_family("qwen2", tmp_path)
    ids, position = torch.randint(3, 60, (1, 1000)), torch.arange(25).repeat(40)[None]
    largest = {}
    for name in ("sdpa", varlen.NAME):
        model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation=name).model
        with torch.no_grad(), Allocated(model.parameters()) as allocated:
            before = allocated.now
            model(input_ids=ids, position_ids=position, use_cache=False)
            largest[name] = allocated.peak - before
    assert largest["sdpa"] > largest[varlen.NAME] + 1000 * 1000, largest


def test_a_kernel_is_asked_for_the_same_rows(monkeypatch):
    """What PyTorch's kernel is given, by a stand-in for a GPU's: rows, scale, and nothing that comes later."""
    draw = torch.Generator().manual_seed(1)
    query, key, value = (torch.randn(1, heads, 6, 8, generator=draw) for heads in (4, 2, 2))

    def kernel(q, k, v, ends, _, longest, __, *, scale, window_size, enable_gqa):
        assert (longest, window_size, enable_gqa, ends.tolist()) == (4, (-1, 0), True, [0, 4, 6])
        rows = [slice(0, 4), slice(4, 6)]
        made = [
            torch.nn.functional.scaled_dot_product_attention(
                *(x[row].transpose(0, 1)[None] for x in (q, k, v)), is_causal=True, scale=scale, enable_gqa=True
            )
            for row in rows
        ]
        return torch.cat(made, dim=2)[0].transpose(0, 1)

    monkeypatch.setattr(varlen, "varlen_attn", kernel)
    made = varlen.by_kernel(query, key, value, [0, 4, 6], 0.3)
    position = torch.tensor([[0, 1, 2, 3, 0, 1]])
    expected, _ = varlen.attend(torch.nn.Module(), query, key, value, None, 0.3, position_ids=position)
    torch.testing.assert_close(made, expected)
