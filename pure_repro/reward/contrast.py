"""Contrastive token rewards (T-REG): what the base model thinks of each token, asked in two ways."""

from dataclasses import dataclass, replace
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from pure_repro.config.credit import Contrast
from pure_repro.data.prompts import prompts_of
from pure_repro.models.context import Context
from pure_repro.models.likelihoods import Likelihoods
from pure_repro.objective.treg import contrastive_rewards
from pure_repro.reward.source import Opening
from pure_repro.rollout.reprompt import reprompted
from pure_repro.rollout.steps import token_steps
from pure_repro.types import Batch, Stream


@dataclass(frozen=True)
class ContrastivePrompts:
    """A stream of one number a token, which nobody is paid: an objective or a credit form reads it."""

    phase: ClassVar[str] = "contrast"
    every_draw: ClassVar[bool] = False
    context: Context
    likelihoods: Likelihoods
    contrast: Contrast

    def pay(self, batch: Batch) -> Batch:
        """How much likelier each token is when a better response is asked for than when a worse one is."""
        mask = batch.rollouts.mask
        better, worse = (self.under(pattern, batch) for pattern in (self.contrast.better, self.contrast.worse))
        rewards = contrastive_rewards(better, worse, mask)
        return batch.paid("contrast", Stream(rewards, token_steps(mask), mask.any(dim=1), weight=None, credited=False))

    def under(self, pattern: str, batch: Batch) -> Float[Tensor, "batch token"]:
        """Log-probabilities of the responses, asked for in this way."""
        ways = [
            replace(p, question=pattern.replace("{response}", response).replace("{question}", p.question))
            for p, response in zip(batch.asked, batch.responses, strict=True)
        ]
        prompts = prompts_of(self.context.config, ways)
        return self.likelihoods.of_base(reprompted(batch.rollouts, self.context.tokenizer, prompts), 1.0)


def open_source(opening: Opening) -> ContrastivePrompts:
    """The two ways to ask that objective or credit form name."""
    contrast = opening.context.config.contrast
    assert contrast is not None
    return ContrastivePrompts(opening.context, opening.likelihoods, contrast)
