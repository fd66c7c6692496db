"""PRIME: its formulas by hand, what must hold of them, and its reward model learning beside the policy."""

import copy
import json
import math
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pure_repro.__main__ import main
from pure_repro.advantage.prime_rloo import prime_rloo
from pure_repro.advantage.released_prime_rloo import released_prime_rloo
from pure_repro.advantage.rloo import rloo
from pure_repro.advantage.rloo_step import rloo_step
from pure_repro.credit.sum import sum as return_to_go
from pure_repro.data.world import draw_problems
from pure_repro.launch.compose import ConfigError, composed
from pure_repro.launch.plan import plan
from pure_repro.models.engine_local import LocalEngine
from pure_repro.models.logprobs import all_logprobs
from pure_repro.models.ranks import ALONE
from pure_repro.reward.implicit_rewards import by_largest_return, implicit_rewards, outcome_losses, ranked_right
from pure_repro.reward.outcome_model import OutcomeModel
from pure_repro.rollout.hf import SamplingPlan, generate
from pure_repro.rollout.steps import token_steps
from pure_repro.train.record import Recorder
from pure_repro.types import Rollouts, Steps

CONFIG = composed([])
Batch = tuple[Tensor, Tensor, Tensor, Steps]


def token_returns(rows: list[list[float]], group: list[int]) -> Batch:
    """What an estimator gets of token rewards under the sum form: returns, mask, groups, and tokens as steps."""
    width = max(map(len, rows)) + 1
    rewards = torch.tensor([row + [0.0] * (width - len(row)) for row in rows])
    mask = torch.tensor([[t < len(row) for t in range(width)] for row in rows])
    return return_to_go(rewards, mask, gamma=1.0), mask, torch.tensor(group), token_steps(mask)


# The dossier's group of three responses, the first of them right.
REWARDS = [[0.9, 0.2, 0.8, 0.6], [0.1, 0.3], [-0.2, 0.0, 0.2]]
OUTCOMES = torch.tensor([1.0, 0.0, 0.0])


@pytest.mark.parametrize(
    ("estimator", "expected"),
    [
        (prime_rloo, [[3.1, 2.3, 2.2, 1.5], [-0.725, -0.5125], [-1.7375, -1.125, -0.7125]]),
        (released_prime_rloo, [[3.1, 2.1625, 2.275, 1.4875], [-0.725, -0.4625], [-1.7375, -1.025, -0.6125]]),
    ],
)
def test_worked_example_of_both_sources(estimator, expected):
    returns, mask, group, steps = token_returns(REWARDS, [0, 0, 0])
    outcome = rloo(OUTCOMES[:, None] * mask, mask, group, steps, max_tokens=9)
    advantages = estimator(returns, mask, group, steps, max_tokens=9) + outcome
    padded = torch.tensor([row + [0.0] * (5 - len(row)) for row in expected])
    torch.testing.assert_close(advantages, padded, atol=1e-6, rtol=0)
    assert outcome[:, 0].sum().abs() < 1e-6


group_of_token_rewards = st.lists(
    st.lists(st.integers(-10, 10).map(lambda tenth: tenth / 10), min_size=1, max_size=6), min_size=2, max_size=5
)


@given(group_of_token_rewards, st.integers(-3, 3))
def test_a_constant_on_every_token_of_a_group_changes_nothing(rows, shift):
    shifted = [[reward + shift for reward in row] for row in rows]
    for estimator in (prime_rloo, released_prime_rloo):
        before, after = (estimator(*token_returns(one, [0] * len(one)), max_tokens=9) for one in (rows, shifted))
        torch.testing.assert_close(after, before, atol=1e-4, rtol=0)


@given(group_of_token_rewards)
def test_the_release_adds_to_each_token_its_part_of_what_it_differs_from_its_own_mean(rows):
    returns, mask, group, steps = token_returns(rows, [0] * len(rows))
    gap = released_prime_rloo(returns, mask, group, steps, max_tokens=9) - prime_rloo(
        returns, mask, group, steps, max_tokens=9
    )
    own = [[(reward - sum(row) / len(row)) / (len(rows) - 1) for reward in row] for row in rows]
    torch.testing.assert_close(gap, token_returns(own, [0] * len(rows))[0], atol=1e-4, rtol=0)
    assert gap[:, 0].abs().max() < 1e-4, "a response's mean is the same"


