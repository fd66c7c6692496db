"""Pairs, contrastive token rewards and likelihoods against hand-computed numbers, and gradients of their lessons."""

import copy
import json
import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from project import SMOKE

from pure_repro.config import ConfigError, Dpo, ExpoGrpo, Treg
from pure_repro.credit.treg_weights import treg_weights
from pure_repro.data.world import draw_problems
from pure_repro.launch.compose import composed
from pure_repro.launch.plan import plan
from pure_repro.launch.stages import run_stages
from pure_repro.models.engine_local import LocalEngine
from pure_repro.models.logprobs import all_logprobs
from pure_repro.models.optimize import one_pass
from pure_repro.models.ranks import ALONE
from pure_repro.objective.dpo import dpo
from pure_repro.objective.likelihood import negative_likelihood
from pure_repro.objective.treg import agreement, contrastive_rewards, treg
from pure_repro.rollout.hf import SamplingPlan, generate
from pure_repro.rollout.steps import separator_ids, split_steps
from pure_repro.train.base import base_tokenizer, demonstrations, reaches
from pure_repro.train.positives import answer_after, expert_chains
from pure_repro.train.terms import Side, likelihood, preference, preference_pairs
from pure_repro.types import Rollouts

ASKED = ("model=tiny_asked", "reward=verifiable")
RATIOS = torch.tensor([[0.9, 0.2, 0.8, 0.6]])
WHOLE = torch.ones(1, 4, dtype=torch.bool)
SIMPLE = settings(max_examples=30)
pair = st.tuples(st.floats(-20, 20), st.floats(-20, 20))


def test_dpo_by_hand() -> None:
    losses = dpo(torch.tensor([0.0, 3.0]), torch.tensor([0.0, 1.0]), beta=0.5)
    torch.testing.assert_close(losses, torch.tensor([math.log(2), math.log(1 + math.exp(-1.0))]))


@SIMPLE
@given(pair, st.floats(0.01, 2))
def test_dpo_falls_as_the_pair_comes_apart(both: tuple[float, float], beta: float) -> None:
    better, worse = (torch.tensor([x], dtype=torch.double) for x in both)
    loss = dpo(better, worse, beta=beta)
    assert loss > 0 and dpo(better + 1, worse, beta=beta) < loss < dpo(better, worse + 1, beta=beta)
    torch.testing.assert_close(loss - dpo(worse, better, beta=beta), beta * (worse - better))


def test_contrastive_rewards_by_hand() -> None:
    rewards = contrastive_rewards(RATIOS, torch.zeros(1, 4), WHOLE)
    torch.testing.assert_close(rewards, torch.tensor([[0.21095, 0.04983, 0.18997, 0.14566]]), atol=1e-5, rtol=0)
    torch.testing.assert_close(contrastive_rewards(torch.zeros(1, 4), RATIOS, WHOLE), -rewards)
    assert not contrastive_rewards(RATIOS, RATIOS, WHOLE).any(), "the same prompt twice says nothing"
    half = torch.tensor([[True, True, False, False]])
    assert contrastive_rewards(RATIOS, -RATIOS, half)[0, 2:].tolist() == [0, 0]


def test_the_regulariser_by_hand() -> None:
    """β·0.2192 for policy probabilities .9, .2, .8, .6; half of it at θ = ref, where w = ½; nothing at α = 0."""
    rewards, zero = contrastive_rewards(RATIOS, torch.zeros(1, 4), WHOLE), torch.zeros(1)
    agreed = agreement(RATIOS.log(), rewards, WHOLE)
    torch.testing.assert_close(agreed, torch.tensor([-0.2192]), atol=1e-4, rtol=0)
    plain = dpo(zero, zero, beta=0.01)
    added = {
        (alpha, w): treg(zero, zero, agreed, beta=0.01, alpha=alpha, weighting=w) - plain
        for alpha in (0.0, 1.0)
        for w in ("margin", "none")
    }
    assert added[0.0, "margin"] == added[0.0, "none"] == 0
    torch.testing.assert_close(added[1.0, "none"], torch.tensor([0.00219]), atol=1e-5, rtol=0)
    torch.testing.assert_close(added[1.0, "margin"], torch.tensor([0.001096]), atol=1e-6, rtol=0)


