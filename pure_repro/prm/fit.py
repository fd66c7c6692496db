"""Stage ``prm``: a token-classification head on the base model, fitted in two stages (head only, then everything).

The paper fits a 7B model on 369,000 labelled solutions. A model of 1.3 M parameters learns the same from 70,000 only
with denser teaching: every token of a step is labelled besides its end, and an auxiliary language loss on the token
that *should* come next makes it do the arithmetic it judges. Neither is read at scoring time.
"""

import json
import random
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Qwen2ForTokenClassification

from pure_repro.config import Config, Embedded, EmbeddedPrm
from pure_repro.data.demonstrations import demonstrate
from pure_repro.data.world import draw_problems
from pure_repro.models.policy import load_policy
from pure_repro.models.supervised import IGNORE, Example, Minibatch, fit
from pure_repro.prm.gate import examine_prm, gate_in_words
from pure_repro.prm.labels import world_examples
from pure_repro.prm.replay import save_replay
from pure_repro.rollout.hf import SamplingPlan, generate
from pure_repro.types import Problem


def fit_prm(config: Config, base_folder: Path, out: Path) -> None:
    """Fit the reward model on the base model's folder, examine it, save model and verdict."""
    base, tokenizer = load_policy(base_folder, config.model)
    assert isinstance(config.prm, EmbeddedPrm) and isinstance(config.data, Embedded)  # nothing else is fitted here
    drawn = config.prm.demonstrations + config.prm.base_samples + config.prm.gate.problems
    problems = draw_problems("prm", drawn, config.data.difficulty, config.data.modulus, config.seed)
    unseen, seen = problems[: config.prm.gate.problems], problems[config.prm.gate.problems :]

    examples = training_examples(config, base, tokenizer, seen)
    prm = token_classifier(base, config.prm.extra_layers, config.seed)
    losses = fit_in_two_stages(prm, tokenizer, examples, config.prm, out, config.seed)
    report = examine_prm(prm, base, tokenizer, unseen, config)
    refits = 0
    while not report["passed"] and refits < config.prm.refits:
        refits += 1
        losses += fit_whole(
            prm, tokenizer, examples, config.prm, out, seed=config.seed + 1 + refits, label=f"prm, again {refits}"
        )
        report = examine_prm(prm, base, tokenizer, unseen, config)

    prm.save_pretrained(out / "model")
    tokenizer.save_pretrained(out / "model")
    save_replay(examples, out / "model", config.seed)
    (out / "losses.json").write_text(json.dumps([round(x, 5) for x in losses]))
    (out / "gate.json").write_text(json.dumps(report | {"refits": refits}, indent=2))
    print(gate_in_words(report))


def token_classifier(base: PreTrainedModel, extra_layers: int, seed: int) -> Qwen2ForTokenClassification:
    """The base model with ``extra_layers`` more, which start as the identity, and a linear head for two classes."""
    torch.manual_seed(seed)
    prm_config = type(base.config).from_dict(base.config.to_dict())
    prm_config.num_hidden_layers += extra_layers
    prm_config.layer_types = ["full_attention"] * prm_config.num_hidden_layers
    prm_config.num_labels = 2
    prm = Qwen2ForTokenClassification(prm_config)
    prm.model.load_state_dict(base.model.state_dict(), strict=False)
    for layer in prm.model.layers[len(base.model.layers) :]:
        torch.nn.init.zeros_(layer.self_attn.o_proj.weight)
        torch.nn.init.zeros_(layer.mlp.down_proj.weight)
    return prm


def training_examples(
    config: Config, base: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, problems: list[Problem]
) -> list[Example]:
    """Demonstrations with many errors, some broken off, samples of the base, and the negatives asked for."""
    prm, data = config.prm, config.data
    assert isinstance(prm, EmbeddedPrm) and isinstance(data, Embedded)
    rng = random.Random(config.seed)
    taught, sampled = problems[: prm.demonstrations], problems[prm.demonstrations :]
    told = [(p.question, demonstrate(p, prm.errors, data.modulus, rng)) for p in taught]
    if prm.negatives != "none":
        told += [(rng.choice(taught).question, zero_step(rng, data.modulus)) for _ in range(prm.zero_step_examples)]
    if prm.negatives == "all":
        for problem in rng.sample(taught, prm.filler_examples):
            told.append((problem.question, stalled(demonstrate(problem, prm.errors, data.modulus, rng), rng)))
    plan = SamplingPlan(1, 1.0, 1.0, config.rollout.max_new_tokens)
    prompts = [data.prompt.replace("{question}", p.question) for p in sampled]
    rollouts = generate(base, tokenizer, sampled, prompts, plan, seed=config.seed, step=0)
    own = [
        (p.question, tokens[mask][:-1].tolist())  # without EOS
        for p, tokens, mask, finished in zip(sampled, rollouts.tokens, rollouts.mask, rollouts.finished, strict=True)
        if finished
    ]
    written = tokenizer([response for _, response in told])["input_ids"]
    responses = [(question, ids) for (question, _), ids in zip(told, written, strict=True)]
    separator = tokenizer.get_vocab()["\n\n"]
    broken = [
        (question, cut_inside_step(ids, separator, rng)) for question, ids in rng.sample(responses, prm.broken_examples)
    ]
    return world_examples(
        tokenizer, data.prompt, data.modulus, responses + own + broken, prm.negatives, config.reward.judges
    )


