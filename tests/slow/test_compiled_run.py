"""``train.compile=true`` through the entry point, beside the plain run: policy, sampling copy, reward model."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from project import SMOKE

AGREE = ("policy/entropy", "response/tokens", "response/steps", "reward/process", "sampler/logprob_gap_mean")


@pytest.mark.slow
def test_a_compiled_run_does_what_the_plain_one_does(entry: Callable[..., CompletedProcess[str]], store: Path):
    """What is sampled parts from the plain run where rounding tips it, so the first step agrees on average only."""
    words = (*SMOKE, "stages=[train]", "train.steps=1", "train.prompts_per_step=8", "train.rollouts_per_update=32")
    rows: dict[Path, dict] = {}
    for compiled in ("false", "true"):
        run = entry(*words, f"train.compile={compiled}", f"store={store}")
        assert run.returncode == 0, run.stderr
        (path,) = {*(store / "train").glob("*/metrics.jsonl")} - {*rows}
        rows[path] = json.loads(path.read_text())
    plain, compiled = rows.values()
    print({key: (plain[key], compiled[key]) for key in AGREE})
    assert compiled["seconds/update"] > 5 * plain["seconds/update"], "nothing was compiled"
    for key in AGREE:
        assert compiled[key] == pytest.approx(plain[key], rel=0.1), key