@given(group_of_token_rewards)
def test_it_is_the_estimator_of_steps_where_every_token_is_a_step(rows):
    data = token_returns(rows, [0] * len(rows))
    torch.testing.assert_close(prime_rloo(*data, max_tokens=9), rloo_step(*data, max_tokens=9), atol=1e-4, rtol=0)


def test_a_reward_model_that_is_the_reference_pays_nothing():
    logprobs, mask = torch.randn(3, 5), torch.arange(5) < torch.tensor([[5], [2], [3]])
    rewards = implicit_rewards(logprobs, logprobs, mask, beta=0.05)
    assert rewards.abs().max() == 0
    torch.testing.assert_close(outcome_losses(rewards, OUTCOMES), torch.full((3,), math.log(2)))
    advantages = prime_rloo(rewards, mask, torch.tensor([0, 0, 0]), token_steps(mask), max_tokens=9)
    assert advantages.abs().max() == 0, "only the outcome is left"


def test_rewards_add_up_to_the_logit_and_grow_with_beta():
    logprobs, reference = torch.randn(2, 4), torch.randn(2, 4)
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    rewards = implicit_rewards(logprobs, reference, mask, beta=0.05)
    assert rewards[~mask].abs().max() == 0
    logit = torch.stack([0.05 * (logprobs - reference)[0].sum(), 0.05 * (logprobs - reference)[1, :2].sum()])
    probability = logit.sigmoid()
    torch.testing.assert_close(
        outcome_losses(rewards, torch.tensor([1.0, 0.0])), -torch.stack([probability[0], 1 - probability[1]]).log()
    )
    torch.testing.assert_close(implicit_rewards(logprobs, reference, mask, beta=0.1), 2 * rewards)


def test_by_the_largest_return_the_policy_does_not_feel_beta():
    logprobs, mask = torch.randn(3, 5), torch.arange(5) < torch.tensor([[5], [2], [3]])
    scaled = [by_largest_return(implicit_rewards(logprobs, 0 * logprobs, mask, beta=b), mask) for b in (0.5, 5.0)]
    torch.testing.assert_close(*scaled, atol=1e-4, rtol=0)
    assert return_to_go(scaled[0], mask, gamma=1.0).abs().max().item() == pytest.approx(1, abs=1e-5)
    assert by_largest_return(torch.zeros(2, 3), torch.ones(2, 3, dtype=torch.bool)).abs().max() == 0


def test_pairs_are_counted_within_a_prompt():
    outcome, group = torch.tensor([1.0, 1, 0, 0, 1, 0]), torch.tensor([0, 0, 0, 0, 2, 2])
    rewards = torch.tensor([3.0, 1.0, 2.0, 1.0, 9.0, 0.0])  # of four pairs two and a half, and one of one
    assert ranked_right(rewards, outcome, group) == pytest.approx((2.5 / 4 + 1) / 2)
    assert ranked_right(rewards, torch.ones(6), group) == 0.5


@pytest.fixture
def rollouts(policy, tokenizer, float32) -> Rollouts:
    """Responses of unequal length to prompts of unequal length."""
    problems = draw_problems("rl", 4, CONFIG.data.difficulty, 23, seed=0)
    prompts = [f"{problem.question}:" for problem in problems]
    return generate(policy, tokenizer, problems, prompts, SamplingPlan(3, 1.0, 1.0, 40), seed=2, step=0)


def response_logprob(model, rollouts: Rollouts, row: int) -> Tensor:
    """Of one response, by itself."""
    prompt, tokens = rollouts.prompt[row][rollouts.prompt_mask[row]], rollouts.tokens[row][rollouts.mask[row]]
    logits = model(input_ids=torch.cat([prompt, tokens])[None], use_cache=False).logits[0, len(prompt) - 1 : -1]
    return logits.log_softmax(dim=-1).gather(1, tokens[:, None]).sum()


