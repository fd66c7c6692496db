"""Stage ``base``: a base model that reasons in steps and errs, fitted to imperfect demonstrations."""

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path

from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from pure_repro.config import Config, Embedded, ErrorRates, Tiny
from pure_repro.data.demonstrations import demonstrate
from pure_repro.data.prompts import require_known_words
from pure_repro.data.tokenizer import world_tokenizer
from pure_repro.data.world import draw_problems
from pure_repro.models.policy import new_policy
from pure_repro.models.supervised import IGNORE, Example, Minibatch, fit
from pure_repro.types import Problem


def fit_base(config: Config, out: Path) -> None:
    """Fit the base model and save it, with its tokenizer, as a Hugging Face folder ``out / "model"``."""
    assert isinstance(config.model, Tiny) and isinstance(config.data, Embedded)  # nothing else has a base stage
    tokenizer = base_tokenizer(config.model, config.data)
    for key, prompt in prompts_learned(config.model, config.data).items():
        require_known_words(tokenizer, key, prompt)
    model = new_policy(config.model, tokenizer, config.seed)
    pad, loss = demonstrated(model, tokenizer)
    plan, data = config.model, config.data
    drawn = draw_problems(
        "base", plan.clean_demonstrations + plan.demonstrations, data.difficulty, data.modulus, config.seed
    )
    clean, faulty = drawn[: plan.clean_demonstrations], drawn[plan.clean_demonstrations :]
    losses = []
    for problems, errors, stage, label in (
        (clean, faultless(data.errors), plan.clean_fit, "base, faultless"),
        (faulty, data.errors, plan.fit, "base"),
    ):
        pairs = demonstrations(plan if label == "base" else None, data, problems, errors, config.seed)
        examples = demonstration_examples(tokenizer, pairs)
        losses += fit(model, examples, pad, loss, stage, out, seed=config.seed, label=label)
    model.save_pretrained(out / "model")
    tokenizer.save_pretrained(out / "model")
    (out / "losses.json").write_text(json.dumps([round(x, 5) for x in losses]))


def demonstrated(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> tuple[dict[str, int], Callable[[Minibatch], Tensor]]:
    """What fills a batch of demonstrations up, and the loss of one."""
    model.set_attn_implementation("eager")  # on CPU its backward pass is twice as fast as the fused one's

    def loss(batch: Minibatch) -> Tensor:
        output = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=batch["labels"])
        return output.loss

    return {"input_ids": tokenizer.pad_token_id, "attention_mask": 0, "labels": IGNORE}, loss


def faultless(errors: ErrorRates) -> ErrorRates:
    """The rates of a demonstrator who makes no mistake and has the same habits otherwise."""
    return ErrorRates.model_validate(dict.fromkeys(ErrorRates.model_fields, 0.0) | {"filler": errors.filler})


def base_tokenizer(model: Tiny, data: Embedded) -> PreTrainedTokenizerBase:
    """The embedded world's words, and those by which a right or a wrong answer is asked for."""
    marks = [] if model.marked is None else [model.marked.better, model.marked.worse]
    return world_tokenizer(data.modulus, [mark.partition("{question}")[0] for mark in marks])


def prompts_learned(model: Tiny, data: Embedded) -> dict[str, str]:
    """Every prompt that a demonstration is put in, by its key."""
    asked = {} if model.explained is None else {"model.explained.prompt": model.explained.prompt}
    if model.marked is not None:
        asked |= {"model.marked.better": model.marked.better, "model.marked.worse": model.marked.worse}
    return {"data.prompt": data.prompt} | asked


def demonstrations(
    asked: Tiny | None, data: Embedded, problems: Sequence[Problem], errors: ErrorRates, seed: int
) -> list[tuple[str, str]]:
    """A prompt and a response for every problem.

    Where ``asked`` has learned more prompts than the plain one, a share of the problems is put in each: with the
    answer, and then the demonstrator tries until the response reaches it; or under a word that says whether it does.
    """
    rng, choice = random.Random(seed), random.Random(f"asked-{seed}")
    explained = asked.explained if asked else None
    marked = asked.marked if asked else None
    examples = []
    for problem in problems:
        question, coin = problem.question, choice.random()
        response = demonstrate(problem, errors, data.modulus, rng)
        if explained and coin < explained.share:
            while not reaches(response, problem):
                response = demonstrate(problem, errors, data.modulus, rng)
            question = explained.prompt.replace("{answer}", str(problem.answer)).replace("{question}", question)
        elif marked and coin > 1 - marked.share:
            way = marked.better if reaches(response, problem) else marked.worse
            question = way.replace("{question}", question)
        examples.append((data.prompt.replace("{question}", question), response))
    return examples


def reaches(response: str, problem: Problem) -> bool:
    r"""Whether a demonstration boxes the answer.

    >>> reaches("1+1=2\n\n\\boxed{2}", Problem("a", "1+1", "2"))
    True
    """
    return response.endswith(f"\\boxed{{{problem.answer}}}")


def demonstration_examples(tokenizer: PreTrainedTokenizerBase, examples: Sequence[tuple[str, str]]) -> list[Example]:
    """Prompts and responses as token ids, with the prompt left out of the loss."""
    prompts = tokenizer([prompt for prompt, _ in examples])["input_ids"]
    answers = tokenizer([response for _, response in examples])["input_ids"]
    return [
        {
            "input_ids": [*prompt, *answer, tokenizer.eos_token_id],
            "attention_mask": [1] * (len(prompt) + len(answer) + 1),
            "labels": [IGNORE] * len(prompt) + [*answer, tokenizer.eos_token_id],
        }
        for prompt, answer in zip(prompts, answers, strict=True)
    ]
