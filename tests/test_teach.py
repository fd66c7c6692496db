"""A reward model that goes on learning, a filter by steps and outcome, process advantages at the outcome's place."""

from pathlib import Path

import pytest
import torch
import trajectory as ten
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from pure_repro.advantage.prpo import prpo
from pure_repro.config import ConfigError, Online
from pure_repro.credit.on_tokens import spread
from pure_repro.credit.sum import sum as sum_form
from pure_repro.filter.prof import prof
from pure_repro.launch.compose import composed
from pure_repro.models.checkpoint import Progress
from pure_repro.models.companion import load_companions, save_companions
from pure_repro.models.ranks import ALONE
from pure_repro.prm.fit import token_classifier
from pure_repro.prm.gate import as_rollouts
from pure_repro.prm.labels import world_examples
from pure_repro.prm.replay import save_replay
from pure_repro.prm.score import newline_id, step_scores
from pure_repro.reward.online_prm import OnlinePrm
from pure_repro.rollout.steps import separator_ids, split_steps
from pure_repro.types import Steps

QUESTION = "14-7+4"
SAID = ["14-7=7\n\n7+4=11\n\n\\boxed{11}", "14-7=7\n\n7+4", "14-7=7", "14-7=7\n\n7+4=11"]
RIGHT = torch.tensor([1.0, 0.0, 0.0, 1.0])
KNOWN = torch.tensor([True, True, True, False])
PLAN = Online(learning_rate=3e-3, max_grad_norm=1.0, share=0.5)


@pytest.fixture
def fitted_prm(policy: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> Path:
    """The folder of a reward model with a random head, and rows of its fit."""
    folder = tmp_path / "model"
    token_classifier(policy, extra_layers=1, seed=0).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    said = [(QUESTION, tokenizer("14-7=8\n\n8+4=12")["input_ids"]), ("3+4", tokenizer("3+4=7")["input_ids"])]
    save_replay(world_examples(tokenizer, "{question}:", 23, said * 4, "zero_step", "steps"), folder, seed=0)
    return folder


def online(folder: Path, plan: Online = PLAN) -> OnlinePrm:
    return OnlinePrm.open(composed([*ten.SIZES]), plan, folder, ALONE)


def lesson(tokenizer: PreTrainedTokenizerBase) -> tuple:
    rollouts = as_rollouts(tokenizer, [f"{QUESTION}:"] * len(SAID), SAID)
    steps = split_steps(rollouts.tokens, rollouts.mask, separator_ids(tokenizer))
    replay = torch.arange(len(SAID))
    return rollouts, steps, {"end": steps.end, "there": steps.mask, "outcome": RIGHT, "known": KNOWN, "replay": replay}


def last_scores(model: OnlinePrm, tokenizer: PreTrainedTokenizerBase) -> torch.Tensor:
    rollouts, steps, _ = lesson(tokenizer)
    scores = step_scores(model.engine.sampler, rollouts, steps, newline_id(tokenizer))
    return scores.gather(1, steps.mask.sum(dim=1, keepdim=True) - 1).squeeze(1)


def test_the_last_steps_of_known_responses_are_learned(fitted_prm, tokenizer, float32):
    model, (rollouts, _, columns) = online(fitted_prm), lesson(tokenizer)
    before = last_scores(model, tokenizer)
    told = [model.learn(rollouts, columns) for _ in range(40)]
    after = last_scores(model, tokenizer)
    assert after[0] > 0.8 and after[1] < -0.8 and after[2] < -0.8, "an answer is right, half a step and no answer wrong"
    assert (
        told[-1]["online/loss"] < told[0]["online/loss"]
        and told[-1]["online_replay/loss"] < told[0]["online_replay/loss"]
    )
    assert told[-1]["online/agreed"] == 1
    assert before.abs().max() < 0.8


def test_what_is_not_known_teaches_nothing(fitted_prm, tokenizer, float32):
    model, (rollouts, _, columns) = online(fitted_prm), lesson(tokenizer)
    assert model.learn(rollouts, columns | {"known": torch.zeros(4, dtype=torch.bool)}) == {}
    other = online(fitted_prm)
    model.learn(rollouts, columns)
    other.learn(rollouts, columns | {"outcome": torch.tensor([1.0, 0.0, 0.0, 0.0])})  # of one that nobody was told
    assert torch.equal(last_scores(model, tokenizer), last_scores(other, tokenizer))


def test_share_says_whose_loss_counts(fitted_prm, tokenizer, float32):
    rollouts, _, columns = lesson(tokenizer)
    for share, name in ((1.0, "online_replay/loss"), (0.0, "online/loss")):
        assert online(fitted_prm, PLAN.model_copy(update={"share": share})).learn(rollouts, columns)[name] == 0


def test_its_state_is_that_of_the_step(fitted_prm, tokenizer, tmp_path, float32):
    model, (rollouts, _, columns) = online(fitted_prm), lesson(tokenizer)
    model.learn(rollouts, columns)
    save_companions({"online": model}, tmp_path, Progress(step=1))
    model.learn(rollouts, columns)
    again = {"online": online(fitted_prm)}
    load_companions(again, tmp_path, Progress(step=1))
    again["online"].learn(rollouts, columns)
    assert torch.equal(last_scores(again["online"], tokenizer), last_scores(model, tokenizer)), "the optimizer, too"


def test_one_that_was_fitted_before_rows_were_kept_is_named(fitted_prm):
    (fitted_prm / "replay.jsonl.gz").unlink()
    with pytest.raises(ConfigError, match=r"holds no replay\.jsonl\.gz, which prm\.online learns again: remove"):
        online(fitted_prm)


def test_online_needs_answers():
    words = ["prm.online={learning_rate: 1e-4, max_grad_norm: 1.0, share: 0.5}"]
    assert composed([*words, "reward=mixed_10"]).sources == ["process_scores", "verifiable", "online"]
    with pytest.raises(ConfigError, match=r"prm\.online learns from answered problems, and reward=prm has none"):
        composed(words)


def consistent(
    outcome: list[float], means: list[float], steps: list[int], share: float, penalty: float = 0.0
) -> list[int]:
    mask = torch.arange(max(steps)) < torch.tensor(steps)[:, None]
    scores = torch.tensor(means)[:, None].expand(-1, max(steps)) * mask + 9.0 * ~mask  # what is masked is not read
    group = torch.zeros(len(outcome), dtype=torch.long)
    keep = prof(torch.tensor(outcome), group, scores, mask, share=share, penalty=penalty, longest=5)
    return keep.nonzero().squeeze(1).tolist()


@pytest.mark.parametrize(
    ("outcome", "kept"),
    [
        ([1, 1, 1, 1, 1, 1, 0, 0], [0, 1, 6, 7]),  # Δ = 4: ⌈(4 + 4)/2⌉ = 4 right ones go
        ([1, 1, 1, 0, 0, 0, 0, 0], [0, 1, 6, 7]),  # Δ = −2: one right one goes, and three wrong ones
        ([1, 1, 1, 1, 1, 1, 1, 1], [0, 1, 2, 3]),
        ([0, 0, 0, 0, 0, 0, 0, 0], [4, 5, 6, 7]),
    ],
)
def test_prof_keeps_those_that_agree_and_as_many_of_both_kinds(outcome, kept):
    means = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2]  # the right ones with the highest, the wrong ones with the lowest
    assert consistent([float(one) for one in outcome], means, [2] * 8, share=0.5) == kept


