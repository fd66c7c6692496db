"""Models that learn beside the policy: their state goes with the policy's, and a critic learns what comes."""

from pathlib import Path

import pytest
import torch
import trajectory as ten

from pure_repro.advantage.gae import gae
from pure_repro.advantage.whiten import whiten
from pure_repro.data.world import draw_problems
from pure_repro.launch.compose import composed
from pure_repro.models.checkpoint import Progress
from pure_repro.models.companion import drop_older_states, load_companions, save_companions
from pure_repro.models.engine import open_engine
from pure_repro.models.policy import load_policy
from pure_repro.models.ranks import ALONE
from pure_repro.rollout.hf import SamplingPlan, generate
from pure_repro.train.companions import open_companions
from pure_repro.train.critic import ValueModel
from pure_repro.train.update import update

PLAN = ("advantage=gae", "train.rollouts_per_update=12", "train.prompts_per_step=4", "train.samples_per_prompt=3")


def critic(base: Path, *words: str) -> ValueModel:
    """The critic of a run, as the run opens it."""
    [opened] = open_companions(composed([*ten.SIZES, *PLAN, *words]), base, ALONE).values()
    assert isinstance(opened, ValueModel)
    return opened


def told(critic: ValueModel, returns: torch.Tensor) -> dict[str, float]:
    """One lesson."""
    return critic.learn(ten.rollouts(), {"values": critic.values(ten.rollouts()), "returns": returns})


def test_nothing_learns_beside_the_policy_unless_it_is_chosen(small_base: Path) -> None:
    assert open_companions(composed(ten.SIZES), small_base, ALONE) == {}


def test_a_critic_starts_at_zero_and_learns_what_comes(small_base: Path, float32: None) -> None:
    one, batch = (
        critic(small_base, "advantage.critic.value_clip=null", "advantage.critic.learning_rate=5e-3"),
        ten.rollouts(),
    )
    assert not one.values(batch).any()
    left = 1 - torch.arange(ten.LIMIT).expand(batch.mask.shape) / ten.LIMIT
    first = told(one, left * batch.mask)
    assert first["critic/explained_variance"] == 0
    assert first["critic/loss"] == pytest.approx((left[batch.mask] ** 2).mean().item() / 2, rel=1e-5)
    for _ in range(30):
        last = told(one, left * batch.mask)
    assert last["critic/loss"] < 0.2 * first["critic/loss"] and last["critic/explained_variance"] > 0.25
    assert not one.values(batch)[~batch.mask].any()


def test_values_do_not_depend_on_padding_or_on_the_cut_into_micro_batches(small_base: Path, float32: None) -> None:
    one, batch = critic(small_base), ten.rollouts()
    torch.nn.init.normal_(one.engine.sampler.score.weight)
    whole = one.values(batch)
    alone = torch.cat([one.values(batch.rows(slice(i, i + 1))) for i in range(len(whole))])
    torch.testing.assert_close(alone, whole)
    changed = batch.tokens.clone()
    changed[:, 3] = 5  # what a token turns out to be does not change the value before it
    seen = one.values(type(batch)(**vars(batch) | {"tokens": changed}))
    torch.testing.assert_close(seen[:, :4], whole[:, :4])
    assert not torch.allclose(seen[:, 4:], whole[:, 4:])


def test_a_companion_takes_up_the_state_of_the_step_that_the_policy_names(small_base: Path, tmp_path: Path) -> None:
    returns, batch = torch.ones(ten.rollouts().tokens.shape) * ten.rollouts().mask, ten.rollouts()
    beside = {"critic": critic(small_base)}
    said = {}
    for step in (1, 2):
        told(beside["critic"], returns)
        said[step] = beside["critic"].values(batch)
        save_companions(beside, tmp_path, Progress(step=step))
    told(beside["critic"], returns)
    third = beside["critic"].values(batch)

    for step in (1, 2):  # a run that was killed between the two states goes on from the older one
        again = {"critic": critic(small_base)}
        load_companions(again, tmp_path, Progress(step=step))
        assert torch.equal(again["critic"].values(batch), said[step])
    told(again["critic"], returns)
    assert torch.equal(again["critic"].values(batch), third), "the optimizer was taken up, too"
    drop_older_states(beside, tmp_path, Progress(step=2))
    assert [folder.name for folder in (tmp_path / "companions" / "critic").iterdir()] == ["step2"]


def test_policy_and_critic_learn_from_each_other(small_base: Path, float32: None) -> None:
    """Tokens with even numbers earn 1: the policy comes to say them, the critic to see how many are still to come."""
    words = ("advantage.critic.learning_rate=1e-2", "advantage.critic.rollouts_per_update=3")
    config = composed([*ten.SIZES, *PLAN, "train.learning_rate=3e-3", *words])
    policy, tokenizer = load_policy(small_base, config.model)
    engine, beside, plan = (
        open_engine(policy, config.train, ALONE),
        critic(small_base, *words),
        SamplingPlan(3, 1.0, 1.0, 12),
    )
    problems = draw_problems("rl", 4, config.data.difficulty, config.data.modulus, seed=0)
    prompts = [problem.question + ":" for problem in problems]
    earned, foreseen = [], []
    for step in range(40):
        batch = generate(engine.sampler, tokenizer, problems, prompts, plan, seed=0, step=step)
        rewards, values = (batch.tokens % 2 == 0) * batch.mask * 1.0, beside.values(batch)
        made, returns = gae(rewards, values, batch.mask, gamma=1.0, lam=0.95)
        advantages = whiten(made, batch.mask, eps=1e-8)
        update(*(engine, batch, advantages, None, None, config.objective, config.train), temperature=1.0, max_tokens=12)
        told = beside.learn(batch, {"values": values, "returns": returns})
        earned.append((rewards.sum() / batch.mask.sum()).item())
        foreseen.append(told["critic/explained_variance"])
    assert sum(earned[-5:]) / 5 > 0.25 + sum(earned[:5]) / 5
    assert min(foreseen[-5:]) > 0.5
