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
    generator = torch.Generator().manual_seed(seed)
    jitter = torch.rand(len(examples), generator=generator).tolist()  # mixes examples of equal length
    order = sorted(range(len(examples)), key=lambda i: len(examples[i]["input_ids"]) + jitter[i])
    starts = range(0, len(order), batch_size)
    for k in torch.randperm(len(starts), generator=generator).tolist():
        rows = [examples[i] for i in order[starts[k] : starts[k] + batch_size]]
        width = max(len(row["input_ids"]) for row in rows)
        yield {
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
