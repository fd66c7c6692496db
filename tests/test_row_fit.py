"""``prm=fit_prm800k`` by the training engine: the same on two ranks as on one, after a kill, and with an adapter."""

import json
import random
import signal
import sys
import time
from pathlib import Path

import pytest
import torch
from forked import start_group, wait_for_group
from hub_model import save_hub_model
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoModelForTokenClassification, Qwen2Config, Qwen2ForTokenClassification, get_scheduler

from pure_repro.config import Adapter, ScheduledFit
from pure_repro.launch.compose import composed
from pure_repro.models import precision
from pure_repro.models.adapter import add_adapter, merged_parameters
from pure_repro.models.checkpoint import FITS
from pure_repro.models.ranks import ALONE, Ranks, join, leave
from pure_repro.models.supervised import IGNORE, Example
from pure_repro.prm.row_fit import fit_to_rows, rate_share

PLAN = ScheduledFit(
    **{"learning_rate": 3e-3, "batch_size": 10, "epochs": 1, "warmup_steps": 2, "weight_decay": 0.1},
    **{"beta2": 0.95, "max_grad_norm": 0.5, "schedule": "linear"},
)
SIZES = Qwen2Config(
    **{"vocab_size": 64, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_labels": 2},
    **{"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 128},
)


def rows() -> list[Example]:
    """Rows of very unequal length, three labels in each."""
    draw, made = random.Random(0), []
    for _ in range(36):
        length = draw.randint(4, 60)
        labels = [IGNORE] * length
        for at in draw.sample(range(length), 3):
            labels[at] = draw.randint(0, 1)
        ids = [draw.randrange(64) for _ in range(length)]
        made.append({"input_ids": ids, "labels": labels, "attention_mask": [1] * length})
    return made


def model(dtype: torch.dtype = torch.float32) -> Qwen2ForTokenClassification:
    torch.manual_seed(0)
    return Qwen2ForTokenClassification(SIZES).to(dtype)


def words(train: str, tokens: int) -> list[str]:
    return [f"train={train}", f"train.tokens_per_microbatch={tokens}", "train.attention=eager", "train.packing=false"]


def fit_case(
    engine: str, tokens: int, ranks: Ranks, out: Path, *, head: bool = False, stop: int | None = None
) -> tuple[list[float], dict[str, Tensor]]:
    """Losses and weights of a fit; with ``stop`` it is killed after so many steps, and begun again."""
    train = composed([*words(engine, tokens), "train.checkpoint_every=2", "train.gradient_checkpointing=true"]).train
    if train.deepspeed:  # the matrices of a layer are split
        train = train.model_copy(update={"deepspeed": train.deepspeed.model_copy(update={"keep_whole_below": 1500})})
    if head:
        train = train.model_copy(update={"gradient_checkpointing": False})
    for plan in [PLAN] if stop is None else [PLAN, PLAN]:
        started = model()
        if head:
            started.base_model.requires_grad_(False)
        if stop is not None:
            killed, stop = stop, None
            try:
                fit_to_rows(started, Dying(rows(), killed), plan, train, ranks, out, seed=1, label="rows")
            except Killed:
                continue
            raise AssertionError("it was to be killed")
        made, losses = fit_to_rows(started, rows(), plan, train, ranks, out, seed=1, label="rows")
    return losses, {name: weight.detach().clone() for name, weight in made.sampler.named_parameters()}


class Killed(Exception):
    """What ends a fit in the middle."""


class Dying(list[Example]):
    """Rows that are read so many times; then the process dies."""

    def __init__(self, rows: list[Example], steps: int):
        super().__init__(rows)
        self.left = steps * PLAN.batch_size

    def __getitem__(self, number):  # type: ignore[no-untyped-def]
        if self.left == 0:
            raise Killed
        self.left -= 1
        return super().__getitem__(number)


CASES = {
    "local": ("local", 10_000, False, None),
    "local_cut": ("local", 90, False, None),
    "local_head": ("local", 90, True, None),
    "zero2_head": ("deepspeed_zero2", 90, True, None),
    "zero3_killed": ("deepspeed_zero3", 90, False, 3),
}


def main(folder: Path) -> None:
    """As a rank of a group: every case of DeepSpeed, one file each."""
    torch.set_num_threads(1)
    precision.has_fast_bf16 = lambda: False
    ranks = join()
    for name, (engine, tokens, head, stop) in CASES.items():
        if engine != "local":
            losses, weights = fit_case(engine, tokens, ranks, folder / name, head=head, stop=stop)
            if ranks.first:
                torch.save((losses, weights), folder / f"{name}.pt")
    leave()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[list[float], dict[str, Tensor]]]:
    """Every case: one process here, and two ranks beside it."""
    folder = tmp_path_factory.mktemp("fits")
    group = start_group("test_row_fit", (str(folder),), folder, 2)
    known, precision.has_fast_bf16 = precision.has_fast_bf16, lambda: False
    found = {
        name: fit_case(engine, tokens, ALONE, folder / name, head=head, stop=stop)
        for name, (engine, tokens, head, stop) in CASES.items()
        if engine == "local"
    }
    precision.has_fast_bf16 = known
    wait_for_group(group)
    return found | {path.stem: torch.load(path, weights_only=True) for path in folder.glob("*.pt")}


def apart(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """‖a − b‖ / ‖b‖."""
    assert one.keys() == other.keys()
    a, b = (torch.cat([weights[name].flatten() for name in sorted(weights)]) for weights in (one, other))
    return ((a - b).norm() / b.norm()).item()


def test_two_ranks_fit_what_one_process_fits_also_after_a_kill(made):
    start = dict(model().named_parameters())
    for kind, names in {"local": ("local_cut", "zero3_killed"), "local_head": ("zero2_head",)}.items():
        assert len(made[kind][0]) == 4 and apart(start, made[kind][1]) > 0.001, "it moved"
        for name in names:
            print(f"{name:<12} {apart(made[name][1], made[kind][1]):.1e}")
            assert made[name][0] == pytest.approx(made[kind][0], rel=1e-5), name
            assert apart(made[name][1], made[kind][1]) < 1e-5, name
    moved = [name for name in start if not torch.equal(made["local_head"][1][name], start[name])]
    assert moved == ["score.weight", "score.bias"]


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_the_rate_is_that_of_the_library(schedule):
    plan = PLAN.model_copy(update={"schedule": schedule})
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    library = get_scheduler(schedule, optimizer, plan.warmup_steps, 9)
    for step in range(9):
        assert rate_share(plan, step, 9) == pytest.approx(library.get_last_lr()[0])
        optimizer.step()
        library.step()


def test_an_adapter_as_wide_as_the_layers_fits_as_well_as_they_do(tmp_path, float32):
    """The same first step, where gradients of B are those of the weights: ΔW = B·A with A = 1."""
    train = composed([*words("local", 10_000), "train.checkpoint_every=99"]).train
    one = PLAN.model_copy(update={"batch_size": 36, "epochs": 1, "warmup_steps": 0, "weight_decay": 0.0})
    whole, narrow = model(), model()
    add_adapter(narrow.base_model, Adapter(rank=64, alpha=64), seed=0)
    for name, weight in narrow.named_parameters():
        if ".lora_A." in name:
            torch.nn.init.eye_(weight.data)
    start = dict(model().named_parameters())
    for name, weight in whole.named_parameters():
        weight.requires_grad_(name in PROJECTIONS or name.startswith("score."))
    fit_to_rows(whole, rows(), one, train, ALONE, tmp_path / "whole", seed=1, label="rows")
    fit_to_rows(narrow, rows(), one, train, ALONE, tmp_path / "narrow", seed=1, label="rows")
    merged = dict(merged_parameters(narrow))
    assert merged.keys() == start.keys()
    for name, weight in whole.named_parameters():
        assert torch.equal(weight, start[name]) != (name in PROJECTIONS or name.startswith("score.")), name
        torch.testing.assert_close(merged[name], weight.detach(), rtol=0, atol=2e-5)


PROJECTIONS = {
    f"model.layers.{layer}.{part}.weight"
    for layer in range(2)
    for part in (*(f"self_attn.{one}_proj" for one in "qkvo"), *(f"mlp.{one}_proj" for one in ("gate", "up", "down")))
}


def test_a_kill_leaves_a_fit_that_goes_on_and_an_adapter_a_merged_model(entry, process, tmp_path):
    start = save_hub_model(tmp_path / "start")
    asked = [f"What is {n} + 7?" for n in range(8) for _ in range(3)]
    steps = [
        {"prompt": problem, "completions": ["It is.", f"So {n}."], "labels": [True, n % 2 == 0]}
        for n, problem in enumerate(asked)
    ]
    (tmp_path / "steps.jsonl").write_text("\n".join(map(json.dumps, steps)))
    fits = [f"prm.{fit}.{key}" for fit in ("head_fit", "full_fit") for key in ("batch_size=6", "epochs=2")]
    run = [
        *("recipe=paper", "stages=[prm]", "track=none", "prm=fit_prm800k", f"prm.path={start}", "prm.revision=null"),
        *(f"prm.rows.path={tmp_path / 'steps.jsonl'}", "prm.gate.problems=2", *fits, "train.checkpoint_every=1"),
        *("'prm.adapter={rank: 4, alpha: 8}'".strip("'"), "prm.full_fit.learning_rate=1e-3"),
    ]
    whole = entry(*run, f"store={tmp_path / 'whole'}")
    assert whole.returncode == 0, whole.stderr
    killed = process(*run, f"store={tmp_path / 'killed'}")
    while not [*(tmp_path / "killed").glob(f"prm/*/{FITS}/prm/state.pt")]:
        assert killed.poll() is None, killed.communicate()
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert not [*(tmp_path / "killed").glob("prm/*/manifest.json")], "it was to be killed in the middle"
    again = entry(*run, f"store={tmp_path / 'killed'}")
    assert again.returncode == 0, again.stderr
    [one], [other] = ([*(tmp_path / name).glob("prm/*")] for name in ("whole", "killed"))
    for file in ("losses.json", "gate.json"):
        assert (one / file).read_text() == (other / file).read_text()
    assert len(json.loads((one / "losses.json").read_text())) == 2 * 2 * 3
    assert json.loads((one / "gate.json").read_text())["steps"] == 2 * 3 * 2, "two problems with all their rows"
    saved, other_saved = (load_file(folder / "model" / "model.safetensors") for folder in (one, other))
    assert all(torch.equal(saved[name], other_saved[name]) for name in saved) and not (one / FITS).exists()
    ordinary = AutoModelForTokenClassification.from_pretrained(one / "model")
    assert ordinary.state_dict().keys() == saved.keys(), "merged: an ordinary folder"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
