"""One supervised fit, used for the base model and for the process reward model."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm
from transformers import PreTrainedModel

from pure_repro.config import Fit, ScheduledFit
from pure_repro.models.checkpoint import FITS, Progress, load_state, save_state
from pure_repro.models.finite import require_finite
from pure_repro.models.precision import autocast

IGNORE = -100  # the label that cross-entropy leaves out
KEPT_EVERY = 100  # steps of a fit: half a minute of the embedded ones
Example = dict[str, list[int]]
Minibatch = dict[str, Tensor]


def length_sorted_batches(
    examples: Sequence[Example], batch_size: int, pad: dict[str, int], seed: int
) -> Iterator[Minibatch]:
    """Batches of similar length in random order: little padding, and every example once.

    >>> examples = [{"input_ids": [1] * n} for n in (5, 1, 4, 2)]
    >>> sorted(tuple(b["input_ids"].shape) for b in length_sorted_batches(examples, 2, {"input_ids": 0}, seed=0))
    [(2, 2), (2, 5)]
    """
    for numbers in batches_by_length([len(example["input_ids"]) for example in examples], batch_size, seed):
        yield padded([examples[number] for number in numbers], pad)


def batches_by_length(lengths: Sequence[int], batch_size: int, seed: int) -> Iterator[list[int]]:
    """The numbers of the examples of each batch: of similar length, in random order, every example once.

    >>> sorted(sorted(batch) for batch in batches_by_length([5, 1, 4, 2], 2, seed=0))
    [[0, 2], [1, 3]]
    """
    generator = torch.Generator().manual_seed(seed)
    jitter = torch.rand(len(lengths), generator=generator).tolist()  # mixes examples of equal length
    order = sorted(range(len(lengths)), key=lambda i: lengths[i] + jitter[i])
    starts = range(0, len(order), batch_size)
    for k in torch.randperm(len(starts), generator=generator).tolist():
        yield order[starts[k] : starts[k] + batch_size]


def padded(rows: Sequence[Example], pad: dict[str, int]) -> Minibatch:
    """Examples as one batch, each column filled up to the longest of them.

    >>> padded([{"labels": [1]}, {"labels": [0, 1]}], {"labels": IGNORE})["labels"].tolist()
    [[1, -100], [0, 1]]
    """
    width = max(len(next(iter(row.values()))) for row in rows)  # the columns of an example are equally long
    return {
        name: torch.tensor([row[name] + [filler] * (width - len(row[name])) for row in rows])
        for name, filler in pad.items()
    }


def fit(
    model: PreTrainedModel,
    examples: Sequence[Example],
    pad: dict[str, int],
    loss: Callable[[Minibatch], Tensor],
    plan: Fit,
    out: Path,
    *,
    seed: int,
    label: str,
) -> list[float]:
    """Minimise ``loss`` over ``plan.epochs`` passes with AdamW; returns the loss of each step.

    The learning rate falls in a cosine where the plan names no schedule. Every ``KEPT_EVERY`` steps and at the end the
    state goes into ``out / FITS / label``: called again, it goes on from there, to the same weights. Raises
    ``NotFinite`` for a loss that is none.
    """
    from transformers import get_scheduler  # it imports peft, two seconds that a process without a fit need not pay

    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        parameters, lr=plan.learning_rate, betas=(0.9, plan.beta2), weight_decay=plan.weight_decay
    )
    total = plan.epochs * math.ceil(len(examples) / plan.batch_size)
    form = plan.schedule if isinstance(plan, ScheduledFit) else "cosine"
    schedule = get_scheduler(form, optimizer, plan.warmup_steps, total)
    state = FitState(out / FITS / label.replace(" ", "_"), model, optimizer, schedule)
    losses = state.load()
    batches = (
        batch
        for epoch in range(plan.epochs)
        for batch in length_sorted_batches(examples, plan.batch_size, pad, seed=seed * 1000 + epoch)
    )
    model.train()
    with tqdm(total=total, initial=len(losses), desc=label, unit="step") as bar:
        for batch in islice(batches, len(losses), None):
            with autocast():
                value = loss({name: values.to(model.device) for name, values in batch.items()})
            value.backward()
            torch.nn.utils.clip_grad_norm_(parameters, plan.max_grad_norm)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad(set_to_none=True)
            losses.append(value.item())
            require_finite(f"the loss of fit {label!r} in step {len(losses)}", losses[-1])
            if len(losses) % KEPT_EVERY == 0 or len(losses) == total:
                state.save(losses)
            bar.set_postfix(loss=f"{losses[-1]:.3f}", refresh=False)
            bar.update()
    model.eval()
    return losses


@dataclass(frozen=True)
class FitState:
    """What a fit needs to go on to the same bits: weights, optimizer, schedule, the noise of dropout, the losses."""

    folder: Path
    model: PreTrainedModel
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler

    def save(self, losses: Sequence[float]) -> None:
        """Replace what was kept before, in one move."""
        self.folder.mkdir(parents=True, exist_ok=True)
        parts = {name: part.state_dict() for name, part in self.parts.items()}
        state = parts | {"noise": torch.get_rng_state(), "losses": torch.tensor(losses, dtype=torch.double)}
        save_state(self.folder, state, Progress(step=len(losses)))

    def load(self) -> list[float]:
        """Take up what was kept; returns the losses so far, none where nothing was."""
        state, _ = load_state(self.folder)
        if not state:
            return []
        for name, part in self.parts.items():
            part.load_state_dict(state[name])
        torch.set_rng_state(state["noise"])
        losses: list[float] = state["losses"].tolist()
        return losses

    @property
    def parts(self) -> dict[str, Any]:
        """What has a state of its own."""
        return {"model": self.model, "optimizer": self.optimizer, "schedule": self.schedule}
