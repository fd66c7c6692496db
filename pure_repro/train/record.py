"""The run's own record: a row of numbers a step, some responses to read, and a summary at the end."""

from dataclasses import dataclass

from pure_repro.config import Credit, Embedded
from pure_repro.credit import credit_form
from pure_repro.models.context import Context
from pure_repro.models.ranks import device_name
from pure_repro.prm.gate import step_agreement
from pure_repro.rollout.text import step_texts
from pure_repro.train.journal import Journal
from pure_repro.train.speed import peak_of, speed_figures
from pure_repro.types import Batch, Stream
from pure_repro.watch.paper import paper_metrics
from pure_repro.watch.signals import mean_or_zero, shape_signals

SHOWN_RESPONSES = 24
UNGRADED = ("timeout", "unparsable", "bad_reference")  # nobody knows whether they are right


@dataclass(frozen=True)
class Recorder:
    """Writes what happened in a step; the first rank alone does."""

    context: Context
    metrics: Journal
    rollouts: Journal
    answers: dict[str, str]  # of all training problems, to be read beside what the policy says
    parameters: int  # of the policy

    def record(self, batch: Batch, metrics: dict[str, float]) -> dict[str, str]:
        """Log the step; returns the numbers for the progress bar."""
        context = self.context
        with context.clock.phase("log"):
            row = {**self.row(batch), **batch.metrics, **metrics} if context.ranks.first else {}
        seconds, gibibytes = context.clock.take(), context.clock.take_gibibytes()
        context.progress.seconds += sum(seconds.values())
        if not context.ranks.first:
            return {}
        row |= {f"seconds/{phase}": spent for phase, spent in seconds.items()}
        row |= {f"gpu_gib/{phase}": held for phase, held in gibibytes.items()}
        row |= speed_figures(
            *(batch, seconds, context.config.train),
            parameters=self.parameters,
            ranks=context.ranks.size,
            peak=peak_of(device_name()),
        )
        self.metrics.append({"step": context.progress.step} | row)
        if context.progress.step % context.config.train.rollouts_every == 0:
            self.show(batch)
        return {
            "accuracy": f"{row['accuracy']:.2f}",
            "tokens": f"{row['response/tokens']:.0f}",
            "steps": f"{row['response/steps']:.1f}",
        }

    def row(self, batch: Batch) -> dict[str, float]:
        """What the responses of a step look like, and what they earned."""
        assert batch.advantages is not None, "advantages come first"
        row = {
            "accuracy": mean_or_zero(verdict == "correct" for verdict in batch.verdicts),
            "advantage/std": batch.advantages[batch.rollouts.mask].std().item(),
        }
        row |= {
            f"grading/{status}": mean_or_zero(verdict == status for verdict in batch.verdicts) for status in UNGRADED
        }
        row |= {f"response/{name}": value for name, value in shape_signals(batch.rollouts, batch.steps).items()}
        for name, stream in batch.streams.items():
            row |= reward_figures(name, stream) if stream.weight is not None else {}
        if self.context.config.rollout.max_tokens_per_step is not None:
            fresh = (batch.rollouts.fresh.sum() / batch.rollouts.mask.sum()).item()
            row |= {"sampler/unfinished": float(len(self.context.progress.unfinished)), "sampler/stale": 1 - fresh}
        row |= paper_metrics(batch, outcome_rewards(batch, self.context.config.credit))
        return row | self.agreement(batch)

    def agreement(self, batch: Batch) -> dict[str, float]:
        """How the scores of a reward model agree with the exact checker, in the world that has one."""
        config = self.context.config
        if "process_scores" not in config.sources or not isinstance(config.data, Embedded):
            return {}
        texts = step_texts(self.context.tokenizer, batch.rollouts, batch.steps)
        figures = step_agreement(batch.asked, texts, batch.streams["process"].rewards, config.data.modulus)
        return {"prm/agreement": figures.pop("accuracy")} | {f"prm/{name}": share for name, share in figures.items()}

    def show(self, batch: Batch) -> None:
        """Keep some responses of this step for a reader."""
        assert batch.advantages is not None
        process, asked = batch.streams.get("process"), batch.asked
        for i in range(0, len(batch), max(len(batch) // SHOWN_RESPONSES, 1)):
            scores = [] if process is None else process.rewards[i][process.units.mask[i]].tolist()
            self.rollouts.append(
                {
                    "step": self.context.progress.step,
                    "problem": asked[i].question,
                    "answer": self.answers[asked[i].id],
                    "response": batch.responses[i],
                    "correct": batch.verdicts[i] == "correct",
                    "process_rewards": [round(score, 3) for score in scores],
                    "advantage": round(batch.advantages[i, 0].item(), 4),
                }
            )


def outcome_rewards(batch: Batch, credit: Credit) -> list[float]:
    """What the credit form makes of each response's process rewards, the return of its first unit; of none, nothing."""
    keys = credit.model_dump()
    form = credit_form(keys.pop("name"))
    credited = [stream for stream in batch.streams.values() if stream.credited]
    return [value for one in credited for value in form(one.rewards, one.units.mask, **keys)[:, 0].tolist()]


def reward_figures(name: str, stream: Stream) -> dict[str, float]:
    """Mean reward of a unit where it is known; of credited units the means over responses of the lowest and of the sum.

    >>> import torch
    >>> from pure_repro.types import Steps
    >>> steps = Steps(end=torch.tensor([[1, 3]]), mask=torch.tensor([[True, True]]))
    >>> paid = Stream(torch.tensor([[0.5, -0.25]]), steps, torch.tensor([True]), 1.0, credited=True)
    >>> reward_figures("process", paid)
    {'reward/process': 0.125, 'reward/process_min': -0.25, 'reward/process_sum': 0.25}
    """
    there, rewards = stream.units.mask & stream.known[:, None], stream.rewards
    figures = {f"reward/{name}": rewards[there].mean().item()} if there.any() else {}
    if not stream.credited:
        return figures
    return figures | {
        f"reward/{name}_min": rewards.masked_fill(~there, 1).min(dim=1).values.mean().item(),
        f"reward/{name}_sum": rewards.sum(dim=1).mean().item(),
    }
