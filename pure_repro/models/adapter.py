"""Low-rank adapters (LoRA, arXiv 2106.09685) by ``peft``: a few matrices learn beside weights that stay as they are.

The adapter lies in the model itself: without it the model is the one that training started from, so that no second copy
is needed as a reference; with it merged into the weights it is an ordinary model, to sample from and to save.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from pure_repro.config import Adapter

INSIDE = ".base_layer."  # where an adapted layer keeps its own weights, in the names of parameters


def add_adapter(model: torch.nn.Module, adapter: Adapter, seed: int) -> None:
    """Put ``ΔW = (alpha / rank)·B·A`` beside every linear layer but the output layer, in place; B starts at 0.

    The model's own weights learn no more. The adapter is float32, however the weights are stored.
    """
    from peft import LoraConfig, inject_adapter_in_model

    torch.manual_seed(seed)
    plan = LoraConfig(r=adapter.rank, lora_alpha=adapter.alpha, target_modules="all-linear", lora_dropout=0.0)
    inject_adapter_in_model(plan, model)
    for weight in learning(model):
        weight.data = weight.data.float()


def learning(model: torch.nn.Module) -> list[torch.nn.Parameter]:
    """The parameters that an optimizer moves: all, or those of an adapter."""
    return [weight for weight in model.parameters() if weight.requires_grad]


def adapted_layers(model: torch.nn.Module) -> dict[str, Any]:
    """The layers with an adapter beside them, by name."""
    return {name: module for name, module in model.named_modules() if hasattr(module, "get_delta_weight")}


@contextmanager
def without_adapter(model: torch.nn.Module) -> Iterator[None]:
    """Inside, the model is the one that the adapter was put into."""
    layers = adapted_layers(model).values()
    for layer in layers:
        layer.enable_adapters(False)
    try:
        yield
    finally:
        for layer in layers:
            layer.enable_adapters(True)


def merged_parameters(model: torch.nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Every parameter under the name that it has without an adapter, with the adapter added, one after the other.

    The sum is taken in float32 and rounded once to the precision of the weight.
    """
    layers = adapted_layers(model)
    for name, weight in model.named_parameters():
        owner, inside, kind = name.rpartition(INSIDE)
        if inside and kind == "weight":
            change = layers[owner].get_delta_weight("default").float()
            yield f"{owner}.{kind}", (weight.detach().float() + change).to(weight.dtype)
        elif inside or ".lora_" not in name:
            yield f"{owner}.{kind}" if inside else name, weight
