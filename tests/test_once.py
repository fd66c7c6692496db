"""What a step needs is computed once: texts, grades, ends of steps, and one pass of each model over the responses."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
import trajectory as ten

from pure_repro.launch.compose import composed
from pure_repro.models import likelihoods, logprobs
from pure_repro.models.head import install_target_head
from pure_repro.models.ranks import ALONE
from pure_repro.rollout import steps
from pure_repro.train import experience, responder, update
from pure_repro.train.loop import train
from pure_repro.types import Rollouts

STEPS = 3
TOY = [
    *("recipe=smoke", "track=none", "reward=verifiable", "watch.on_collapse=warn", "rollout.max_new_tokens=16"),
    *("model.hidden_size=32", "model.intermediate_size=64", "model.layers=2", "model.heads=2"),
    *(f"train.steps={STEPS}", "train.validate_every=99", "train.checkpoint_every=99", "data.validation_problems=2"),
    *("train.prompts_per_step=4", "train.samples_per_prompt=4", "train.tokens_per_microbatch=10000"),
]
# As the OpenRLHF release: a penalty in the reward, two updates a batch, a sampler colder than the objective.
RELEASED = [
    "train.rollouts_per_update=8",
    "rollout.temperature=0.5",
    "objective.kl.beta=1e-3",
    "objective.kl.where=reward",
]


@pytest.mark.parametrize(
    ("words", "policy", "reference"),
    [
        (RELEASED, 1, 1),  # penalty, old policy and sampler's temperature share one pass
        ([*RELEASED[:2], "objective.kl.beta=0.0"], 1, 0),
        (["train.rollouts_per_update=16", "objective.kl.beta=0.0"], 0, 0),  # on policy: the update's own pass says all
    ],
)
def test_what_a_step_needs_is_computed_once(words, policy, reference, small_base, tmp_path: Path, monkeypatch):
    counts: Counter[str] = Counter()

    def counted(owner: Any, name: str, key: str | None = None) -> None:
        """Count the calls of a function of a module, or of a method."""
        function = getattr(owner, name)

        def call(*given: Any, **named: Any) -> Any:
            counts[key or name] += 1
            return function(*given, **named)

        monkeypatch.setattr(owner, name, call)

    inner = likelihoods.Likelihoods._at

    def passes(self: Any, model: Any, rollouts: Rollouts, temperatures: Any) -> Any:
        """Count the passes of the policy and of the reference over responses."""
        counts["policy" if model is self.engine.sampler else "reference"] += 1
        return inner(self, model, rollouts, temperatures)

    monkeypatch.setattr(likelihoods.Likelihoods, "_at", passes)
    for owner, name in ((responder, "texts"), (responder, "grade_many"), (update, "token_logprobs")):
        counted(owner, name)
    counted(steps, "separator_ids")
    counted(experience.Experience, "batch", "steps")
    monkeypatch.setattr("pure_repro.train.validation.Validator.validate", lambda self: None)
    train(composed([*TOY, *words]), small_base, None, tmp_path, ALONE)
    updates = 16 // int(words[0].split("=")[1])
    assert counts.pop("token_logprobs") == STEPS * updates, "one micro-batch each"
    wanted = {"steps": STEPS, "texts": STEPS, "grade_many": STEPS, "separator_ids": 1}
    passed = {"policy": STEPS * policy, "reference": STEPS * reference}
    assert counts == Counter(wanted | {name: n for name, n in passed.items() if n})


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("packing", [False, True])
def test_one_pass_at_two_temperatures_is_two_passes(chunked, packing, float32):
    policy, rollouts = ten.policy(), ten.rollouts()
    if chunked:
        install_target_head(policy)
    both = logprobs.logprobs_at(policy, rollouts, (1.0, 0.5), 200, packing=packing)
    for at, heat in enumerate((1.0, 0.5)):
        alone = logprobs.all_logprobs(policy, rollouts, heat, 200, packing=packing)
        torch.testing.assert_close(both[:, at], alone)
    assert not torch.allclose(both[:, 0], both[:, 1])
