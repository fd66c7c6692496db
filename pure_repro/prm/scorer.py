r"""Reward models as a run reads them: one call from responses and their steps to step scores.

Two ways of reading. *tokens*: the policy's own ids with a marker in the place of every step's last token
(:mod:`pure_repro.prm.score`; PURE's models). *text*: problem and steps written into a pattern that the reward model's
own tokenizer cuts up, with a marker after every step (Qwen's and Math-Shepherd's). Two classes in both, and
``r = P(right) − P(wrong)``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from transformers import (
    AutoModelForCausalLM,
    AutoModelForTokenClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Qwen2Config,
    Qwen2Model,
    Qwen2PreTrainedModel,
)
from transformers.modeling_outputs import TokenClassifierOutput

from pure_repro.config import ConfigError, PretrainedPrm
from pure_repro.models.load import load_model, load_tokenizer, require_words
from pure_repro.prm.reading import classes_of, marked, scores_at, single_token
from pure_repro.prm.score import step_scores
from pure_repro.rollout.text import step_texts
from pure_repro.types import Problem, Rollouts, Steps


@dataclass(frozen=True)
class TokenScorer:
    """Reads the policy's own tokens; ``marker`` stands where a step ends. ``packed_tokens`` as in ``step_scores``."""

    model: PreTrainedModel
    marker: int
    packed_tokens: int | None = None

    def __call__(self, problems: Sequence[Problem], rollouts: Rollouts, steps: Steps) -> Float[Tensor, "batch step"]:
        """Scores of the steps of responses; 0 where no step is."""
        return step_scores(self.model, rollouts, steps, self.marker, packed_tokens=self.packed_tokens)


@dataclass(frozen=True)
class TextScorer:
    """Reads problem and steps as text, cut up by a tokenizer of its own.

    Texts stand one after the other as far as ``packed_tokens`` allows; ``None``: each is read by itself.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    policy_tokenizer: PreTrainedTokenizerBase
    plan: PretrainedPrm
    packed_tokens: int | None = None

    def __call__(self, problems: Sequence[Problem], rollouts: Rollouts, steps: Steps) -> Float[Tensor, "batch step"]:
        """Scores of the steps of responses; 0 where no step is. One problem per response."""
        said = step_texts(self.policy_tokenizer, rollouts, steps)
        asked = [
            marked(self.tokenizer, problem.question, texts, self.plan)
            for problem, texts in zip(problems, said, strict=True)
        ]
        found = scores_at(self.model, asked, classes_of(self.tokenizer, self.plan), self.packed_tokens)
        return torch.zeros(steps.mask.shape).masked_scatter(steps.mask, torch.cat(found))


Scorer = TokenScorer | TextScorer


class TwoLayerClassifier(Qwen2PreTrainedModel):
    """Qwen2 with two linear layers and a ReLU on every last hidden state: the head of Qwen2.5-Math-PRM."""

    def __init__(self, config: Qwen2Config) -> None:
        super().__init__(config)
        self.model = Qwen2Model(config)
        width = config.hidden_size
        self.score = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 2))
        self.post_init()

    def forward(self, **inputs: Any) -> TokenClassifierOutput:
        """Logits of wrong and right at every token."""
        return TokenClassifierOutput(logits=self.score(self.model(**inputs).last_hidden_state))


HEADS: dict[str, Any] = {
    "linear": AutoModelForTokenClassification,
    "mlp": TwoLayerClassifier,
    "words": AutoModelForCausalLM,
}


def load_scorer(
    folder: Path,
    plan: PretrainedPrm,
    policy_tokenizer: PreTrainedTokenizerBase,
    packed_tokens: int | None = None,
) -> Scorer:
    """A reward model of somebody else from its folder, for the responses of a policy.

    Raises ``ConfigError`` where the folder has no such head, or where a model that reads the policy's tokens has
    another vocabulary.
    """
    model, tokenizer = load_reader(folder, plan)
    if plan.reads == "text":
        return TextScorer(model, tokenizer, policy_tokenizer, plan, packed_tokens)
    marker = single_token(policy_tokenizer, plan.marker)
    words, own = policy_tokenizer.get_vocab(), tokenizer.get_vocab()
    if any(own.get(word) != i for word, i in words.items() if i < model.config.vocab_size):
        raise ConfigError(
            f"prm={plan.name} reads the policy's own tokens, and its vocabulary is another than that of model.path: "
            "take a reward model of the same family, or one with prm.reads=text"
        )
    return TokenScorer(model, marker, packed_tokens)


def load_reader(folder: Path, plan: PretrainedPrm) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A reward model and its tokenizer: safetensors only, none of its own code.

    Raises ``ConfigError`` where the folder has no such head.
    """
    if plan.head != "words" and not any(name.startswith("score.") for name in names_in(folder)):
        raise ConfigError(f"prm.path={plan.path} has no weights of a head (score.*): it is no reward model")
    model = load_model(HEADS[plan.head], folder, dtype=getattr(torch, plan.dtype), attn_implementation="sdpa")
    tokenizer = load_tokenizer(folder)
    require_words(model, tokenizer, folder)
    return model.eval(), tokenizer


def names_in(folder: Path) -> set[str]:
    """Names of all weights in a folder. Raises ``ConfigError`` for a file that holds none."""
    found: set[str] = set()
    for file in folder.glob("*.safetensors"):
        try:
            with safe_open(file, framework="pt") as content:
                found |= set(content.keys())
        except SafetensorError as error:
            raise ConfigError(f"{folder} holds no model that can be read: {file.name}: {error}") from error
    return found
