"""Token ids back to text."""

from transformers import PreTrainedTokenizerBase

from pure_repro.types import Rollouts


def texts(tokenizer: PreTrainedTokenizerBase, rollouts: Rollouts) -> list[str]:
    """The responses as text, without EOS and padding."""
    kept = rollouts.mask & (rollouts.tokens != tokenizer.eos_token_id)
    rows = [row[keep].tolist() for row, keep in zip(rollouts.tokens, kept, strict=True)]
    return tokenizer.batch_decode(rows)
