"""The memory model against what real training steps allocate, and against published sizes."""

import json
from typing import Any

import held_memory
import pytest
import torch
from forked import Forked, start_group, wait_for_group
from held_memory import Allocated
from transformers import DynamicCache, Qwen2Config, Qwen2ForCausalLM

from pure_repro.launch import memory
from pure_repro.launch.shapes import KNOWN, Shape, from_config

ENOUGH = 0.15


def tiny(hidden: int, intermediate: int, layers: int, vocabulary: int, tied: bool, dtype: torch.dtype) -> Any:
    """A Qwen2 model in which two heads share keys and values, as in the large ones."""
    sizes = Qwen2Config(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=intermediate,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=tied,
        max_position_embeddings=256,
    )
    model = Qwen2ForCausalLM(sizes).to(dtype).train()
    model.set_attn_implementation("sdpa")
    return model, from_config(model.config.to_dict())


def measured(model: Any, rows: int, width: int) -> tuple[int, int]:
    """Peak bytes of the second micro-batch of the second update, in all and beyond weights, gradients, optimizer."""
    tokens = torch.randint(0, model.config.vocab_size, (rows, width))
    mask = torch.ones_like(tokens)
    mask[0, :5] = 0  # padding: attention with a mask, as in training
    optimizer = torch.optim.AdamW(model.parameters())
    with Allocated(model.parameters()) as allocated:
        for _ in range(2):
            for _ in range(2):
                before = allocated.now
                allocated.peak = before
                position = (mask.cumsum(dim=1) - 1).clamp(min=0)
                logits = model(input_ids=tokens, attention_mask=mask, position_ids=position, use_cache=False).logits
                chosen = (logits[:, :-1].float() / 1.0).log_softmax(dim=-1).gather(2, tokens[:, 1:, None])
                del logits
                chosen.sum().backward()
                del chosen
            peak = allocated.peak
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
    return peak, peak - before


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize(
    ("hidden", "intermediate", "layers", "vocabulary", "tied", "rows", "width"),
    [
        (64, 160, 4, 256, True, 4, 64),  # activations of layers
        (48, 128, 2, 4096, False, 4, 48),  # logits
        (128, 512, 6, 512, False, 2, 32),  # weights and optimizer
    ],
)
def test_the_model_is_near_what_training_allocates(
    hidden, intermediate, layers, vocabulary, tied, rows, width, checkpointing, dtype
):
    model, shape = tiny(hidden, intermediate, layers, vocabulary, tied, dtype)
    assert shape.parameters == sum(p.numel() for p in model.parameters())
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    peak, beyond = measured(model, rows, width)

    bytes_each, t = dtype.itemsize, rows * width
    engine = memory.EngineSettings(1, 0, False, bytes_each, checkpointing, t, t, whole_mask=False)
    activations = memory.activations(shape, engine)
    # PyTorch alone keeps gradients and AdamW's moments in the weights' precision, and no master copy beside them.
    total = memory.weights(shape, engine) + 3 * bytes_each * shape.parameters + activations
    print(f"{peak / total:.3f} of the whole, {beyond / activations:.3f} of the activations")
    assert activations == pytest.approx(beyond, rel=ENOUGH)
    assert total == pytest.approx(peak, rel=ENOUGH)


def test_the_cache_is_as_large_as_said():
    model, shape = tiny(64, 160, 3, 256, True, torch.bfloat16)
    cache = DynamicCache(config=model.config)
    with torch.no_grad():
        model(input_ids=torch.zeros(5, 7, dtype=torch.long), past_key_values=cache)
    stored = sum(t.nbytes for layer in cache.layers for t in (layer.keys, layer.values))
    assert stored == memory.kv_cache(shape, sequences=5, length=7, value_bytes=2)


def test_scoring_allocates_no_more_than_said():
    model, shape = tiny(64, 512, 3, 256, True, torch.float32)
    tokens = torch.zeros(4, 64, dtype=torch.long)
    with torch.no_grad(), Allocated(model.parameters()) as allocated:
        before = allocated.now
        model.model(input_ids=tokens, use_cache=False)
        assert memory.scoring(shape, 256, 4) == pytest.approx(allocated.peak - before, rel=ENOUGH)


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("Qwen/Qwen2.5-7B", 7.616),  # the model cards say 7.61 B, 1.54 B and 7.24 B
        ("Qwen/Qwen2.5-Math-1.5B", 1.544),
        ("peiyi9979/math-shepherd-mistral-7b-prm", 7.242),
    ],
)
def test_published_sizes(name, billions):
    assert KNOWN[name].parameters / 1e9 == pytest.approx(billions, abs=5e-4)


def zero(stage: int, ranks: int, shape: Shape = KNOWN["Qwen/Qwen2.5-Math-7B"]) -> list[float]:
    """Weights, gradients and optimizer in bytes a parameter."""
    engine = memory.EngineSettings(ranks, stage, False, 2, True, 8192, 1024, False)
    parts = (memory.weights, memory.gradients, memory.optimizer)
    return [part(shape, engine) / shape.parameters for part in parts]


def test_what_zero_shards():
    """The shares of figure 1 of the ZeRO paper (arXiv 1910.02054), with gradients that are summed in float32."""
    assert zero(0, 8) == pytest.approx([2, 4, 12])
    assert zero(2, 8) == pytest.approx([2, 4 / 8, 12 / 8])
    assert zero(3, 8) == pytest.approx([2 / 8, 4 / 8, 12 / 8])


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, dict[str, float]]]:
    """By ranks and engine, in bytes a parameter: opened, between updates, at the fullest backward and in a step."""
    folder = tmp_path_factory.mktemp("held")
    alone = Forked("held_memory", (), folder)
    said = {2: wait_for_group(start_group("held_memory", (), folder, 2)), 1: wait_for_group([alone])}
    return {ranks: json.loads(lines.splitlines()[-1]) for ranks, lines in said.items()}


@pytest.mark.parametrize(
    ("name", "stage", "ranks"),
    [
        ("local", 0, 1),
        ("deepspeed_zero2", 2, 1),
        ("deepspeed_zero3", 3, 1),
        ("deepspeed_zero2", 2, 2),
        ("deepspeed_zero3", 3, 2),
    ],
)
def test_components_are_what_an_engine_holds(name, stage, ranks, held):
    """Weights, master weights, moments, gradients, bucket and the step's own, as a rank of each engine allocates them.

    Two ranks hold halves of what their stage shards, and wholes of the rest: the bucket, the copy to sample from.
    """
    shape = from_config(held_memory.sizes().to_dict())
    engine = memory.EngineSettings(ranks, stage, False, 2 if stage else 4, True, 128, 128, False)

    def each(component: Any) -> float:
        """Bytes a parameter."""
        return float(component(shape, engine)) / shape.parameters

    made, moments = held[ranks][name], 8 / (ranks if stage else 1)
    kept = each(memory.weights) + each(memory.optimizer) - moments
    learning = each(memory.gradients) + each(memory.bucket)
    if stage == 3:
        kept, learning = kept + 2 + learning, 0.0  # they stay, beside the whole copy to sample from
    if stage == 2:
        kept += 2  # the weights as they came, which with a GPU it leaves in main memory
    print(made)
    assert made["opened"] == pytest.approx(kept, rel=0.02)
    assert made["between"] == pytest.approx(kept + moments, rel=0.02)
    fullest = kept + moments + learning + each(memory.stepping)
    assert 0.75 * fullest <= made["step"] <= 1.02 * fullest
    assert made["backward"] <= 1.1 * (kept + moments + learning + each(memory.activations) + 6)
