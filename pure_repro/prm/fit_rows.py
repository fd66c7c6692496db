"""Stage ``prm`` on human step labels: PURE's two-stage fit of a language model to rows in PRM800K layout.

It is fitted by the engine that trains the policy, on all ranks.
"""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import Linear
from transformers import AutoModelForTokenClassification, PreTrainedModel

from pure_repro.config import Config, ConfigError, FitPrm, Gate, StepRows
from pure_repro.data.files import Rows, file_rows, text_in
from pure_repro.models.adapter import add_adapter, merged_parameters
from pure_repro.models.load import load_model, load_tokenizer, require_words
from pure_repro.models.precision import has_fast_bf16
from pure_repro.models.ranks import Ranks
from pure_repro.models.supervised import IGNORE, Example
from pure_repro.prm.gate import against_labels
from pure_repro.prm.labels import prm800k_example, verdicts_of
from pure_repro.prm.replay import save_replay
from pure_repro.prm.row_fit import fit_to_rows
from pure_repro.prm.score import logits_of


def fit_rows(config: Config, start: Path, out: Path, ranks: Ranks) -> None:
    """Fit the head, then everything; examine on problems that were held out; save model and verdict.

    Every rank calls it.
    """
    plan = config.prm
    assert isinstance(plan, FitPrm)
    tokenizer = load_tokenizer(start)
    unseen, seen = (
        [cut(prm800k_example(tokenizer, row), plan.max_tokens) for row in rows]
        for rows in held_out(read_rows(plan.rows), plan.gate.problems, config.seed)
    )
    for some in (unseen, seen):
        if all(label == IGNORE for example in some for label in example["labels"]):
            raise ConfigError(f"prm.max_tokens={plan.max_tokens} cuts off every label of {len(some)} rows: take more")

    model = start_model(config, start)
    require_words(model, tokenizer, start)
    model.base_model.requires_grad_(False)
    how = config.train.model_copy(update={"gradient_checkpointing": False})  # nothing to go back through
    engine, losses = fit_to_rows(model, seen, plan.head_fit, how, ranks, out, seed=config.seed, label="prm head")
    head = {name: weight.cpu() for name, weight in head_of(engine.sampler).state_dict().items()}
    del model, engine  # a new one: this one's weights may be sharded

    model = start_model(config, start)
    head_of(model).load_state_dict(head)
    if plan.adapter is not None:
        add_adapter(model.base_model, plan.adapter, config.seed)
    engine, more = fit_to_rows(model, seen, plan.full_fit, config.train, ranks, out, seed=config.seed + 1, label="prm")

    report = examine_rows(engine.sampler, unseen, plan.gate, ranks)
    if ranks.first:
        merged = dict(merged_parameters(engine.sampler)) if plan.adapter is not None else None
        engine.sampler.save_pretrained(out / "model", state_dict=merged)
        tokenizer.save_pretrained(out / "model")
        save_replay(seen, out / "model", config.seed)
        (out / "losses.json").write_text(json.dumps([round(x, 5) for x in losses + more]))
        (out / "gate.json").write_text(json.dumps(report, indent=2))


def start_model(config: Config, start: Path) -> PreTrainedModel:
    """The language model with a new head for two classes, the same on every rank and every time."""
    assert isinstance(config.prm, FitPrm)
    torch.manual_seed(config.seed)
    return load_model(
        *(AutoModelForTokenClassification, start),
        fresh=["score."],
        dtype=getattr(torch, config.prm.dtype) if has_fast_bf16() else torch.float32,
        attn_implementation=config.train.attention,
        num_labels=2,
    )


def head_of(model: PreTrainedModel) -> Linear:
    """What stands on the last hidden states."""
    head = model.score
    assert isinstance(head, Linear)
    return head


def held_out(
    rows: Sequence[dict[str, Any]], problems: int, seed: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows of so many problems, drawn by lot, and those of all others; a problem has many rows.

    Raises ``ConfigError`` where no others are.

    >>> rows = [{"prompt": problem, "n": n} for n, problem in enumerate("aabbca")]
    >>> [[row["prompt"] for row in some] for some in held_out(rows, problems=1, seed=0)]
    [['b', 'b'], ['a', 'a', 'c', 'a']]
    """
    asked = sorted({row["prompt"] for row in rows})
    if len(asked) <= problems:
        raise ConfigError(f"prm.gate.problems={problems} leaves none of {len(asked)} problems to fit to")
    apart = set(random.Random(seed).sample(asked, problems))
    return [row for row in rows if row["prompt"] in apart], [row for row in rows if row["prompt"] not in apart]


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
def examine_rows(model: PreTrainedModel, examples: Sequence[Example], gate: Gate, ranks: Ranks) -> dict:
    """Share of wrong steps found and of right steps called wrong, over held-out rows; a score below 0 says wrong."""

    def own(share: slice) -> list[tuple[Tensor, Tensor]]:
        """Scores and labels of the steps of some rows."""
        made = []
        for example in examples[share]:
            ids, labels = torch.tensor([example["input_ids"]]), torch.tensor(example["labels"])
            said = logits_of(model, ids, torch.ones_like(ids, dtype=torch.bool), packing=False)[0]
            wrong, good = said[labels != IGNORE].softmax(dim=-1).unbind(dim=-1)
            made.append((good - wrong, labels[labels != IGNORE] == 1))
        return made

    found = [one for part in ranks.parts(own, len(examples)) for one in part]
    all_scores, all_right = (torch.cat(column) for column in zip(*found, strict=True))
    return {
        **against_labels(all_scores, all_right, gate),
        "steps": len(all_right),
    }