def test_the_regulariser_pulls_each_token_by_its_reward_and_fades() -> None:
    rewards = contrastive_rewards(RATIOS, torch.zeros(1, 4), WHOLE)
    logprobs = RATIOS.log().requires_grad_()
    apart = torch.tensor([30.0], requires_grad=True)
    for margin, weight in ((torch.zeros(1), 0.5), (apart, torch.sigmoid(torch.tensor(-3.0)).item())):
        agreed = agreement(logprobs, rewards, WHOLE)
        loss = treg(margin, torch.zeros(1), agreed, beta=0.1, alpha=0.25, weighting="margin")
        (gradient,) = torch.autograd.grad(loss.sum(), logprobs, retain_graph=True)
        torch.testing.assert_close(gradient, -0.25 * weight * 0.1 * rewards)
    (own,) = torch.autograd.grad(loss.sum(), apart)
    torch.testing.assert_close(own, torch.tensor([-0.1 * weight])), "no gradient through the weight"


@SIMPLE
@given(st.lists(st.floats(-0.5, 0.5), min_size=1, max_size=6), st.floats(-3, 3), st.floats(0, 1))
def test_weighed_advantages_keep_mean_and_sign(rewards: list[float], advantage: float, kappa: float) -> None:
    mask = torch.tensor([[True] * len(rewards) + [False]])
    even = torch.full(mask.shape, advantage, dtype=torch.double)
    told = torch.tensor([[*rewards, 7.0]], dtype=torch.double)
    weighed = treg_weights(even, told, mask, kappa=kappa)
    torch.testing.assert_close(weighed[mask].mean(), torch.tensor(advantage, dtype=torch.double))
    assert (weighed[mask] * advantage >= -1e-12).all() and not weighed[~mask].any()
    torch.testing.assert_close(treg_weights(even, told, mask, kappa=0.0)[mask], even[mask])


def test_likelihood_by_hand() -> None:
    logprobs, mask = torch.tensor([[-1.0, -3.0, -9.0], [-2.0, 0.0, 0.0]]), torch.tensor([[1, 1, 0], [1, 0, 0]]) > 0
    assert negative_likelihood(logprobs, mask, reduce="token_mean").tolist() == [2.0, 2.0]
    assert negative_likelihood(logprobs, mask, reduce="sum").tolist() == [4.0, 2.0]


@SIMPLE
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4)), max_size=20), st.integers(1, 4))
def test_pairs_are_right_and_wrong_answers_to_one_problem(rows: list[tuple[bool, int]], most: int) -> None:
    outcome, group = [float(right) for right, _ in rows], [number for _, number in rows]
    right, wrong = preference_pairs(outcome, group, most)
    assert all(outcome[a] == 1 and outcome[b] == 0 and group[a] == group[b] for a, b in zip(right, wrong, strict=True))
    used = right.tolist() + wrong.tolist()
    assert len(set(used)) == len(used)
    for number in set(group):
        mine = [o for o, g in zip(outcome, group, strict=True) if g == number]
        assert sum(group[a] == number for a in right) == min(mine.count(1.0), mine.count(0.0), most)


@pytest.fixture
def rollouts(policy, tokenizer, float32) -> Rollouts:
    """Responses of unequal length to prompts of unequal length."""
    problems = draw_problems("rl", 4, composed([]).data.difficulty, 23, seed=0)
    prompts = [f"{problem.question}:" for problem in problems]
    return generate(policy, tokenizer, problems, prompts, SamplingPlan(3, 1.0, 1.0, 40), seed=2, step=0)


def moved(policy, lessons, train):
    """How plain gradient descent of rate 1 on some lessons moves a copy of the policy, and what it tells."""
    model = copy.deepcopy(policy)
    engine = LocalEngine(model, torch.optim.SGD(model.parameters(), lr=1.0), 1e9, ALONE)
    told = one_pass(engine, lessons(engine), train)
    vector = torch.nn.utils.parameters_to_vector
    return vector(model.parameters()).detach() - vector(policy.parameters()).detach(), told


