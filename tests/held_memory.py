"""What training engines hold in memory, in bytes a parameter: a process of its own, which prints a line of JSON.

As a rank of a group (``python -m torch.distributed.run … held_memory.py``) it shards, and the first rank prints.
"""

import gc
import json
import os
import weakref
from collections.abc import Iterable
from importlib import import_module
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from transformers import Qwen2Config, Qwen2ForCausalLM

ENGINES = ("local", "deepspeed_zero2", "deepspeed_zero3")


class Allocated(TorchDispatchMode):
    """Bytes of all storages that operations have made and nothing has dropped yet."""

    def __init__(self, held: Iterable[Tensor]):
        super().__init__()
        self.living: dict[int, int] = {}
        self.peak = 0
        for tensor in held:
            self.see(tensor)

    def see(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage._cdata not in self.living:
            self.living[storage._cdata] = storage.nbytes()
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self.living.pop, storage._cdata, None)

    @property
    def now(self) -> int:
        return sum(self.living.values())

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = function(*args, **(kwargs or {}))
        for one in tree_iter(made):
            if isinstance(one, Tensor):
                self.see(one)
        return made


def sizes() -> Qwen2Config:
    """A model whose weights outweigh its activations."""
    return Qwen2Config(
        vocab_size=4096,
        hidden_size=128,
        intermediate_size=512,
        num_hidden_layers=6,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=False,
        max_position_embeddings=256,
    )


def held(name: str, ranks: Any) -> dict[str, float]:
    """Of one rank of an engine, in bytes a parameter; DeepSpeed in bfloat16."""
    from pure_repro.launch.compose import composed
    from pure_repro.models import precision
    from pure_repro.models.engine import open_engine

    precision.has_fast_bf16 = lambda: name != "local"
    words = [f"train={name}", "train.gradient_checkpointing=true"]
    config = composed([*words, *(["train.deepspeed.keep_whole_below=1000"] if name != "local" else [])])
    model = Qwen2ForCausalLM(sizes()).to(torch.bfloat16).train()
    parameters, made = sum(weight.numel() for weight in model.parameters()), {}
    tokens = torch.randint(0, 4096, (4, 32))
    with Allocated(model.parameters()) as allocated:
        engine = open_engine(model, config.train, ranks)
        del model
        gc.collect()
        made["opened"] = allocated.now
        for _ in range(2):
            made["between"] = allocated.peak = allocated.now
            logits = engine.policy(input_ids=tokens, attention_mask=torch.ones_like(tokens), use_cache=False).logits
            engine.backward(logits.float().mean())
            del logits
            made["backward"], allocated.peak = allocated.peak, allocated.now
            engine.step()
            gc.collect()
            made["step"] = allocated.peak
    return {key: size / parameters for key, size in made.items()}


def main() -> None:
    """Alone every engine, in a group those that shard."""
    from pure_repro.models.ranks import ALONE, join, leave

    import_module("deepspeed")  # before anything is counted
    grouped = "WORLD_SIZE" in os.environ
    ranks = join() if grouped else ALONE
    made = {name: held(name, ranks) for name in ENGINES if not grouped or name != "local"}
    if ranks.first:
        print("\n" + json.dumps(made))
    if grouped:
        leave()


if __name__ == "__main__":
    main()
