r"""Where the reasoning steps of a response end, decided on token ids.

A separator is any vocabulary entry whose text ends in a blank line, so merged tokens such as ``.\n\n`` count
(PURE, appendix E and both releases). A tokenizer that writes a blank line before a word as two tokens (GPT-2's
splitting, sentencepiece's bytes) has none: there the newline that makes a line blank ends a step. The last step ends at
EOS or, when the response was cut off, at its last token.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from pure_repro.config import ConfigError
from pure_repro.types import Rollouts, Steps

BLANK_LINE = "So it is.\n\nNow"  # how a tokenizer writes one shows whether it has a token for it


def separator_ids(tokenizer: PreTrainedTokenizerBase) -> Int[Tensor, " separator"]:
    r"""Ids of all tokens whose decoded text ends in a blank line.

    >>> from pure_repro.data.tokenizer import world_tokenizer
    >>> tokenizer = world_tokenizer(modulus=23)
    >>> tokenizer.convert_ids_to_tokens(separator_ids(tokenizer).tolist())
    ['\n\n']
    """
    texts = tokenizer.batch_decode([[i] for i in range(len(tokenizer))])
    return torch.tensor([i for i, text in enumerate(texts) if text.endswith("\n\n")], dtype=torch.long)


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
    return steps_at(torch.isin(tokens, separators), mask)


def steps_at(separator: Bool[Tensor, "batch token"], mask: Bool[Tensor, "batch token"]) -> Steps:
    """Step ends: every token that separates, and the last valid one."""
    is_last = mask & ~torch.nn.functional.pad(mask, (0, 1))[:, 1:]
    is_end = (separator & mask) | is_last
    width = mask.shape[1]
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


@dataclass(frozen=True)
class StepReader:
    """How the steps of a policy's responses are told apart, found out once from its tokenizer.

    ``newlines`` are single newlines and ``endings`` tokens that end in one; both are empty where the tokenizer writes a
    blank line as one token, and only ``separators`` count.
    """

    separators: Int[Tensor, " separator"]
    newlines: Int[Tensor, " newline"]
    endings: Int[Tensor, " ending"]

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase) -> "StepReader":
        """Raises ``ConfigError`` for a tokenizer that can write no blank line: every response would be one step."""
        separators, none = separator_ids(tokenizer), torch.tensor([], dtype=torch.long)
        if "\n\n" in tokenizer.get_vocab():  # whole words, as those of the embedded world, are all that it can write
            return cls(separators, none, none)
        written = torch.tensor(tokenizer.encode(BLANK_LINE, add_special_tokens=False))
        if torch.isin(written, separators).any():
            return cls(separators, none, none)
        texts = tokenizer.batch_decode([[i] for i in range(len(tokenizer))])
        newlines = torch.tensor([i for i, text in enumerate(texts) if text == "\n"], dtype=torch.long)
        ends = [i for i, text in enumerate(texts) if text.endswith("\n") and not text.endswith("\n\n")]
        endings = torch.tensor(ends, dtype=torch.long)
        if not len(newlines) + len(separators):
            raise ConfigError("no token of model.path ends in a newline: its responses would be one step each")
        return cls(separators, newlines, endings)

    def steps(self, rollouts: Rollouts) -> Steps:
        """Where the steps of the responses end."""
        return steps_at(self.separating(rollouts.tokens), rollouts.mask)

    def separating(self, tokens: Int[Tensor, "batch token"]) -> Bool[Tensor, "batch token"]:
        """Tokens that end in a blank line, or a newline right after a token that ends in one; of a run the first pair.

        >>> reader = StepReader(torch.tensor([9]), torch.tensor([3]), torch.tensor([3, 4]))
        >>> reader.separating(torch.tensor([[5, 4, 3, 6, 3, 3, 3, 9, 3]])).long().tolist()
        [[0, 0, 1, 0, 0, 1, 0, 1, 0]]
        """
        before = torch.nn.functional.pad(torch.isin(tokens, self.endings), (1, 0))[:, :-1]
        pair = torch.isin(tokens, self.newlines) & before
        first = pair & ~torch.nn.functional.pad(pair, (1, 0))[:, :-1]
        return torch.isin(tokens, self.separators) | first
