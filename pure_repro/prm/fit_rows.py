"""Stage ``prm`` on human step labels: PURE's two-stage fit of a language model to rows in PRM800K layout."""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForTokenClassification, PreTrainedModel

from pure_repro.config import Config, ConfigError, FitPrm, Gate, StepRows
from pure_repro.data.files import Rows, file_rows, text_in
from pure_repro.models.load import load_model, load_tokenizer, require_words
from pure_repro.models.precision import autocast
from pure_repro.models.ranks import placed
from pure_repro.models.supervised import IGNORE, Example, Minibatch, fit
from pure_repro.prm.fit import mean_cross_entropy
from pure_repro.prm.gate import against_labels
from pure_repro.prm.labels import prm800k_example, verdicts_of
from pure_repro.prm.replay import save_replay

PAD = {"attention_mask": 0, "labels": IGNORE}


def fit_rows(config: Config, start: Path, out: Path) -> None:
    """Fit the head, then everything; examine on rows that were held out; save model and verdict."""
    plan = config.prm
    assert isinstance(plan, FitPrm)
    torch.manual_seed(config.seed)
    model = load_model(
        AutoModelForTokenClassification, start, fresh=["score."], dtype=getattr(torch, plan.dtype), num_labels=2
    )
    model = placed(model)
    tokenizer = load_tokenizer(start)
    require_words(model, tokenizer, start)
    rows = read_rows(plan.rows)
    random.Random(config.seed).shuffle(rows)
    if len(rows) <= plan.gate.problems:
        raise ConfigError(f"prm.gate.problems={plan.gate.problems} leaves none of {len(rows)} rows to fit to")
    examples = [cut(prm800k_example(tokenizer, row), plan.max_tokens) for row in rows]
    unseen, seen = examples[: plan.gate.problems], examples[plan.gate.problems :]
    for some in (unseen, seen):
        if all(label == IGNORE for example in some for label in example["labels"]):
            raise ConfigError(f"prm.max_tokens={plan.max_tokens} cuts off every label of {len(some)} rows: take more")
    pad = {"input_ids": tokenizer.pad_token_id, **PAD}

    def loss(batch: Minibatch) -> Tensor:
        logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        return mean_cross_entropy(logits.float(), batch["labels"])

    model.base_model.requires_grad_(False)
    losses = fit(model, seen, pad, loss, plan.head_fit, seed=config.seed, label="prm head")
    model.base_model.requires_grad_(True)
    losses += fit(model, seen, pad, loss, plan.full_fit, seed=config.seed + 1, label="prm")

    report = examine_rows(model, unseen, plan.gate)
    model.save_pretrained(out / "model")
    tokenizer.save_pretrained(out / "model")
    save_replay(seen, out / "model", config.seed)
    (out / "losses.json").write_text(json.dumps([round(x, 5) for x in losses]))
    (out / "gate.json").write_text(json.dumps(report, indent=2))


def read_rows(rows: StepRows) -> list[dict[str, Any]]:
    """Rows of a JSON Lines file, or of a split of a hub data set.

    Raises ``ConfigError`` for a row without problem, steps or labels, or with more of one than of the other.
    """
    found = file_rows(Path(rows.path)) if Path(rows.path).is_file() else hub_rows(rows)
    for place, row in found:
        if not {"prompt", "completions", "labels"} <= set(row):
            raise ConfigError(f"{place}: a row needs prompt, completions and labels")
        steps, labels = row["completions"], row["labels"]
        text_in(row, "prompt", place)
        if not isinstance(steps, list) or not all(isinstance(step, str) for step in steps):
            raise ConfigError(f"{place}: completions must be a list of texts, one a step")
        if not isinstance(labels, list) or not steps or len(steps) != len(labels):
            raise ConfigError(f"{place}: every step of completions needs its label, and there must be one")
    ratings = any(type(label) is int and label == -1 for _, row in found for label in row["labels"])
    return [{**row, "labels": verdicts_of(row["labels"], ratings, place)} for place, row in found]


def hub_rows(rows: StepRows) -> Rows:
    """The rows of a split of a hub data set.

    Raises ``ConfigError`` where the hub does not give it.
    """
    from datasets import load_dataset

    try:
        split = load_dataset(rows.path, split=rows.split, revision=rows.revision)
    except Exception as error:  # hub, network and library fail in many ways
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise ConfigError(
            f"prm.rows.path={rows.path} is no file, and the hub does not give it ({type(error).__name__}: {reason})"
        ) from error
    return [(f"{rows.path}, row {i}", row) for i, row in enumerate(split)]


def cut(example: Example, max_tokens: int) -> Example:
    """An example without what lies beyond its first ``max_tokens`` tokens.

    >>> cut({"input_ids": [5, 6, 7], "labels": [-100, -100, 1]}, 2)
    {'input_ids': [5, 6], 'labels': [-100, -100]}
    """
    return {name: values[:max_tokens] for name, values in example.items()}


@torch.no_grad()
def examine_rows(model: PreTrainedModel, examples: Sequence[Example], gate: Gate) -> dict:
    """Share of wrong steps found and of right steps called wrong, over held-out rows; a score below 0 says wrong."""
    scores, right = [], []
    for example in examples:
        with autocast():
            logits = model(input_ids=torch.tensor([example["input_ids"]], device=model.device)).logits[0]
        labels = torch.tensor(example["labels"])
        wrong, good = logits.float().cpu()[labels != IGNORE].softmax(dim=-1).unbind(dim=-1)
        scores.append(good - wrong)
        right.append(labels[labels != IGNORE] == 1)
    all_scores, all_right = torch.cat(scores), torch.cat(right)
    return {
        **against_labels(all_scores, all_right, gate),
        "steps": len(all_right),
    }
