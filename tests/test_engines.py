"""Every engine, number of ranks and cut into micro-batches trains the same: losses and weights of ten updates.

By default two ranks with whole and with split weights; ENGINES=all (``make test-slow``) has the rest of the matrix.
"""

import json
import os
from pathlib import Path

import pytest
import torch
import trajectory as ten
from forked import start_group, wait_for_group
from project import ROOT
from safetensors.torch import load_file
from torch import Tensor

from pure_repro.launch.compose import composed
from pure_repro.launch.group import freeze
from pure_repro.models.batches import total_lengths
from pure_repro.models.ranks import ALONE

GOLDEN = ROOT / "tests" / "golden" / "trajectory.json"
WHOLE = os.environ.get("ENGINES") == "all"
GROUPS = {2: ["zero2", "zero3"]}
if WHOLE:
    GROUPS = {1: ["zero0", "zero2", "zero3"], 2: ["zero0", "zero2", "zero2_compiled", "zero2_offload", "zero3"]}
Trajectory = tuple[list[float], dict[str, Tensor]]


@pytest.fixture(scope="session")
def groups(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What groups of one and of two ranks made, side by side."""
    folder = tmp_path_factory.mktemp("trajectories")
    started = [start_group("trajectory", (str(folder), *engines), folder, ranks) for ranks, engines in GROUPS.items()]
    for group in started:
        wait_for_group(group)
    return folder


@pytest.fixture
def local(float32: None) -> dict[str, Trajectory]:
    """By case: one process, all responses in one micro-batch."""
    return {name: ten.trajectory("local", ten.BUDGETS[0], ALONE, name) for name in ten.CASES}


def apart(one: Trajectory, other: Trajectory) -> tuple[float, float]:
    """Largest relative deviation of a loss, and the relative deviation of all weights, ‖a − b‖ / ‖b‖."""
    losses = max(abs(a - b) / abs(b) for a, b in zip(one[0], other[0], strict=True))
    assert one[1].keys() == other[1].keys()
    a, b = (torch.cat([made[1][name].flatten() for name in sorted(made[1])]) for made in (one, other))
    return losses, ((a - b).norm() / b.norm()).item()


def test_engines_ranks_and_splits_agree(groups: Path, local: dict[str, Trajectory]):
    lengths = total_lengths(ten.rollouts())
    halves = lengths.split(len(lengths) // 2)
    assert halves[0].sum() > 1.5 * halves[1].sum(), "ranks must differ in tokens, or aggregation is not tested"
    made = {path.stem: (json.loads(path.read_text()), load_file(path.with_suffix(".safetensors")))
            for path in sorted(groups.glob("*.json"))}  # fmt: skip
    for name in ten.CASES:
        made[f"local×1-{ten.BUDGETS[1]}-{name}"] = ten.trajectory("local", ten.BUDGETS[1], ALONE, name)
    if WHOLE:
        made[f"compiled×1-{ten.BUDGETS[1]}-{ten.FEW}"] = ten.trajectory("compiled", ten.BUDGETS[1], ALONE, ten.FEW)
    assert len(made) == (37 if WHOLE else 14)
    deviations = {name: apart(one, local[name.rsplit("-", 1)[1]]) for name, one in made.items()}
    print("\nengine×ranks-budget-case: relative deviation from local×1 of losses, of weights")
    for name, (losses, weights) in deviations.items():
        print(f"{name:<42} {losses:.1e}  {weights:.1e}")
    print(f"{'largest':<42} " + "  ".join(f"{max(column):.1e}" for column in zip(*deviations.values(), strict=True)))
    start = dict(ten.policy().named_parameters())
    assert apart((local["constant"][0], start), local["constant"])[1] > 0.05, "nothing moved: nothing is tested"
    assert all(max(both) < 1e-5 for both in deviations.values())


def test_an_engine_takes_up_its_own_state(groups: Path):
    for engine in ("zero2", "zero2_offload", "zero3") if WHOLE else ("zero2", "zero3"):
        unbroken, resumed = (
            load_file(groups / f"{engine}{word}×2-{ten.BUDGETS[0]}-token_mean.safetensors") for word in ("", "-resumed")
        )
        assert all(torch.equal(resumed[name], value) for name, value in unbroken.items()), engine
        assert len([*(groups / engine / "shards").glob("step*")]) == 1, "the older checkpoint is gone"


def fingerprint(made: Trajectory) -> dict[str, list[float]]:
    """Losses, and of each weight its norm and its product with a fixed wave."""
    wave = {name: torch.arange(value.numel()).cos() for name, value in made[1].items()}
    return {"losses": made[0]} | {
        name: [value.norm().item(), (value.flatten() @ wave[name]).item()] for name, value in made[1].items()
    }


def test_the_golden_trajectory(local: dict[str, Trajectory]):
    """Against what was committed (``python tests/test_engines.py`` writes it); other machines round otherwise."""
    golden = json.loads(GOLDEN.read_text())
    assert golden.keys() == local.keys()
    for name, made in local.items():
        now = fingerprint(made)
        assert now.keys() == golden[name].keys()
        for key, values in now.items():
            assert values == pytest.approx(golden[name][key], rel=1e-3, abs=1e-4), f"{name}: {key}"


def test_a_frozen_configuration_is_the_configuration(tmp_path: Path):
    import yaml

    from pure_repro.config import Config

    config = composed(["launch=torchrun", "train=deepspeed_zero3", f"store={tmp_path}", "credit=sum"])
    assert Config.model_validate(yaml.safe_load(freeze(config, tmp_path).read_text())) == config


if __name__ == "__main__":
    ten.precision.has_fast_bf16 = lambda: False
    torch.set_num_threads(1)
    made = {name: fingerprint(ten.trajectory("local", ten.BUDGETS[0], ALONE, name)) for name in ten.CASES}
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(json.dumps(made, indent=1) + "\n")
