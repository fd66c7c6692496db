"""Stage ``prm`` of ``prm=implicit``: the reward model of implicit rewards, fitted before any reinforcement.

It is the same model and the same loss as online (:mod:`pure_repro.reward.implicit`), on responses of the base alone:
what PRIME calls offline.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from pure_repro.config import Config, Embedded, Gate, ImplicitPrm
from pure_repro.data.world import draw_problems
from pure_repro.grading import grade_many
from pure_repro.models.engine import open_engine
from pure_repro.models.logprobs import all_logprobs
from pure_repro.models.policy import load_policy
from pure_repro.models.ranks import ALONE, placed
from pure_repro.prm.gate import against_labels
from pure_repro.reward.implicit_rewards import ranked_right
from pure_repro.reward.outcome_model import TEMPERATURE, OutcomeModel
from pure_repro.reward.verifiable import outcomes_of
from pure_repro.rollout.hf import SamplingPlan, generate
from pure_repro.rollout.text import texts
from pure_repro.types import Outcomes, Problem, Rollouts


def fit_implicit(config: Config, base_folder: Path, out: Path) -> None:
    """Fit the reward model on the base model's folder, examine it, save model and verdict."""
    plan, data, implicit = config.prm, config.data, config.reward.implicit
    assert isinstance(plan, ImplicitPrm) and isinstance(data, Embedded) and implicit is not None
    base, tokenizer = load_policy(base_folder, config.model, config.train.attention)
    start, _ = load_policy(base_folder, config.model, config.train.attention)
    base = placed(base)
    problems = draw_problems("prm", plan.problems + plan.gate.problems, data.difficulty, data.modulus, config.seed)
    keys = {
        "learning_rate": plan.learning_rate,
        "max_grad_norm": plan.max_grad_norm,
        "rollouts_per_update": plan.responses_per_update,
        "deepspeed": None,
    }
    train = config.train.model_copy(update=keys)
    model = OutcomeModel(open_engine(start, train, ALONE), implicit.beta, train)

    def referred(rollouts: Rollouts) -> Float[Tensor, "batch token"]:
        return all_logprobs(base, rollouts, TEMPERATURE, train.tokens_per_microbatch, packing=train.packing)

    seen, outcomes = sample_and_grade(base, tokenizer, problems[plan.gate.problems :], config)
    lesson = {"reference": referred(seen), "outcome": outcomes.right, "known": outcomes.known}
    losses = [model.learn(seen, lesson) for _ in range(plan.epochs)]

    sampled, outcomes = sample_and_grade(base, tokenizer, problems[: plan.gate.problems], config)
    unseen, right = sampled.rows(outcomes.known), outcomes.right[outcomes.known]
    logits = model.rewards(unseen, referred(unseen)).sum(dim=1)
    report = examine_logits(logits, right, plan.gate) | {"ranked_right": ranked_right(logits, right, unseen.group)}

    model.engine.sampler.save_pretrained(out / "model")
    tokenizer.save_pretrained(out / "model")
    (out / "losses.json").write_text(json.dumps([round(one["implicit/loss"], 5) for one in losses]))
    (out / "gate.json").write_text(json.dumps(report, indent=2))
    verdict = "passed" if report["passed"] else "FAILED"
    print(
        f"reward model {verdict}: {report['accuracy']:.1%} of responses judged right, "
        f"{report['ranked_right']:.1%} of pairs of a right and a wrong one ranked right"
    )


def sample_and_grade(
    base: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, problems: Sequence[Problem], config: Config
) -> tuple[Rollouts, Outcomes]:
    """Responses of the base to some problems, and which are right; of what is undecided nothing is known."""
    assert isinstance(config.prm, ImplicitPrm)
    plan = SamplingPlan(config.prm.samples, 1.0, 1.0, config.rollout.max_new_tokens)
    prompts = [config.data.prompt.replace("{question}", problem.question) for problem in problems]
    rollouts = generate(base, tokenizer, problems, prompts, plan, seed=config.seed, step=0)
    asked = [problems[group] for group in rollouts.group.tolist()]
    verdicts = grade_many(
        texts(tokenizer, rollouts), [str(problem.answer) for problem in asked], **config.grading.model_dump()
    )
    return rollouts, outcomes_of(asked, [verdict.status for verdict in verdicts], "unknown")


def examine_logits(logits: Float[Tensor, " batch"], outcome: Float[Tensor, " batch"], gate: Gate) -> dict:
    """How often the sign of a response's logit says how it came out, and how far its probability is off.

    >>> gate = Gate(problems=1, min_bad_found=0.5, max_false_alarms=0.5, on_fail="warn")
    >>> report = examine_logits(torch.tensor([2.0, -1.0, 1.0, -1.0]), torch.tensor([1.0, 0.0, 0.0, 0.0]), gate)
    >>> report["accuracy"], round(report["bad_found"], 2), report["false_alarms"], report["passed"]
    (0.75, 0.67, 0.0, True)
    """
    scores = 2 * torch.sigmoid(logits) - 1  # P(right) − P(wrong), as a step's
    return against_labels(scores, outcome > 0.5, gate) | {"by_kind": {}, "probes": {}}
