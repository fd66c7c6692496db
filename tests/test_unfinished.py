"""Responses that go on in a later step (``rollout.max_tokens_per_step``)."""

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from test_once import TOY

from pure_repro.config import ConfigError
from pure_repro.launch.compose import composed
from pure_repro.models.engine_local import LocalEngine
from pure_repro.models.ranks import ALONE, Ranks
from pure_repro.rollout.hf import SamplingPlan, generate
from pure_repro.rollout.unfinished import done, kept, of_prompts
from pure_repro.train.loop import train
from pure_repro.train.record import Recorder
from pure_repro.train.update import update
from pure_repro.types import Batch, Problem, Rollouts

QUESTIONS = ["5+9", "14-7+4*2", "1+1+1+1+1+1", "22*3-4"]
PROBLEMS = [Problem(question, question, None) for question in QUESTIONS]
PROMPTS = [f"{question}:" for question in QUESTIONS]
PLAN = SamplingPlan(samples=6, temperature=1.0, top_p=1.0, max_new_tokens=40)
CUT = ["objective.importance_cap=2", "rollout.max_tokens_per_step=12", "rollout.max_new_tokens=40"]


def groups(rollouts: Rollouts) -> list[Rollouts]:
    return [of_prompts(rollouts, [n]) for n in range(int(rollouts.group.max()) + 1)]


def piecewise(draw: Callable[..., Rollouts], at_once: int) -> tuple[Rollouts, int]:
    """Responses in as many calls as they take, all under the same weights."""
    plan, begun, before = replace(PLAN, at_once=at_once), list[Rollouts](), torch.zeros(24, dtype=torch.long)
    for calls in range(1, PLAN.max_new_tokens + 1):
        rollouts = draw(plan, begun)
        gained = rollouts.mask.sum(dim=1) - before
        assert (rollouts.stale == before).all() and gained.max() <= at_once
        assert (rollouts.fresh.sum(dim=1) == gained).all(), "of what is new"
        if done(rollouts, PLAN.max_new_tokens).all():
            return rollouts, calls
        begun, before = [kept(one) for one in groups(rollouts)], rollouts.mask.sum(dim=1)
    raise AssertionError("it goes on for ever")


@pytest.mark.parametrize("at_once", [1, 7, 39, 40, 99])
def test_what_is_sampled_in_parts_is_what_is_sampled_at_once(at_once: int, policy, tokenizer) -> None:
    def draw(plan: SamplingPlan, begun: list[Rollouts] | tuple = ()) -> Rollouts:
        return generate(policy, tokenizer, PROBLEMS, PROMPTS, plan, seed=0, step=3, begun=begun)

    whole = draw(PLAN)
    parts, calls = piecewise(draw, at_once)
    assert calls == -(-int(whole.mask.sum(dim=1).max()) // at_once)
    assert len(set(whole.mask.sum(dim=1).tolist())) > 3 and not whole.finished.all()
    width = whole.tokens.shape[1]
    assert (parts.mask[:, :width] == whole.mask).all() and not parts.mask[:, width:].any()
    assert (parts.tokens[parts.mask] == whole.tokens[whole.mask]).all()
    assert (parts.finished == whole.finished).all() and (parts.group == whole.group).all()
    torch.testing.assert_close(parts.logprobs[parts.mask], whole.logprobs[whole.mask], atol=1e-5, rtol=0)


def test_those_that_go_on_and_those_that_begin_do_not_disturb_each_other(policy, tokenizer) -> None:
    def draw(some: slice, plan: SamplingPlan, begun: list[Rollouts] | tuple = ()) -> Rollouts:
        return generate(policy, tokenizer, PROBLEMS[some], PROMPTS[some], plan, seed=0, step=3, begun=begun)

    plan = replace(PLAN, at_once=9)
    begun = groups(draw(slice(0, 2), plan))
    both = groups(draw(slice(0, 4), plan, begun))
    alone = groups(draw(slice(0, 2), plan, begun)) + groups(draw(slice(2, 4), plan))
    for one, other in zip(both, alone, strict=True):
        assert (one.tokens[one.mask] == other.tokens[other.mask]).all() and (one.stale == other.stale).all()
        assert (one.prompt[one.prompt_mask] == other.prompt[other.prompt_mask]).all()


def test_a_token_of_an_earlier_step_says_nothing_about_the_sampler(policy, tokenizer, float32) -> None:
    """Its log-probability is that of other weights: it weighs the token, and is no fault of who samples."""
    rollouts = generate(policy, tokenizer, PROBLEMS, PROMPTS, PLAN, seed=0, step=0)
    stale = rollouts.mask.sum(dim=1) // 2
    old = torch.arange(rollouts.tokens.shape[1]) < stale[:, None]
    apart = replace(rollouts, logprobs=torch.where(old, rollouts.logprobs - 1, rollouts.logprobs))
    train = composed([]).train.model_copy(update={"rollouts_per_update": 12})
    for one, gap in ((apart, 1.0), (replace(apart, stale=stale), 0.0), (replace(apart, stale=2 * stale + 1), 0.0)):
        engine = LocalEngine.open(copy.deepcopy(policy), train, ALONE)
        nothing = torch.zeros(one.tokens.shape)
        told = update(engine, one, nothing, None, None, composed([]).objective, train, temperature=1.0, max_tokens=40)
        assert told["sampler/logprob_gap_max"] == pytest.approx(gap, abs=1e-3)
        share = (old & one.mask).sum() / one.mask.sum() if gap else 0.0
        assert told["sampler/logprob_gap_mean"] == pytest.approx(float(share), abs=2e-2)


class Two(Ranks):
    """Two ranks, one after the other, in this process."""

    def parts(self, compute: Callable[[slice], Any], count: int) -> list[Any]:
        return [compute(Ranks(number, 2).own(count)) for number in (0, 1)]


def trained(words: list[str], base: Path, out: Path, ranks: Ranks = ALONE) -> list[dict[str, Any]]:
    """The rows of a run of seven steps, without seconds."""
    out.mkdir(exist_ok=True)
    train(composed([*TOY, "train.steps=7", "train.checkpoint_every=2", *words]), base, None, out, ranks)
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if not k.startswith(("seconds", "speed"))} for row in rows]


