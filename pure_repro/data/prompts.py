"""Problems as the policy reads them."""

import re
from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from pure_repro.config import Config, ConfigError
from pure_repro.types import Problem


def prompts_of(config: Config, problems: Sequence[Problem]) -> list[str]:
    """Each problem in the place that ``data.prompt`` keeps for it."""
    return [config.data.prompt.replace("{question}", problem.question) for problem in problems]


def short_enough(problems: list[Problem], tokenizer: PreTrainedTokenizerBase, config: Config) -> list[Problem]:
    """The problems whose prompt is not longer than ``rollout.max_prompt_tokens``.

    Raises ``ConfigError`` where they are too few for a step, in which no problem is twice.
    """
    limit = config.rollout.max_prompt_tokens
    if limit is None:
        return problems
    lengths = map(len, tokenizer(prompts_of(config, problems))["input_ids"])
    short = [problem for problem, length in zip(problems, lengths, strict=True) if length <= limit]
    if len(short) < config.train.prompts_per_step:
        raise ConfigError(
            f"rollout.max_prompt_tokens={limit} leaves {len(short)} of {len(problems)} problems, and a step takes "
            f"train.prompts_per_step={config.train.prompts_per_step}: allow longer prompts or take fewer"
        )
    return short


def require_known_words(tokenizer: PreTrainedTokenizerBase, key: str, prompt: str) -> None:
    r"""Every sign of a prompt is one that the tokenizer has a word for, as every tokenizer of bytes has.

    Raises ``ConfigError`` where one has none, which is how the embedded world's goes by its few words.

    >>> from pure_repro.data.tokenizer import world_tokenizer
    >>> require_known_words(world_tokenizer(modulus=23), "data.prompt", "{question}!")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    pure_repro.config.base.ConfigError: data.prompt='{question}!' has signs that the model knows no word for: ...
    """
    try:
        tokenizer(re.sub(r"\{(?:question|answer)\}", "", prompt))
    except Exception as error:  # the library has no other for it
        raise ConfigError(
            f"{key}={prompt!r} has signs that the model knows no word for: with model=tiny take words of the embedded "
            "world, as in '{question}:'"
        ) from error
