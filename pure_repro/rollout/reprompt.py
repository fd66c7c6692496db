"""The same responses after another prompt, and responses that were given and not sampled."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from transformers import PreTrainedTokenizerBase

from pure_repro.types import Rollouts


def reprompted(rollouts: Rollouts, tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str]) -> Rollouts:
    """The responses, token for token, each after its own one of ``prompts``."""
    encoded = tokenizer(list(prompts), padding=True, padding_side="left", return_tensors="pt")
    return replace(rollouts, prompt=encoded["input_ids"], prompt_mask=encoded["attention_mask"].bool())


def given(tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str], responses: Sequence[Sequence[int]]) -> Rollouts:
    r"""Responses as token ids with the token that ends them, one to every prompt; nobody sampled them.

    >>> from pure_repro.data.tokenizer import world_tokenizer
    >>> told = given(world_tokenizer(modulus=23), ["1+1:", "1+1+2:"], [[10, 4, 9, 1], [5, 6, 1]])
    >>> told.mask.sum(dim=1).tolist(), told.prompt_mask.sum(dim=1).tolist(), told.group.tolist()
    ([4, 3], [3, 4], [0, 1])
    """
    encoded = tokenizer(list(prompts), padding=True, padding_side="left", return_tensors="pt")
    lengths = torch.tensor([len(row) for row in responses])
    mask = torch.arange(int(lengths.max())) < lengths[:, None]
    tokens = torch.full(mask.shape, tokenizer.pad_token_id)
    tokens[mask] = torch.tensor([token for row in responses for token in row])
    return Rollouts(
        prompt=encoded["input_ids"],
        prompt_mask=encoded["attention_mask"].bool(),
        tokens=tokens,
        mask=mask,
        logprobs=torch.zeros(mask.shape),
        finished=torch.ones(len(responses), dtype=torch.bool),
        group=torch.arange(len(responses)),
        stale=torch.zeros_like(lengths),
    )
