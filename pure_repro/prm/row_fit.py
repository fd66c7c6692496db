"""A supervised fit of a reward model to labelled rows by the engine that trains the policy.

Sharded and cut into micro-batches like an update of the policy, with the same losses and weights however many ranks and
micro-batches there are; its state is written every ``train.checkpoint_every`` steps, and a killed fit goes on there.
"""

import json
from collections.abc import Sequence
from math import cos, pi
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from tqdm import tqdm
from transformers import PreTrainedModel

from pure_repro.config import ScheduledFit, Train
from pure_repro.models.checkpoint import FITS
from pure_repro.models.engine import Engine, open_engine
from pure_repro.models.optimize import Term, one_pass
from pure_repro.models.ranks import Ranks
from pure_repro.models.supervised import IGNORE, Example, batches_by_length, padded
from pure_repro.prm.score import logits_of

PAD = {"input_ids": 0, "attention_mask": 0, "labels": IGNORE}  # what is padded is masked: any word would do
BETA1 = 0.9


def fit_to_rows(
    model: PreTrainedModel,
    examples: Sequence[Example],
    plan: ScheduledFit,
    train: Train,
    ranks: Ranks,
    out: Path,
    *,
    seed: int,
    label: str,
) -> tuple[Engine, list[float]]:
    """Minimise the cross-entropy of the labelled tokens over ``plan.epochs`` passes, by those weights that learn.

    Every rank calls it with the same model and rows. Returns the engine, whose ``sampler`` is the fitted model, and
    the loss of each step. Raises ``NotFinite`` for a loss or a gradient that is none.
    """
    for module in model.modules():  # noise would be another with every cut into micro-batches
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    own = train_of(plan, train)
    engine, folder = open_engine(model, own, ranks), out / FITS / label.replace(" ", "_")
    folder.mkdir(parents=True, exist_ok=True)
    progress = engine.load(folder)
    lengths = [len(example["input_ids"]) for example in examples]
    batches = [
        numbers
        for epoch in range(plan.epochs)
        for numbers in batches_by_length(lengths, plan.batch_size, seed=seed * 1000 + epoch)
    ]
    losses = json.loads((folder / "losses.json").read_text())[: progress.step] if progress.step else []
    steps = range(progress.step, len(batches))
    for step in tqdm(
        steps, desc=label, unit="step", initial=progress.step, total=len(batches), disable=not ranks.first
    ):
        engine.set_rate(plan.learning_rate * rate_share(plan, step, len(batches)))
        term = verdicts_term(engine, [examples[number] for number in batches[step]], packing=own.packing)
        losses.append(one_pass(engine, [term], own)["fit/loss"])
        if (step + 1) % train.checkpoint_every == 0 or step + 1 == len(batches):
            progress.step = step + 1
            if ranks.first:
                (folder / "losses.json").write_text(json.dumps(losses))  # before the state that counts them
            engine.save(folder, progress)
    return engine, losses


def train_of(plan: ScheduledFit, train: Train) -> Train:
    """How the engine is to train: the policy's sizes, with rate, decay, clipping and batch of the fit."""
    own = plan.model_dump(include={"learning_rate", "beta2", "weight_decay", "max_grad_norm"})
    fixed = {"beta1": BETA1, "rollouts_per_update": plan.batch_size, "chunked_logprobs": False, "compile": False}
    return train.model_copy(update=own | fixed)


def rate_share(plan: ScheduledFit, step: int, total: int) -> float:
    """The share of the learning rate in a step, from 0: up in a line, then down to 0 in a line or half a cosine.

    >>> from pure_repro.launch.compose import composed
    >>> plan = composed(["recipe=paper", "prm=fit_prm800k", "prm.full_fit.warmup_steps=2"]).prm.full_fit
    >>> [rate_share(plan, step, total=6) for step in range(6)]
    [0.0, 0.5, 1.0, 0.75, 0.5, 0.25]
    """
    if step < plan.warmup_steps:
        return step / plan.warmup_steps
    done = (step - plan.warmup_steps) / max(total - plan.warmup_steps, 1)
    return 1 - done if plan.schedule == "linear" else (1 + cos(pi * done)) / 2


def verdicts_term(engine: Engine, batch: Sequence[Example], *, packing: bool) -> Term:
    """The mean cross-entropy over the labelled tokens of the rows of one optimizer step, wherever they lie."""
    labelled = max(sum(label != IGNORE for example in batch for label in example["labels"]), 1)

    def loss(members: Tensor, local: Tensor) -> tuple[Tensor, dict[str, float]]:
        """What some of them add to it."""
        rows = padded([batch[number] for number in members[local].tolist()], PAD)
        said = logits_of(engine.policy, rows["input_ids"], rows["attention_mask"].bool(), packing=packing)
        total = cross_entropy(said.transpose(1, 2), rows["labels"], ignore_index=IGNORE, reduction="sum")
        return total / labelled, {}

    return Term("fit", torch.tensor([len(example["input_ids"]) for example in batch]), loss)