def test_prof_has_no_use_for_one_step_or_for_too_many():
    assert consistent([1.0, 1.0, 1.0, 1.0], [0.9, 0.9, 0.5, 0.4], [1, 5, 2, 3], share=0.5, penalty=1.0) == [2, 3]


def test_every_group_keeps_its_share():
    outcome, group = torch.tensor([1.0, 0, 1, 0, 1, 1, 1, 1]), torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])
    scores = torch.linspace(-1, 1, 8)[:, None]
    keep = prof(outcome, group, scores, torch.ones(8, 1, dtype=torch.bool), share=0.5, penalty=0.0, longest=9)
    assert [int(keep[group == number].sum()) for number in (0, 1)] == [2, 2]


def test_prof_filters_by_scores_that_are_not_paid():
    config = composed(["method=prof"])
    assert config.sources == ["process_scores", "verifiable"] and config.reward.process_weight == 0
    with pytest.raises(ConfigError, match="filter=prof compares the scores of steps with outcomes"):
        composed(["filter=prof", "reward=mixed_10"])
    with pytest.raises(ConfigError, match=r"some that are neither: take reward\.on_timeout=wrong"):
        composed(["method=prof", "reward.on_timeout=unknown"])


def test_prpo_is_a_fixed_standard_and_a_shift():
    rewards = torch.tensor([[0.8, -0.6], [0.2, 0.0]])
    steps = Steps(end=torch.tensor([[1, 3], [2, 0]]), mask=torch.tensor([[True, True], [True, False]]))
    mask = torch.tensor([[True] * 4, [True] * 3 + [False]])
    returns = spread(sum_form(rewards, steps.mask, gamma=1.0), steps, mask)
    made = prpo(returns, mask, torch.tensor([0, 0]), steps, max_tokens=4)
    p = [(0.9 * 2 + 0.2 * 2) / 4, 0.6]
    shift = (p[0] - p[1]) / 2
    first, second = (0.9 - 0.5) * 24**0.5 + shift, (0.2 - 0.5) * 24**0.5 + shift
    third = (0.6 - 0.5) * 24**0.5 - shift
    expected = torch.tensor([[first, first, second, second], [third, third, third, 0.0]])
    torch.testing.assert_close(made, expected, atol=1e-5, rtol=0)


def test_prpo_wants_sums_of_steps():
    assert composed(["method=prpo"]).advantage.outcome == "dr_grpo"
    with pytest.raises(ConfigError, match=r"advantage\.name=prpo standardises the score of every step"):
        composed(["advantage=prpo", "reward=mixed", "credit=min"])