def test_a_run_goes_on_with_what_is_not_done(small_base: Path, tmp_path: Path) -> None:
    rows = trained(CUT, small_base, tmp_path / "cut")
    assert [row["step"] for row in rows] == list(range(1, 8))
    assert rows[0]["sampler/stale"] == 0, "nothing is of an earlier step"
    assert max(row["sampler/stale"] for row in rows) > 0.3 and max(row["sampler/unfinished"] for row in rows) > 2
    assert all(row["sampler/logprob_gap_max"] < 1e-3 for row in rows), "measured on what was drawn now"
    assert max(row["response/tokens"] for row in rows) > 12 and all(row["sampler/unfinished"] <= 12 for row in rows)


def test_a_limit_that_nothing_reaches_changes_nothing(small_base: Path, tmp_path: Path) -> None:
    whole = trained(CUT[:1], small_base, tmp_path / "whole")
    cut = trained([CUT[0], "rollout.max_tokens_per_step=16"], small_base, tmp_path / "cut")
    assert {row.pop("sampler/stale") for row in cut} == {row.pop("sampler/unfinished") for row in cut} == {0.0}
    assert cut == whole
    assert (tmp_path / "cut/last/model.safetensors").read_bytes() == (
        tmp_path / "whole/last/model.safetensors"
    ).read_bytes()


def test_a_killed_run_goes_on_with_the_same_unfinished_responses(small_base, tmp_path: Path, monkeypatch) -> None:
    unbroken = trained(CUT, small_base, tmp_path / "unbroken")
    record = Recorder.record

    def dies(self: Recorder, batch: Batch, metrics: dict[str, float]) -> dict[str, str]:
        if self.context.progress.step == 6:
            raise KeyboardInterrupt
        return record(self, batch, metrics)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Recorder, "record", dies)
        trained(CUT, small_base, tmp_path / "broken")
    assert trained(CUT, small_base, tmp_path / "broken") == unbroken
    weights = [(tmp_path / name / "last/model.safetensors").read_bytes() for name in ("unbroken", "broken")]
    assert weights[0] == weights[1]


def test_ranks_share_what_goes_on(small_base: Path, tmp_path: Path, float32) -> None:
    alone = trained(CUT, small_base, tmp_path / "alone")
    two = trained(CUT, small_base, tmp_path / "two", Two(0, 1))
    for one, other in zip(alone, two, strict=True):
        assert one == pytest.approx(other, rel=1e-4, abs=1e-4)


def test_tokens_of_other_weights_are_weighed() -> None:
    with pytest.raises(ConfigError, match=r"take objective\.importance_cap=2"):
        composed([*TOY, *CUT[1:]])
    assert composed([*TOY, *CUT]).rollout.max_tokens_per_step == 12