@pytest.mark.parametrize("budget", [10**6, 200])
def test_the_reward_model_goes_down_the_gradient_of_the_loss_written_out(policy, rollouts, budget):
    outcome, beta = torch.tensor([1.0, 0.0, 0.0, 1.0] * 3), 0.3
    known = torch.arange(12) < 9
    reference = all_logprobs(policy, rollouts, 1.0, 10**6)
    model = copy.deepcopy(policy)
    with torch.no_grad():  # a reward model that has already learned something
        for weights in model.parameters():
            weights.add_(0.02 * torch.randn(weights.shape, generator=torch.Generator().manual_seed(3)))
    before = torch.nn.utils.parameters_to_vector(model.parameters()).detach().clone()

    loss = torch.zeros(())
    for row, right in enumerate(outcome[known]):
        logit = beta * (response_logprob(model, rollouts, row) - reference[row].sum())
        loss = loss - torch.nn.functional.logsigmoid(logit if right else -logit) / 9
    wanted = torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(model.parameters()))])

    sizes = {"rollouts_per_update": 12, "tokens_per_microbatch": budget}
    engine = LocalEngine(model, torch.optim.SGD(model.parameters(), lr=1.0), 1e9, ALONE)
    lesson = {"reference": reference, "outcome": outcome, "known": known}
    told = OutcomeModel(engine, beta, CONFIG.train.model_copy(update=sizes)).learn(rollouts, lesson)
    moved = before - torch.nn.utils.parameters_to_vector(model.parameters()).detach()
    assert wanted.norm() > 1e-4 and (moved - wanted).norm() < 1e-4 * wanted.norm()
    assert told["implicit/loss"] == pytest.approx(loss.item(), abs=1e-5)
    assert all(weights.grad is None for weights in policy.parameters()), "nobody else is taught"


def test_what_it_learns_ranks_the_responses(policy, rollouts):
    outcome = torch.tensor([1.0, 0.0, 0.0] * 4)
    reference = all_logprobs(policy, rollouts, 1.0, 10**6)
    model = copy.deepcopy(policy)
    engine = LocalEngine(model, torch.optim.AdamW(model.parameters(), lr=1e-3), 10.0, ALONE)
    sizes = CONFIG.train.model_copy(update={"rollouts_per_update": 12})
    taught = OutcomeModel(engine, 0.5, sizes)
    lesson = {"reference": reference, "outcome": outcome, "known": torch.ones(12, dtype=torch.bool)}
    losses = [taught.learn(rollouts, lesson)["implicit/loss"] for _ in range(30)]
    rewards = taught.rewards(rollouts, reference)
    assert losses[0] == pytest.approx(math.log(2), abs=1e-4) and losses[-1] < 0.3
    assert ranked_right(rewards.sum(dim=1), outcome, rollouts.group) > 0.9


TOY = (
    *("track=none", "reward=implicit", "advantage=prime_rloo", "credit=sum", "rollout.max_new_tokens=16"),
    *("model.clean_demonstrations=320", "model.demonstrations=320"),
    *("model.hidden_size=32", "model.intermediate_size=64", "model.layers=2", "model.heads=2"),
    *("train.prompts_per_step=2", "train.samples_per_prompt=2", "train.rollouts_per_update=4", "train.steps=3"),
    *("data.validation_problems=2", "data.train_problems=32", "stages=[base,prm,train]"),
)
OFFLINE = ("prm=implicit", "reward.implicit.start=prm", "prm.problems=16", "prm.samples=2", "prm.gate.problems=4")


def metrics(monkeypatch: pytest.MonkeyPatch, store: Path, *words: str) -> list[dict]:
    """The log of a toy run, through the real entry point in this process."""
    monkeypatch.setattr(sys, "argv", ["pure_repro", f"store={store}", *TOY, *words])
    main()
    folder = plan(composed([f"store={store}", *TOY, *words]))["train"].folder
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_a_run_teaches_the_reward_model_before_or_after_it_scores(monkeypatch, tmp_path, capsys):
    after = metrics(monkeypatch, tmp_path, "reward.implicit.update=after")
    before = metrics(monkeypatch, tmp_path, "reward.implicit.update=before")
    for rows in (after, before):
        assert rows[0]["implicit/loss"] == pytest.approx(math.log(2), abs=1e-4), "it starts as its own reference"
        assert all({"implicit/grad_norm", "implicit/ranked_right", "seconds/implicit"} <= set(row) for row in rows)
        assert rows[1]["reward/process_sum"] != 0
    assert after[0]["reward/process_sum"] == pytest.approx(0, abs=1e-4), "and has not learned when it scores first"
    assert abs(before[0]["reward/process_sum"]) > 1e-3


