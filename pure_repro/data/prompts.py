"""Problems as the policy reads them."""

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
