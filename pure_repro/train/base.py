"""Stage ``base``: a base model that reasons in steps and errs, fitted to imperfect demonstrations."""

import json
import random
from pathlib import Path

import torch
from torch import Tensor

from pure_repro.config import Config, Data
from pure_repro.data.demonstrations import demonstrate
from pure_repro.data.tokenizer import world_tokenizer
from pure_repro.data.world import draw_problems
from pure_repro.train.policy import new_policy
from pure_repro.train.supervised import IGNORE, Batch, Example, fit


def fit_base(config: Config, out: Path) -> None:
    """Fit the base model and save it, with its tokenizer, as a Hugging Face folder ``out / "model"``."""
    tokenizer = world_tokenizer(config.data.modulus)
    model = new_policy(config.model, tokenizer, config.seed)
    model.set_attn_implementation("eager")  # on CPU its backward pass is twice as fast as the fused one's

    def loss(batch: Batch) -> Tensor:
        output = model(
            input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=batch["labels"]
        )
        return output.loss

    pad = {"input_ids": tokenizer.pad_token_id, "attention_mask": 0, "labels": IGNORE}
    examples = demonstration_examples(config.data, config.model.demonstrations, config.seed)
    losses = fit(model, examples, pad, loss, config.model.fit, seed=config.seed, label="base")
    model.save_pretrained(out / "model")
    tokenizer.save_pretrained(out / "model")
    (out / "losses.json").write_text(json.dumps([round(x, 5) for x in losses]))


def demonstration_examples(data: Data, count: int, seed: int) -> list[Example]:
    """Demonstrations of problems of the ``base`` split as token ids, with the prompt left out of the loss."""
    tokenizer = world_tokenizer(data.modulus)
    problems = draw_problems("base", count, data.difficulty, data.modulus, seed)
    rng = random.Random(seed)
    responses = [demonstrate(p, data.errors, data.modulus, rng) for p in problems]
    prompts = tokenizer([data.prompt.format(question=p.question) for p in problems])["input_ids"]
    answers = tokenizer(responses)["input_ids"]
    return [
        {
            "input_ids": [*prompt, *answer, tokenizer.eos_token_id],
            "attention_mask": [1] * (len(prompt) + len(answer) + 1),
            "labels": [IGNORE] * len(prompt) + [*answer, tokenizer.eos_token_id],
        }
        for prompt, answer in zip(prompts, answers, strict=True)
    ]


def limit_threads(threads: int) -> None:
    """One process per core beats several threads at these sizes."""
    torch.set_num_threads(threads)
