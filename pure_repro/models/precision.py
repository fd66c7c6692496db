"""Which arithmetic the machine does well."""

import copy

import torch
from transformers import PreTrainedModel

from pure_repro.models.compiled import compile_layers


def has_fast_bf16() -> bool:
    """Whether matrix products in bfloat16 run in hardware here; elsewhere they are emulated and slower than float32."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def autocast(weights: torch.dtype = torch.float32) -> torch.autocast:
    """Mixed precision for float32 ``weights`` where it is fast; they and the optimizer stay float32."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.autocast(device, dtype=torch.bfloat16, enabled=weights == torch.float32 and has_fast_bf16())


def sampling_dtype(model: PreTrainedModel) -> torch.dtype:
    """In which precision training responses are sampled: float32 weights as bfloat16 ones where that is fast."""
    return torch.bfloat16 if has_fast_bf16() and model.dtype == torch.float32 else model.dtype


def sampling_copy(model: PreTrainedModel, *, compiled: bool) -> PreTrainedModel:
    """The model as training responses are sampled from it.

    Made anew for every step, so that it never lags behind the weights.
    """
    dtype = sampling_dtype(model)
    if model.dtype == dtype:
        return model
    copied: PreTrainedModel = torch.nn.Module.to(copy.deepcopy(model), dtype)
    if compiled:  # a copy is not, but its code is there from the step before
        compile_layers(copied)
    return copied
