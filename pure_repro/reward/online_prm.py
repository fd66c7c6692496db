"""A process reward model that goes on learning beside the policy (PURE's "online PURE", which its README promised).

It reads the same tokens where a response ends and where another step follows: a newline stands for either. A right step
after which a wrong response ends therefore has two labels, bad from the run and good from the fit, and what the model
comes to say of it is how often each is the case: the early end is made dearer, and not told apart.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cross_entropy

from pure_repro.config import Config, Online, Train
from pure_repro.models.batches import total_lengths
from pure_repro.models.engine import Engine, open_engine
from pure_repro.models.load import load_tokenizer
from pure_repro.models.optimize import Term, one_pass
from pure_repro.models.ranks import Ranks
from pure_repro.models.supervised import IGNORE, Example
from pure_repro.prm.open import load_prm
from pure_repro.prm.replay import load_replay
from pure_repro.prm.score import logits_of, mark_step_ends, newline_id
from pure_repro.types import Columns, Rollouts, Steps


@dataclass(frozen=True)
class OnlinePrm:
    """The reward model of stage ``prm``, and some of the rows that it was fitted to."""

    engine: Engine
    share: float
    train: Train  # the policy's, with rate and clipping of its own
    newline: int
    replay: list[Example]

    @classmethod
    def open(cls, config: Config, plan: Online, folder: Path, ranks: Ranks) -> "OnlinePrm":
        """As it was fitted; its state is taken up with the policy's."""
        own = plan.model_dump(include={"learning_rate", "max_grad_norm"})
        train = config.train.model_copy(update={**own, "chunked_logprobs": False})  # it has no vocabulary
        model = load_prm(folder)
        for module in model.modules():  # it is trained in the mode in which checkpointing works
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        newline = newline_id(load_tokenizer(folder))
        return cls(open_engine(model, train, ranks), plan.share, train, newline, load_replay(folder))

    def learn(self, rollouts: Rollouts, columns: Columns) -> dict[str, float]:
        """One pass over the responses whose outcome is ``known``, and as many rows of its fit.

        ``columns["end"]`` says where steps end and ``columns["there"]`` which there are, ``columns["outcome"]`` is the
        verdict on the last one, and ``columns["replay"]`` the number of a row of the fit. The loss is ``share`` of the
        cross-entropy of those verdicts and ``1 − share`` of that of the rows, each a mean.
        """
        known = columns["known"]
        if not known.any():
            return {}
        own, outcome = rollouts.rows(known), columns["outcome"][known]
        steps = Steps(columns["end"][known], columns["there"][known])
        again = [self.replay[number] for number in columns["replay"][known].tolist()]
        lengths = torch.tensor([len(row["input_ids"]) for row in again])

        def of_own(members: Tensor, local: Tensor) -> tuple[Tensor, dict[str, float]]:
            rows = members[local]
            losses, hits = self.last_steps(own.rows(rows), steps.rows(rows), outcome[rows])
            return self.share * losses.sum() / len(members), {"agreed": hits.sum().item() / len(members)}

        def of_replay(members: Tensor, local: Tensor) -> tuple[Tensor, dict[str, float]]:
            losses = self.rows_again([again[row] for row in members[local].tolist()])
            return (1 - self.share) * losses.sum() / len(members), {}

        terms = [
            Term("online", total_lengths(own, self.train.packing), of_own),
            Term("online_replay", lengths, of_replay),
        ]
        return one_pass(self.engine, terms, self.train)

    def last_steps(
        self, rollouts: Rollouts, steps: Steps, outcome: Float[Tensor, " row"]
    ) -> tuple[Float[Tensor, " row"], Float[Tensor, " row"]]:
        """Cross-entropy of the verdict on the last step of each response, and whether it agreed before."""
        rows, last = torch.arange(len(outcome)), steps.end.max(dim=1).values
        ids = torch.cat([rollouts.prompt, mark_step_ends(rollouts.tokens, steps, self.newline)], dim=1)
        mask = torch.cat([rollouts.prompt_mask, rollouts.mask], dim=1)
        said = logits_of(self.engine.policy, ids, mask, packing=self.train.packing)
        verdicts = said[rows, rollouts.prompt.shape[1] + last]
        hits = (verdicts.argmax(dim=-1) == outcome).float()
        return cross_entropy(verdicts, outcome.long(), reduction="none"), hits

    def rows_again(self, examples: list[Example]) -> Float[Tensor, " row"]:
        """Cross-entropy of the verdicts in each row of the fit, averaged over its steps."""
        width = max(len(row["input_ids"]) for row in examples)
        missing = [width - len(row["input_ids"]) for row in examples]
        ids = torch.tensor([[*row["input_ids"], *[0] * n] for row, n in zip(examples, missing, strict=True)])
        labels = torch.tensor([[*row["labels"], *[IGNORE] * n] for row, n in zip(examples, missing, strict=True)])
        mask = torch.arange(width) < (width - torch.tensor(missing))[:, None]
        said = logits_of(self.engine.policy, ids, mask, packing=self.train.packing)
        losses = cross_entropy(said.transpose(1, 2), labels, ignore_index=IGNORE, reduction="none")
        return losses.sum(dim=1) / (labels != IGNORE).sum(dim=1).clamp(min=1)
