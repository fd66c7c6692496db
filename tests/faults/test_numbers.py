"""What is not finite has nowhere to come from, and stops where it comes."""

from typing import get_args

import pytest
import torch

from pure_repro.advantage import advantage_estimator
from pure_repro.advantage.whiten import whiten
from pure_repro.config import ConfigError
from pure_repro.config.advantage import Estimator
from pure_repro.launch.compose import composed
from pure_repro.models.finite import NotFinite, not_finite, require_finite
from pure_repro.objective.aggregate import token_weights
from pure_repro.objective.likelihood import negative_likelihood
from pure_repro.score.estimators import pass_at
from pure_repro.train.journal import Journal
from pure_repro.types import Steps

LENGTHS = torch.tensor([[3], [0], [2], [0]])
MASK = torch.arange(3) < LENGTHS
GROUP = torch.tensor([0, 0, 1, 1])
STEPS = Steps(end=(LENGTHS - 1).clamp(min=0), mask=LENGTHS > 0)


@pytest.mark.parametrize("name", get_args(Estimator))
def test_a_response_without_tokens_has_no_advantage_and_harms_no_other(name: str) -> None:
    returns = torch.tensor([[1.0], [0.0], [0.5], [0.0]]).expand(4, 3) * MASK
    advantages = advantage_estimator(name)(returns, MASK, GROUP, STEPS, max_tokens=3)
    assert advantages.isfinite().all() and not advantages[~MASK].any()
    assert advantages[MASK].any()


@pytest.mark.parametrize("counted", [0, 1])
def test_one_token_has_no_deviation(counted: int) -> None:
    mask = torch.zeros(2, 3, dtype=torch.bool)
    mask.view(-1)[:counted] = True
    assert torch.equal(whiten(torch.rand(2, 3), mask, eps=1e-8), torch.zeros(2, 3))


@pytest.mark.parametrize("name", ["token_mean", "sequence_mean", "constant"])
def test_a_response_without_tokens_weighs_nothing(name: str) -> None:
    weights = token_weights(name, MASK, max_tokens=3)
    assert weights.isfinite().all() and not weights[1].any() and weights[0].all()
    assert token_weights(name, MASK[1:2], max_tokens=3).isfinite().all()
    assert negative_likelihood(torch.zeros(4, 3), MASK, reduce="token_mean").isfinite().all()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_none_is_named(value: float) -> None:
    with pytest.raises(NotFinite, match="the gradient norm of the policy is not finite, but"):
        require_finite("the gradient norm of the policy", value)
    with pytest.raises(NotFinite, match=r"the rewards are not finite \(1 of 3 values, the first is"):
        require_finite("the rewards", torch.tensor([0.0, value, 1.0]))
    assert not_finite([("head", torch.tensor([value])), ("body", torch.ones(2))]) == ["head"]


def test_the_record_of_a_run_is_strict_json(tmp_path) -> None:
    journal = Journal(tmp_path / "metrics.jsonl")
    journal.append({"step": 1, "loss": float("nan"), "accuracy": 0.5})
    assert (tmp_path / "metrics.jsonl").read_text() == '{"step": 1, "accuracy": 0.5}\n'


@pytest.mark.parametrize("key", ["reward.right", "train.learning_rate", "reward.process_weight", "objective.kl.beta"])
@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_the_schema_takes_finite_numbers_alone(key: str, value: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{key}=-?(nan|inf) must be a finite number$"):
        composed([f"{key}={value}"])


def test_more_are_drawn_than_there_are() -> None:
    assert pass_at(4, right=0, samples=4) == 0.0
    with pytest.raises(ValueError, match="pass@5 needs 5 samples or more, and there are 4"):
        pass_at(5, right=1, samples=4)
