"""One supervised fit, used for the base model and for the process reward model."""

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor
from tqdm import tqdm
from transformers import PreTrainedModel

from pure_repro.config import Fit, ScheduledFit
from pure_repro.models.finite import require_finite
from pure_repro.models.precision import autocast

IGNORE = -100  # the label that cross-entropy leaves out
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
    *,
    seed: int,
    label: str,
) -> list[float]:
    """Minimise ``loss`` over ``plan.epochs`` passes with AdamW; returns the loss of each step.

    The learning rate falls in a cosine where the plan names no schedule. Raises ``NotFinite`` for a loss that is none.
    """
    from transformers import get_scheduler  # it imports peft, two seconds that a process without a fit need not pay

    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        parameters, lr=plan.learning_rate, betas=(0.9, plan.beta2), weight_decay=plan.weight_decay
    )
    total = plan.epochs * math.ceil(len(examples) / plan.batch_size)
    form = plan.schedule if isinstance(plan, ScheduledFit) else "cosine"
    schedule = get_scheduler(form, optimizer, plan.warmup_steps, total)
    losses = []
    model.train()
    with tqdm(total=total, desc=label, unit="step") as bar:
        for epoch in range(plan.epochs):
            for batch in length_sorted_batches(examples, plan.batch_size, pad, seed=seed * 1000 + epoch):
                with autocast():
                    value = loss({name: values.to(model.device) for name, values in batch.items()})
                value.backward()
                torch.nn.utils.clip_grad_norm_(parameters, plan.max_grad_norm)
                optimizer.step()
                schedule.step()
                optimizer.zero_grad(set_to_none=True)
                losses.append(value.item())
                require_finite(f"the loss of fit {label!r} in step {len(losses)}", losses[-1])
                bar.set_postfix(loss=f"{losses[-1]:.3f}", refresh=False)
                bar.update()
    model.eval()
    return losses
