"""What a reward model is worth, measured on fresh samples of the base before any reinforcement."""

import json
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from pure_repro.config import Config, Embedded, EmbeddedPrm, Gate
from pure_repro.data.world import check, judgeable, parse_question
from pure_repro.prm.labels import ends_right
from pure_repro.prm.measures import calibration_error, step_counts, step_figures
from pure_repro.prm.score import newline_id, step_scores
from pure_repro.rollout.hf import SamplingPlan, generate
from pure_repro.rollout.steps import StepReader
from pure_repro.rollout.text import texts
from pure_repro.types import Problem, Rollouts

PROBE_PROBLEMS = 40


def examine_prm(
    prm: PreTrainedModel,
    base: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    problems: list[Problem],
    config: Config,
) -> dict:
    """Share of bad steps found, false alarms, calibration, and the scores of answers that say nothing.

    A step counts as called bad when its score is 0 or below, as in every examination (:mod:`pure_repro.prm.measures`).
    Steps after a derailing error are not judged. Of a model that judges whole responses the figures are of its scores
    at their ends.
    """
    assert isinstance(config.prm, EmbeddedPrm) and isinstance(config.data, Embedded)  # the world has the exact checker
    plan = SamplingPlan(1, 1.0, 1.0, config.rollout.max_new_tokens)
    prompts = [config.data.prompt.replace("{question}", p.question) for p in problems]
    rollouts = generate(base, tokenizer, problems, prompts, plan, seed=config.seed, step=1)
    steps = StepReader.of(tokenizer).steps(rollouts)
    scores = step_scores(prm, rollouts, steps, newline_id(tokenizer))

    judged, right, kinds = [], [], []
    for row, (problem, text) in enumerate(zip(problems, texts(tokenizer, rollouts), strict=True)):
        if not rollouts.finished[row]:
            continue
        steps_said = text.split("\n\n")
        if config.reward.judges == "response":
            judged.append(scores[row, len(steps_said) - 1])
            right.append(ends_right(problem.question, steps_said, config.data.modulus))
            kinds.append("" if right[-1] else "answer")
            continue
        said = check(problem.question, steps_said, config.data.modulus)
        for score, judgement in zip(scores[row], judgeable(said), strict=False):  # scores are padded
            judged.append(score)
            right.append(judgement.right)
            kinds.append(judgement.kind)
    all_scores, all_right = torch.stack(judged), torch.tensor(right)
    found = Counter(kind for kind, score in zip(kinds, judged, strict=True) if score <= 0)
    seen = Counter(kinds)
    return {
        **against_labels(all_scores, all_right, config.prm.gate),
        "by_kind": {k: {"found": found[k] / seen[k], "count": seen[k]} for k in sorted(seen) if k},
        "probes": probe_prm(prm, tokenizer, problems[:PROBE_PROBLEMS], config),
    }


def against_labels(scores: Float[Tensor, " step"], right: Bool[Tensor, " step"], gate: Gate) -> dict[str, Any]:
    """How scores of steps agree with what the steps are, and whether that passes the gate."""
    found = sign_agreement(scores, right)
    return {
        "passed": found["bad_found"] >= gate.min_bad_found and found["false_alarms"] <= gate.max_false_alarms,
        **found,
        "calibration_error": calibration_error((scores.numpy() + 1) / 2, right.tolist()),
    }


def sign_agreement(scores: Float[Tensor, " step"], right: Bool[Tensor, " step"]) -> dict[str, float]:
    """Steps that the sign of the score judges rightly, bad ones it finds, right ones it calls bad; shares.

    >>> sign_agreement(torch.tensor([0.5, -0.5, 0.5, -0.5]), torch.tensor([True, True, False, False]))
    {'accuracy': 0.5, 'bad_found': 0.5, 'false_alarms': 0.5}
    """
    counts = np.array([step_counts(scores.tolist(), right.tolist(), threshold=0.0)], float)
    return {name: value.item() for name, value in step_figures(counts).items()}


def step_agreement(
    problems: Sequence[Problem], texts: Sequence[list[str]], scores: Float[Tensor, "batch step"], modulus: int
) -> dict[str, float]:
    """``sign_agreement`` of step scores with the exact checker, over all steps of the responses that can be judged.

    ``texts`` are those of the steps that were scored.
    """
    judgements = [judgeable(check(p.question, steps, modulus)) for p, steps in zip(problems, texts, strict=True)]
    scored = [row[: len(said)] for row, said in zip(scores, judgements, strict=True)]
    return sign_agreement(
        torch.cat(scored), torch.tensor([judgement.right for said in judgements for judgement in said])
    )


