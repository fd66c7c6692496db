r"""Where the reasoning steps of a response end, decided on token ids.

A separator is any vocabulary entry whose text ends in a blank line, so merged tokens such as ``.\n\n`` count
(PURE, appendix E and both releases). The last step ends at EOS or, when the response was cut off, at its last token.
"""

import torch
from jaxtyping import Bool, Int
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from pure_repro.types import Steps


def separator_ids(tokenizer: PreTrainedTokenizerBase) -> Int[Tensor, " separator"]:
    r"""Ids of all tokens whose decoded text ends in a blank line.

    >>> from pure_repro.data.tokenizer import world_tokenizer
    >>> tokenizer = world_tokenizer(modulus=23)
    >>> tokenizer.convert_ids_to_tokens(separator_ids(tokenizer).tolist())
    ['\n\n']
    """
    texts = tokenizer.batch_decode([[i] for i in range(len(tokenizer))])
    return torch.tensor([i for i, text in enumerate(texts) if text.endswith("\n\n")])


def split_steps(
    tokens: Int[Tensor, "batch token"],
    mask: Bool[Tensor, "batch token"],
    separators: Int[Tensor, " separator"],
) -> Steps:
    """Step ends: every separator, and the last valid token.

    A response therefore has one step more than separators, except when it was cut off on a separator: nothing follows
    there, and no step is invented. ``A SEP EOS`` has an empty last step, ``EOS`` alone is one empty step.

    >>> SEP, EOS, PAD = 9, 1, 0
    >>> tokens = torch.tensor([[5, SEP, 6, EOS], [EOS, PAD, PAD, PAD], [5, 6, 7, SEP]])
    >>> steps = split_steps(tokens, tokens != PAD, torch.tensor([SEP]))
    >>> steps.end.tolist()
    [[1, 3], [0, 0], [3, 0]]
    >>> steps.mask.tolist()
    [[True, True], [True, False], [True, False]]
    """
    is_last = mask & ~torch.nn.functional.pad(mask, (0, 1))[:, 1:]
    is_end = (torch.isin(tokens, separators) & mask) | is_last
    width = tokens.shape[1]
    positions = torch.where(is_end, torch.arange(width), width).sort(dim=1).values
    end = positions[:, : int(is_end.sum(dim=1).max())]
    step_mask = end < width
    return Steps(end=end.where(step_mask, torch.zeros_like(end)), mask=step_mask)


def token_steps(mask: Bool[Tensor, "batch token"]) -> Steps:
    """Every token a step of its own: for rewards that each token earns.

    >>> token_steps(torch.tensor([[True, True, True], [True, False, False]])).end.tolist()
    [[0, 1, 2], [0, 0, 0]]
    """
    return Steps(end=torch.arange(mask.shape[1]) * mask, mask=mask)


def whole_response(mask: Bool[Tensor, "batch token"]) -> Steps:
    """Every response as one step: for rewards that it earns once.

    >>> whole_response(torch.tensor([[True, True, True], [True, False, False]])).end.tolist()
    [[2], [0]]
    """
    end = (mask.sum(dim=1, keepdim=True) - 1).clamp(min=0)
    return Steps(end=end, mask=torch.ones_like(end, dtype=torch.bool))