@pytest.mark.parametrize("name", ["dpo", "treg"])
@pytest.mark.parametrize("budget", [10**6, 150])
def test_a_step_on_pairs_is_that_of_the_loss_written_out(policy, rollouts, name, budget) -> None:
    aim = composed([*ASKED, f"objective={name}", "objective.beta=0.3"]).objective
    assert isinstance(aim, Dpo | Treg)
    train = composed([]).train.model_copy(update={"tokens_per_microbatch": budget})
    right, wrong = torch.tensor([0, 3, 7]), torch.tensor([1, 5, 8])
    rewards = torch.rand(rollouts.tokens.shape, generator=torch.Generator().manual_seed(0)) - 0.5
    rewards = rewards if name == "treg" else None
    base = all_logprobs(policy, rollouts, 1.0, 10**6)
    reference = base - 0.1 * rollouts.mask

    def side(rows):
        return Side(rollouts.rows(rows), reference[rows], None if rewards is None else rewards[rows])

    step, told = moved(policy, lambda e: [preference(e, side(right), side(wrong), aim, train)], train)

    def logprobs(row):
        tokens, prompt = rollouts.tokens[row][rollouts.mask[row]], rollouts.prompt[row][rollouts.prompt_mask[row]]
        logits = policy(input_ids=torch.cat([prompt, tokens])[None], use_cache=False).logits[0, len(prompt) - 1 : -1]
        return logits.log_softmax(dim=-1).gather(1, tokens[:, None]).squeeze(1)

    loss = torch.zeros(())
    for better, worse in zip(right.tolist(), wrong.tolist(), strict=True):
        gains, agreed = [], torch.zeros(())
        for row in (better, worse):
            own = logprobs(row)
            gains.append((own - reference[row][rollouts.mask[row]]).sum())
            if rewards is not None:
                agreed = agreed + (rewards[row][rollouts.mask[row]] * own).sum()
        margin = 0.3 * (gains[0] - gains[1])
        loss = loss - torch.nn.functional.logsigmoid(margin)
        if rewards is not None:
            loss = loss - 0.25 * torch.sigmoid(-margin).detach() * 0.3 * agreed
    loss = loss / 3
    expected = -torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(policy.parameters()))])
    assert (step - expected).norm() < 1e-4 * expected.norm()
    assert told["pairs/loss"] == pytest.approx(loss.item(), abs=1e-5)
    assert told["pairs/grad_norm"] == pytest.approx(expected.norm().item(), rel=1e-4)