def probe_prm(
    prm: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, problems: list[Problem], config: Config
) -> dict[str, float]:
    """Mean lowest step score of answers that a policy may find worth giving."""
    assert isinstance(config.data, Embedded)
    rng = random.Random(config.seed)
    chains = [parse_question(problem.question) for problem in problems]
    answers = {
        "empty": ["" for _ in chains],
        "thanks": ["thanks" for _ in chains],
        "box_only": [f"\\boxed{{{rng.randrange(config.data.modulus)}}}" for _ in chains],
        "half_a_step": [f"{start}{operations[0]}" for start, operations in chains],
        "wait": ["wait" for _ in chains],
        "nine_waits": ["\n\n".join(["wait"] * 9) for _ in chains],
        "repeated": ["\n\n".join([f"have {start}"] * 3) for start, _ in chains],
    }
    scores = {}
    for name, said in answers.items():
        rollouts = as_rollouts(
            tokenizer, [config.data.prompt.replace("{question}", p.question) for p in problems], said
        )
        steps = StepReader.of(tokenizer).steps(rollouts)
        values = step_scores(prm, rollouts, steps, newline_id(tokenizer)).masked_fill(~steps.mask, torch.inf)
        scores[name] = values.min(dim=1).values.mean().item()
    return scores


def as_rollouts(tokenizer: PreTrainedTokenizerBase, prompts: list[str], responses: list[str]) -> Rollouts:
    """Given responses in the shape of sampled ones, each ended by EOS."""
    prompt = tokenizer(prompts, padding=True, padding_side="left", return_tensors="pt")
    said = tokenizer(
        [text + tokenizer.eos_token for text in responses],
        **{"padding": True, "padding_side": "right", "return_tensors": "pt", "add_special_tokens": False},
    )
    mask = said["attention_mask"].bool()
    return Rollouts(
        prompt=prompt["input_ids"],
        prompt_mask=prompt["attention_mask"].bool(),
        tokens=said["input_ids"],
        mask=mask,
        logprobs=torch.zeros(mask.shape),
        finished=torch.ones(len(prompts), dtype=torch.bool),
        group=torch.arange(len(prompts)),
        stale=torch.zeros(len(prompts), dtype=torch.long),
    )


def gate_in_words(report: dict) -> str:
    """The examination in two lines, as it is printed before any reinforcement.

    >>> print(gate_in_words({"passed": True, "accuracy": 0.98, "bad_found": 0.95, "false_alarms": 0.002,
    ...                      "calibration_error": 0.01, "probes": {"empty": -1.0, "wait": 1.0}}))
    reward model passed: 98.0 % of steps judged right, 95.0 % of bad steps found, 0.2 % false alarms, off by 0.010
    worst step score of answers that say nothing: empty -1.00, wait +1.00
    """
    return (
        f"reward model {'passed' if report['passed'] else 'FAILED'}: {100 * report['accuracy']:.1f} % of steps judged "
        f"right, {100 * report['bad_found']:.1f} % of bad steps found, {100 * report['false_alarms']:.1f} % false "
        "alarms, "
        f"off by {report['calibration_error']:.3f}\n"
        "worst step score of answers that say nothing: "
        + ", ".join(f"{name.replace('_', ' ')} {score:+.2f}" for name, score in report["probes"].items())
    )


class GateFailed(Exception):
    """The reward model is not good enough to be trained against."""


def require_pass(report_file: Path, gate: Gate) -> None:
    """Stop before any reinforcement when the examined reward model failed, unless ``gate.on_fail`` is ``warn``."""
    report = json.loads(report_file.read_text())
    if report["passed"]:
        return
    verdict = (
        f"the reward model finds {report['bad_found']:.1%} of bad steps (at least {gate.min_bad_found:.0%} wanted) "
        f"with {report['false_alarms']:.1%} false alarms (at most {gate.max_false_alarms:.0%})"
    )
    if gate.on_fail == "stop":
        raise GateFailed(f"{verdict}: fit it longer (prm.demonstrations) or go on with prm.gate.on_fail=warn")
    print(f"warning: {verdict}; going on as prm.gate.on_fail=warn says")