def test_a_frozen_reward_model_was_fitted_before_and_learns_no_more(monkeypatch, tmp_path, capsys):
    frozen = metrics(monkeypatch, tmp_path, *OFFLINE, "reward.implicit.update=never")
    assert not [row for row in frozen if "implicit/loss" in row]
    online = metrics(monkeypatch, tmp_path, *OFFLINE, "reward.implicit.update=after")
    assert "implicit/loss" in online[0]
    for rows in (frozen, online):
        assert abs(rows[0]["reward/process_sum"]) > 1e-3
    assert frozen[0]["reward/process_sum"] == online[0]["reward/process_sum"], "both score first, by the same model"
    assert frozen[2]["reward/process_sum"] != online[2]["reward/process_sum"]
    [folder] = (tmp_path / "prm").iterdir()
    report = json.loads((folder / "gate.json").read_text())
    assert {"passed", "accuracy", "bad_found", "false_alarms", "ranked_right"} <= set(report)


def test_a_run_that_broke_off_ends_like_the_unbroken_one(monkeypatch, tmp_path, capsys):
    words = ("train.steps=5", "train.checkpoint_every=2", "filter=accuracy_band", "filter.max_rounds=2")
    words += ("reward.implicit.scale=largest_return",)
    whole = metrics(monkeypatch, tmp_path / "whole", *words)
    record = Recorder.record

    def broken_off(recorder: Recorder, *args: object) -> dict[str, str]:
        if recorder.context.progress.step == 4:
            raise KeyboardInterrupt
        return record(recorder, *args)

    with monkeypatch.context() as broken, pytest.raises((KeyboardInterrupt, SystemExit)):
        broken.setattr(Recorder, "record", broken_off)
        metrics(monkeypatch, tmp_path / "broken", *words)
    again = metrics(monkeypatch, tmp_path / "broken", *words)
    assert [untimed(row) for row in again] == [untimed(row) for row in whole]
    assert [row["step"] for row in again] == [1, 2, 3, 4, 5]
    weights = [next((tmp_path / name / "train").glob("*/last/model.safetensors")) for name in ("whole", "broken")]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    assert not [*(tmp_path / "broken").rglob("companions")], "a finished run keeps no state"


def untimed(row: dict) -> dict:
    return {name: value for name, value in row.items() if not name.startswith(("seconds/", "speed/"))}


def addresses(*words: str) -> dict[str, str]:
    return {name: stage.address for name, stage in plan(composed([*TOY, *words])).items()}


@pytest.mark.parametrize(
    ("words", "changed"),
    [
        (["reward.implicit.beta=0.5"], {"prm", "train"}),
        (["reward.implicit.learning_rate=1e-3"], {"train"}),
        (["reward.implicit.scale=largest_return"], {"train"}),
        (["prm.epochs=3"], {"prm", "train"}),
        (["prm.gate.on_fail=stop"], set()),
        (["train.prompts_per_step=4"], {"train"}),
    ],
)
def test_a_key_changes_the_address_of_what_it_makes(words, changed):
    before, after = addresses(*OFFLINE), addresses(*OFFLINE, *words)
    assert {stage for stage in before if before[stage] != after[stage]} == changed
    assert [*addresses()] == ["base", "train"], "a reward model that starts as the base needs no stage"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("reward=implicit", "reward=implicit pays every token and advantage.name=rloo_token_pooled has no baseline"),
        (
            "reward=implicit reward.implicit.update=never",
            "reward.implicit.update=never with start=base pays 0 for every",
        ),
        ("reward=implicit reward.implicit.start=prm", "reward.implicit.start=prm starts as a language model fitted to"),
        (
            "reward=implicit advantage=rloo reward.verifiable_weight=0",
            "reward.implicit learns from outcomes, and reward=implicit has none",
        ),
        ("method=prime credit.gamma=0.9", "credit.gamma=0.9 discounts rewards and advantage.name=prime_rloo takes off"),
        ("prm=implicit", "prm=implicit is there for reward=implicit, and reward=prm is chosen: take prm=embedded"),
        (
            "reward=implicit reward.implicit.update=later",
            "reward.implicit.update=later must be 'before', 'after' or 'never'",
        ),
    ],
)
def test_what_means_nothing_is_refused(words, sentence):
    with pytest.raises(ConfigError) as caught:
        composed(words.split())
    assert str(caught.value).startswith(sentence), caught.value


def test_its_published_values_at_the_papers_scale():
    config = composed(["recipe=paper", "method=prime"])
    assert config.reward.implicit is not None and config.reward.implicit.beta == 0.05
    assert config.reward.process_weight == config.reward.verifiable_weight == 1
    assert (config.filter.low, config.filter.high) == (0.2, 0.8) and config.objective.kl.beta == 0
    assert config.credit.gamma == 1 and config.train.learning_rate == 5e-7
    assert config.reward.implicit.learning_rate == 1e-6, "of PRIME's script"
