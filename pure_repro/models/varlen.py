"""``train.attention=varlen``: rows that are packed one after the other attend to themselves alone, without a mask.

A mask over packed rows has tokens × tokens values, and with one PyTorch has no causal kernel. Here every row is
attended by itself: on a GPU by PyTorch's kernel for rows of unequal lengths where the weights are in half precision,
elsewhere row by row. What is not packed is attended as with ``sdpa``.
"""

from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.attention.varlen import varlen_attn
from torch.nn.functional import scaled_dot_product_attention
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, sdpa_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

NAME = "varlen"
HALF = (torch.bfloat16, torch.float16)


def row_bounds(position: Int[Tensor, "one slot"]) -> list[int]:
    """Where packed rows begin, by their positions, and where the last one ends.

    >>> row_bounds(torch.tensor([[0, 1, 2, 0, 1, 0]]))
    [0, 3, 5, 6]
    """
    return [*(position[0] == 0).nonzero().squeeze(1).tolist(), position.shape[1]]


def attend(
    module: torch.nn.Module,
    query: Float[Tensor, "row head slot width"],
    key: Float[Tensor, "row kv slot2 width"],
    value: Float[Tensor, "row kv slot2 width"],
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **how: Any,
) -> tuple[Float[Tensor, "row slot head width"], None]:
    """Causal attention as transformers asks for it; packed rows, one row of several with no mask, each by itself."""
    position, edges = how.get("position_ids"), [0]
    if attention_mask is None and len(query) == 1 and query.shape[2] == key.shape[2] and position is not None:
        edges = row_bounds(position)
    if len(edges) < 3:  # a row, or several of equal length
        made, _ = sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling, **how)
        return made, None
    window = how.get("sliding_window")
    if window is not None and max(b - a for a, b in pairwise(edges)) > window:
        raise NotImplementedError(f"rows beyond a sliding window of {window}: take train.attention=sdpa")
    if query.is_cuda and query.dtype in HALF:
        return by_kernel(query, key, value, edges, scaling), None
    parts = []
    for a, b in pairwise(edges):
        q, k, v = query[:, :, a:b], key[:, :, a:b], value[:, :, a:b]
        parts.append(scaled_dot_product_attention(q, k, v, is_causal=True, scale=scaling, enable_gqa=True))
    return torch.cat(parts, dim=2).transpose(1, 2), None


def by_kernel(query: Tensor, key: Tensor, value: Tensor, edges: list[int], scaling: float | None) -> Tensor:
    """All rows at once by PyTorch's kernel, as (row, slot, head, width)."""
    ends = torch.tensor(edges, dtype=torch.int32, device=query.device)
    longest = max(b - a for a, b in pairwise(edges))
    q, k, v = query[0].transpose(0, 1), key[0].transpose(0, 1), value[0].transpose(0, 1)
    window = (-1, 0)  # nothing that comes later
    made = varlen_attn(q, k, v, ends, ends, longest, longest, scale=scaling, window_size=window, enable_gqa=True)
    assert isinstance(made, Tensor)
    return made[None]


def mask(*sizes: Any, **how: Any) -> Tensor | None:
    """The mask of padded rows as with ``sdpa``, and none of packed ones."""
    if how.get("attention_mask") is None:
        return None
    made: Tensor | None = sdpa_mask(*sizes, **how)
    return made


def make_known() -> None:
    """Let transformers know the name, so that a model can be loaded with it."""
    ALL_ATTENTION_FUNCTIONS.register(NAME, attend)
    ALL_MASK_ATTENTION_FUNCTIONS.register(NAME, mask)