def cut_inside_step(ids: list[int], separator: int, rng: random.Random) -> list[int]:
    """The response, ended inside one of its steps; a response of one-token steps is left as it is.

    >>> cut_inside_step([5, 6, 7, 9, 4], separator=9, rng=random.Random(0)) in ([5], [5, 6])
    True
    """
    inside = [i for i in range(1, len(ids)) if separator not in (ids[i - 1], ids[i])]
    return ids[: rng.choice(inside)] if inside else ids


def zero_step(rng: random.Random, modulus: int) -> str:
    """A response that says nothing of the problem."""
    return rng.choice(["", "thanks", f"\\boxed{{{rng.randrange(modulus)}}}"])


def stalled(response: str, rng: random.Random) -> str:
    """The response with one of its steps said again and again."""
    steps = response.split("\n\n")
    at = rng.randrange(len(steps))
    repeated = rng.choice([steps[at], "wait"])
    return "\n\n".join([*steps[: at + 1], *[repeated] * rng.randint(1, 8), *steps[at + 1 :]])


def fit_in_two_stages(
    prm: Qwen2ForTokenClassification,
    tokenizer: PreTrainedTokenizerBase,
    examples: list[Example],
    plan: EmbeddedPrm,
    out: Path,
    seed: int,
) -> list[float]:
    """Head only, then all weights; returns the loss of each step."""
    prm.set_attn_implementation("eager")  # on CPU its backward pass is twice as fast as the fused one's
    prm.model.requires_grad_(False)
    few = random.Random(seed).sample(examples, plan.head_examples)
    losses = fit(prm, few, padding(tokenizer), joint_loss(prm, plan), plan.head_fit, out, seed=seed, label="prm head")
    prm.model.requires_grad_(True)
    return losses + fit_whole(prm, tokenizer, examples, plan, out, seed=seed + 1, label="prm")


def fit_whole(
    prm: Qwen2ForTokenClassification,
    tokenizer: PreTrainedTokenizerBase,
    examples: list[Example],
    plan: EmbeddedPrm,
    out: Path,
    *,
    seed: int,
    label: str,
) -> list[float]:
    """All weights, from where they are; returns the loss of each step."""
    return fit(prm, examples, padding(tokenizer), joint_loss(prm, plan), plan.full_fit, out, seed=seed, label=label)


def padding(tokenizer: PreTrainedTokenizerBase) -> dict[str, int]:
    """What fills each column of a batch up to its longest example."""
    ignored = dict.fromkeys(("labels", "token_labels", "next_tokens"), IGNORE)
    return {"input_ids": int(tokenizer.pad_token_id), "attention_mask": 0, **ignored}


def joint_loss(prm: Qwen2ForTokenClassification, plan: EmbeddedPrm) -> Callable[[Minibatch], Tensor]:
    """``CE(step) + token_weight·CE(token) + language_weight·CE(next token)`` of a batch."""

    def loss(batch: Minibatch) -> Tensor:
        """What one minibatch costs: verdicts on steps, and the words around them."""
        hidden = prm.model(
            input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False
        ).last_hidden_state
        verdicts = prm.score(prm.dropout(hidden)).float()
        words = (hidden @ prm.model.embed_tokens.weight.T).float()
        return (
            mean_cross_entropy(verdicts, batch["labels"])
            + plan.token_weight * mean_cross_entropy(verdicts, batch["token_labels"])
            + plan.language_weight * mean_cross_entropy(words, batch["next_tokens"])
        )

    return loss


def mean_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy over the labelled positions; 0, not NaN, where nothing is labelled.

    >>> mean_cross_entropy(torch.zeros(1, 2, 2), torch.full((1, 2), IGNORE)).item()
    0.0
    """
    labelled = (labels != IGNORE).sum().clamp(min=1)
    return cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORE, reduction="sum") / labelled