@pytest.mark.parametrize("objective", ["dpo", "expo_dpo"])
def test_every_step_says_how_far_the_sampler_is_off(tmp_path, float32, objective) -> None:
    """A base that has learned nothing gives no pair, and what it samples is held against the trainer all the same."""
    words = ["reward=verifiable", "model=tiny_asked", f"objective={objective}", "stages=[base,train]", "track=none"]
    config = composed([*SMOKE, *words, "rollout.temperature=0.7", "train.steps=2", f"store={tmp_path}"])
    stages = plan(config)
    run_stages(config, stages, ALONE)
    rows = [json.loads(line) for line in (stages["train"].folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2]
    for row in rows:
        assert 0 < row["sampler/logprob_gap_mean"] <= row["sampler/logprob_gap_max"] < 1e-4


def test_likelihood_is_a_mean_over_all_problems(policy, rollouts) -> None:
    aim = composed([*ASKED, "objective=expo_grpo", "objective.weight=1.0"]).objective
    assert isinstance(aim, ExpoGrpo)
    train = composed([]).train
    some = rollouts.rows(slice(0, 3))
    whole, told = moved(policy, lambda e: [likelihood(e, some, 1.0, aim, train)], train)
    half, _ = moved(policy, lambda e: [likelihood(e, some, 0.5, aim, train)], train)
    torch.testing.assert_close(half, whole / 2, atol=1e-5, rtol=1e-3)
    base = all_logprobs(policy, some, 1.0, 10**6)
    assert told["positives/nll"] == pytest.approx(-(base.sum(dim=1) / some.mask.sum(dim=1)).mean().item(), abs=1e-5)


def test_the_answer_is_read_after_either_reasoning(policy, tokenizer, rollouts) -> None:
    """The last step alone is exchanged, and a response's own last step gives it back."""
    steps = split_steps(rollouts.tokens, rollouts.mask, separator_ids(tokenizer))
    prompts = [f"{n}:" for n in range(len(rollouts.tokens))]
    same, starts = answer_after(tokenizer, prompts, (rollouts, steps), (rollouts, steps))
    assert torch.equal(same.tokens[same.mask], rollouts.tokens[rollouts.mask])
    other = replace(rollouts, tokens=rollouts.tokens.roll(1, 0), mask=rollouts.mask.roll(1, 0))
    other_steps = split_steps(other.tokens, other.mask, separator_ids(tokenizer))
    mixed, starts_again = answer_after(tokenizer, prompts, (rollouts, steps), (other, other_steps))
    assert starts_again == starts
    for row, start in enumerate(starts):
        assert mixed.tokens[row, :start].tolist() == rollouts.tokens[row, :start].tolist()


def test_an_expert_is_right_and_says_where_he_stands() -> None:
    config = composed(list(ASKED))
    tokenizer = base_tokenizer(config.model, config.data)
    problems = draw_problems("rl", 20, config.data.difficulty, 23, seed=3)
    chains = tokenizer.batch_decode([ids[:-1] for ids in expert_chains(tokenizer, config.data, problems, 1.0, 1)])
    assert all(reaches(text, problem) for text, problem in zip(chains, problems, strict=True))
    assert all(text.count("have ") == text.count("next ") == text.count("=") for text in chains)


def test_demonstrations_are_asked_as_the_model_says_and_otherwise_as_before() -> None:
    asked, plain = composed(["model=tiny_asked"]), composed([])
    problems = draw_problems("base", 400, plain.data.difficulty, 23, seed=1)
    told = demonstrations(asked.model, asked.data, problems, asked.data.errors, 1)
    explained = [(p, r) for p, (ask, r) in zip(problems, told, strict=True) if ask == f"{p.question}={p.answer}:"]
    right = [(p, r) for p, (ask, r) in zip(problems, told, strict=True) if ask == f"good {p.question}:"]
    wrong = [(p, r) for p, (ask, r) in zip(problems, told, strict=True) if ask == f"bad {p.question}:"]
    assert len(explained) > 80 and len(right) > 20 and len(wrong) > 20
    assert all(reaches(response, problem) for problem, response in explained + right)
    assert not any(reaches(response, problem) for problem, response in wrong)
    before = demonstrations(None, plain.data, problems, plain.data.errors, 1)
    assert before == demonstrations(plain.model, plain.data, problems, plain.data.errors, 1)
    assert {ask for ask, _ in before} == {f"{p.question}:" for p in problems}


REFUSED = {
    "objective=dpo": (
        "objective=dpo learns from right and wrong answers alone, and reward=prm has none: take reward=verifiable"
    ),
    "objective=dpo reward=mixed": (
        "objective=dpo learns from right and wrong answers alone, and reward=mixed also pays steps, which "
        "nobody would read: take reward=verifiable"
    ),
    "objective=dpo reward=verifiable train.rollouts_per_update=128": (
        "train.rollouts_per_update=128 would part the pairs of objective=dpo, which learns from all of a "
        "step's responses at once: take 256"
    ),
    "objective=treg reward=verifiable": (
        "model=tiny has not learned what 'good {question}' and 'bad {question}' ask for: take model=tiny_asked"
    ),
    "objective=expo_grpo reward=verifiable": (
        "model=tiny has not learned to be asked with the answer as in "
        "objective.positives.prompt='{question}={answer}': take model=tiny_asked"
    ),
    "objective=expo_grpo model=tiny_asked": (
        "objective=expo_grpo needs answers to explain, and reward=prm has none: take a reward with answers"
    ),
    "objective=expo_grpo model=tiny_asked reward=verifiable filter=differing": (
        "filter=differing leaves out problems whose responses are all wrong, and objective=expo_grpo "
        "explains just those: take filter=none or objective.positives.when=always"
    ),
    "objective=expo_grpo reward=verifiable objective.positives.prompt='q'": (
        "objective.positives.prompt='q' lacks the place for the problem, {question}"
    ),
    "credit=treg_weights reward=mixed model=tiny_asked": (
        "credit=treg_weights shares out the advantage of an answer over its tokens, and reward=mixed pays "
        "steps, whose returns it does not say: take reward=verifiable"
    ),
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_means_nothing_is_refused(words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        composed(words.split())
    assert str(caught.value) == REFUSED[words]


def address(*words: str) -> str:
    return plan(composed(list(words)))["train"].address


def test_choices_without_effect_share_a_stage() -> None:
    dpo_run = address(*ASKED, "objective=dpo")
    assert (
        dpo_run == address(*ASKED, "objective=dpo", "advantage=grpo") == address(*ASKED, "objective=dpo", "credit=sum")
    )
    assert dpo_run != address(*ASKED, "objective=dpo", "objective.beta=0.2") != address(*ASKED, "objective=expo_dpo")
    assert address(*ASKED, "credit=treg_weights") != address(*ASKED, "credit=sum") == address(*ASKED)
    assert address(*ASKED, "credit=treg_weights") != address(*ASKED, "credit=treg_weights", "credit.kappa=0.5")
