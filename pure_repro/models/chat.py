"""Prompts as the model's own tokenizer puts them: its chat template, and one token that begins a text."""

from pathlib import Path

from pure_repro.config import ConfigError
from pure_repro.models.load import load_tokenizer


def chat_template(folder: Path, message: str) -> str:
    """The text around a user's ``message`` that asks a model for its reply, the problem's place still in it.

    A token that the tokenizer begins every text with is left to it. Raises ``ConfigError`` for a tokenizer without a
    chat template.
    """
    tokenizer = load_tokenizer(folder)
    if tokenizer.chat_template is None:
        raise ConfigError(
            f"prompt=chat needs a chat template, and the tokenizer of {folder} has none: take prompt=pure"
        )
    turns = [{"role": "user", "content": message}]
    text = str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))
    return text.removeprefix(str(tokenizer.bos_token)) if begins_twice(folder, text) else text


def begins_twice(folder: Path, text: str) -> bool:
    """Whether the tokenizer puts its BOS before a text that begins with it."""
    tokenizer = load_tokenizer(folder)
    begin = tokenizer.bos_token_id
    return begin is not None and tokenizer(text)["input_ids"][:2] == [begin, begin]


def require_one_beginning(folder: Path, prompt: str) -> None:
    """Raises ``ConfigError`` where a prompt begins with the token that the tokenizer begins every text with."""
    if begins_twice(folder, prompt):
        token = load_tokenizer(folder).bos_token
        raise ConfigError(
            f"the prompt begins with {token}, which the tokenizer of {folder} puts before every text by itself: leave "
            "it out of prompt.template"
        )
