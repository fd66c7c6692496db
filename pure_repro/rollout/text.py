"""Token ids back to text."""

from itertools import pairwise

import torch
from transformers import PreTrainedTokenizerBase

from pure_repro.types import Rollouts, Steps


def texts(tokenizer: PreTrainedTokenizerBase, rollouts: Rollouts) -> list[str]:
    """The responses as text, without padding and the token that ended them."""
    is_last = rollouts.mask & ~torch.nn.functional.pad(rollouts.mask, (0, 1))[:, 1:]
    kept = rollouts.mask & ~(is_last & rollouts.finished[:, None])
    rows = [row[keep].tolist() for row, keep in zip(rollouts.tokens, kept, strict=True)]
    return tokenizer.batch_decode(rows)


def step_texts(tokenizer: PreTrainedTokenizerBase, rollouts: Rollouts, steps: Steps) -> list[list[str]]:
    """The text of every step, without the blank line that ends it; a merged separator keeps its punctuation."""
    texts = []
    for tokens, ends, mask, finished in zip(
        rollouts.tokens.tolist(), steps.end.tolist(), steps.mask.sum(dim=1).tolist(), rollouts.finished, strict=True
    ):
        borders = [-1, *ends[:mask]]
        pieces = [tokens[a + 1 : b + 1] for a, b in pairwise(borders)]
        if finished:
            pieces[-1] = pieces[-1][:-1]  # the token that ended the response
        texts.append([str(tokenizer.decode(piece)).rstrip("\n") for piece in pieces])
    return texts
