"""Where models that do not learn wait: on the device, or in main memory between the phases that read them."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

import torch

from pure_repro.models import ranks
from pure_repro.models.ranks import Module, placed


def resting(model: Module, offload: str) -> Module:
    """The model where it waits for its phase; ``offload`` is ``none`` or ``cpu``."""
    return model if offload == "cpu" else placed(model)


@contextmanager
def at_work(model: torch.nn.Module, offload: str) -> Iterator[None]:
    """Inside, the model is where this process computes.

    With ``offload=cpu`` its copy there is dropped afterwards. Nothing is copied back: the weights have not changed.
    """
    tensors = [*chain(model.parameters(), model.buffers())] if offload == "cpu" else []
    at_home = [tensor.data for tensor in tensors]
    try:
        for tensor in tensors:
            tensor.data = tensor.data.to(ranks.device())
        yield
    finally:
        for tensor, data in zip(tensors, at_home, strict=True):
            tensor.data = data
