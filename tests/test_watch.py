"""What a run logs by the paper's keys, and what an alarm does to it."""

import json
from pathlib import Path

import pytest
from project import SMOKE

from pure_repro.launch.compose import composed
from pure_repro.launch.plan import plan
from pure_repro.launch.stages import run_here

KEYS = (  # of PURE's verl release, which these responses must have: some of them are wrong, whatever else they are
    "response_length/whole/mean",
    "response_length/incorrect/clip_ratio",
    "num_of_steps/max",
    "high_level_scores/repeat_score/mean",
    "high_level_scores/reflection_pattern_score/mean",
    "high_level_scores/high_repeatness_ratio/incorrect",
    "group_info/pass_at_n/whole_batch/mean",
    "group_info/avg_n/whole_batch/mean",
    "instant_rewards/verifiable_reward/mean",
    "instant_rewards/outcome_reward/mean",
    "instant_rewards/orm_match_vr",
)


def alarms_after(step: float) -> list[str]:
    """Every alarm goes off at the first step beyond this one, and no earlier."""
    alarm = f"{{metric: step, of: itself, side: above, threshold: {step}}}"
    return [f"watch.alarms.{name}={alarm}" for name in composed([*SMOKE]).watch.alarms]


def trained(words: list[str]) -> Path:
    """The folder of a training, from its configuration by way of its stages."""
    config = composed(words)
    stages = plan(config)
    run_here(config, stages)
    return stages["train"].folder


def test_a_run_goes_back_to_before_the_alarm(store: Path, capsys: pytest.CaptureFixture[str]):
    words = [*SMOKE, f"store={store}", "stages=[train]", "train.checkpoint_every=1", "watch.on_collapse=warn"]
    alarmed = trained([*words, *alarms_after(2.5), "watch.window=1", "watch.on_alarm=rollback"])
    assert "warning: alarm more_steps at step 3: step is above 2.5" in capsys.readouterr().out
    summary = json.loads((alarmed / "summary.json").read_text())
    assert (summary["stopped"], summary["last_step"], summary["rolled_back_to"]) == ("alarm", 3, 2)
    assert set(summary["alarms"].values()) == {3}
    plain = trained([*words, "train.steps=2"])
    assert json.loads((plain / "summary.json").read_text())["stopped"] == "steps"
    weights = "last/model.safetensors"
    assert (alarmed / weights).read_bytes() == (plain / weights).read_bytes()

    first, *_ = map(json.loads, (alarmed / "metrics.jsonl").read_text().splitlines())
    assert set(KEYS) <= set(first)
    assert first["response_length/whole/mean"] == first["response/tokens"]
    assert first["instant_rewards/verifiable_reward/mean"] == first["accuracy"]
    assert first["group_info/avg_n/whole_batch/mean"] == first["accuracy"]
