"""Whole runs through the real entry point: reuse, resumption after a kill, sweeps, gates."""

import gzip
import json
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import yaml
from forked import Forked

from pure_repro.config import Config
from pure_repro.data.answered import hide_answers
from pure_repro.launch.compose import composed
from pure_repro.launch.plan import plan
from pure_repro.train.journal import Journal
from pure_repro.types import Problem

Entry = Callable[..., CompletedProcess[str]]
SMOKE = ("recipe=smoke", "track=none")


def only(folder: Path) -> Path:
    """The one folder in a folder."""
    (inner,) = folder.iterdir()
    return inner


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def untimed(rows: list[dict]) -> list[dict]:
    """Rows of the log without what depends on the clock."""
    return [{key: value for key, value in row.items() if not key.startswith(("seconds/", "speed/"))} for row in rows]


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_a_run_makes_every_stage_and_the_next_one_reuses_them(entry: Entry, store: Path):
    first = entry(*SMOKE, f"store={store}")
    assert first.returncode == 0, first.stderr
    said = [line.split()[:2] for line in first.stdout.splitlines() if line.startswith("  ")][:4]
    assert [stage for stage, _ in said] == ["base", "prm", "train", "score"]
    assert [how for _, how in said[:2]] == ["reused", "reused"] and "reused" not in (said[2][1], said[3][1])
    assert "warning: the reward model finds" in first.stdout, (
        "a toy reward model fails its gate, and recipe=smoke goes on"
    )

    train, score = only(store / "train"), only(store / "score")
    rows = lines(train / "metrics.jsonl")
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    assert all(row["grading/timeout"] == 0 and 0 <= row["grading/unparsable"] <= 1 - row["accuracy"] for row in rows)
    assert [row["step"] for row in lines(train / "validation.jsonl")] == [0, 2, 4]
    with gzip.open(train / "rollouts.jsonl.gz", "rt") as file:
        assert {row["step"] for row in map(json.loads, file)} == {2, 4}
    assert json.loads((train / "summary.json").read_text())["last_step"] == 4
    assert not (train / "state.pt").exists()
    checkpoints = json.loads((score / "scores.json").read_text())["checkpoints"]
    assert {"chosen", "last"} <= set(checkpoints)
    assert all(len(one["greedy"]) == 8 for sets in checkpoints.values() for one in sets.values())
    for stage in ("base", "prm", "train", "score"):
        manifest = json.loads((only(store / stage) / "manifest.json").read_text())
        written = yaml.safe_load((only(store / stage) / "config.yaml").read_text())
        assert manifest["stage"] == stage and manifest["address"] == only(store / stage).name
        assert manifest["config"] == {k: v for k, v in written.items() if k not in ("stage", "inputs")}
        assert all((store / name / address).is_dir() for name, address in manifest["inputs"].items())
        assert {"seed", "seconds", "code", "packages", "machine", "problems"} <= set(manifest)

    before = {path: path.stat().st_mtime_ns for path in store.rglob("*") if path.is_file()}
    second = entry(*SMOKE, f"store={store}")
    assert second.returncode == 0, second.stderr
    assert [line.split()[1] for line in second.stdout.splitlines()[:4]] == ["reused"] * 4
    after = {path: path.stat().st_mtime_ns for path in store.rglob("*") if path.is_file() and path.name != ".lock"}
    assert after == {path: when for path, when in before.items() if path.name != ".lock"}
    assert second.stdout.splitlines()[-3:] == first.stdout.splitlines()[-3:], "and says the same results"


def end_during(process: Forked, how: signal.Signals, metrics: Path, steps: int, delay: float) -> str:
    """End a run ``delay`` seconds after it has logged ``steps`` steps; returns what it says of that."""
    before = metrics.stat().st_mtime_ns if metrics.exists() else None
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and process.poll() is None:
        began = metrics.exists() and metrics.stat().st_mtime_ns != before
        if began and metrics.read_text().count("\n") >= steps:
            break
        time.sleep(0.005)
    time.sleep(delay)
    process.send_signal(how)
    _, errors = process.communicate()
    assert process.returncode == (-signal.SIGKILL if how == signal.SIGKILL else 130), errors
    return errors


def test_a_killed_run_ends_like_the_unbroken_one(entry: Entry, process: Callable[..., Forked], fitted, tmp_path):
    # Checkpoints and validations at different steps, the last steps after the last checkpoint, both reward streams.
    # A prompt filter makes some steps draw twice, so that the place in the order of problems is no longer the step.
    words = [*SMOKE, "reward=mixed_10", "watch.on_collapse=warn", "stages=[train]"]
    words += ["filter=differing", "filter.max_rounds=2"]
    words += ["train.steps=14", "train.checkpoint_every=3", "train.learning_rate=3e-3"]
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    for store in (unbroken, broken):
        shutil.copytree(fitted, store)
    run = entry(*words, f"store={unbroken}")
    assert run.returncode == 0, run.stderr
    whole = only(unbroken / "train")
    folder = broken / "train" / whole.name

    seed = random.randrange(10**6)
    rng = random.Random(seed)
    print(f"moments drawn with seed {seed}")
    for steps in (rng.randint(0, 2), rng.randint(3, 5), rng.randint(6, 8)):  # the first before any checkpoint
        delay = rng.uniform(0, 0.05)
        print(f"killed {delay:.3f} s after step {steps}")
        end_during(process(*words, f"store={broken}"), signal.SIGKILL, folder / "metrics.jsonl", steps, delay)
        assert not (folder / "manifest.json").exists()
    said = end_during(process(*words, f"store={broken}"), signal.SIGINT, folder / "metrics.jsonl", 9, delay=0)
    assert said.endswith("pure-repro: stopped; the same command goes on from the last checkpoint\n")
    run = entry(*words, f"store={broken}")
    assert run.returncode == 0, run.stderr

    for name in ("last", "chosen"):
        assert files(folder / name) == files(whole / name), name
    assert untimed(lines(folder / "metrics.jsonl")) == untimed(lines(whole / "metrics.jsonl"))
    assert 2 in {row["drawn/rounds"] for row in lines(whole / "metrics.jsonl")}
    for name in ("validation.jsonl", "rollouts.jsonl.gz", "answered.json"):
        assert (folder / name).read_bytes() == (whole / name).read_bytes(), name
    ends = [json.loads((path / "summary.json").read_text()) | {"seconds": 0} for path in (whole, folder)]
    assert ends[0] == ends[1]
    assert {path.name for path in folder.iterdir()} == {path.name for path in whole.iterdir()}


ONLINE = "prm.online={learning_rate: 1e-3, max_grad_norm: 1.0, share: 0.5}"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("companion", "choices"),
    [("critic", ["advantage=gae", "macro=random"]), ("online", ["reward=mixed", ONLINE])],
)
def test_a_killed_run_goes_on_with_the_companion_of_its_step(
    companion, choices, entry: Entry, process: Callable[..., Forked], fitted, tmp_path
):
    words = [*SMOKE, *choices, "watch.on_collapse=warn", "stages=[train]"]
    words += ["train.steps=6", "train.checkpoint_every=2", "train.learning_rate=3e-3"]
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    for store in (unbroken, broken):
        shutil.copytree(fitted, store)
    assert entry(*words, f"store={unbroken}").returncode == 0
    whole = only(unbroken / "train")
    folder = broken / "train" / whole.name
    end_during(process(*words, f"store={broken}"), signal.SIGKILL, folder / "metrics.jsonl", 3, delay=0)
    assert [path.name for path in (folder / "companions" / companion).iterdir()] == ["step2"]
    assert entry(*words, f"store={broken}").returncode == 0
    assert files(folder / "last") == files(whole / "last")
    rows = [untimed(lines(path / "metrics.jsonl")) for path in (whole, folder)]
    assert rows[0] == rows[1] and rows[0][-1][f"{companion}/loss"] > 0
    assert {path.name for path in folder.iterdir()} == {path.name for path in whole.iterdir()}, "no state is left"


def test_a_sweep_runs_every_combination(process: Callable[..., Forked], store: Path, tmp_path: Path):
    short = ("train.steps=1", "train.validate_every=1", "stages=[train]")
    run = process("-m", *SMOKE, f"store={store}", *short, "credit=min,sum", "reward=prm,mixed_10")
    _, errors = run.communicate()
    assert run.returncode == 0, errors
    made = [yaml.safe_load((folder / "config.yaml").read_text()) for folder in (store / "train").iterdir()]
    assert sorted((one["credit"]["name"], one["reward"]["name"]) for one in made) == [
        ("min", "mixed_10"),
        ("min", "prm"),
        ("sum", "mixed_10"),
        ("sum", "prm"),
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["store"], "nothing is left in the working folder"
    weights = {(folder / "last" / "model.safetensors").read_bytes() for folder in (store / "train").iterdir()}
    assert len(weights) >= 2, "the credit form changes what is learned"  # no answer is right yet: rewards may agree

    shares = {one["reward"]["name"]: answered(store, one["reward"]["name"]) for one in made}
    assert {name: len(ids) for name, ids in shares.items()} == {"prm": 0, "mixed_10": 6}  # 10 % of 64 problems


def answered(store: Path, reward: str) -> list[str]:
    """The problems whose answer was used, as a run with this reward recorded them."""
    for folder in (store / "train").iterdir():
        if yaml.safe_load((folder / "config.yaml").read_text())["reward"]["name"] == reward:
            return json.loads((folder / "answered.json").read_text())["problems"]
    raise AssertionError(reward)


def test_verifiable_rewards_need_no_reward_model(entry: Entry, store: Path):
    shutil.rmtree(store / "prm")
    run = entry(*SMOKE, f"store={store}", "reward=verifiable", "train.steps=1", "stages=[base,prm,train]")
    assert run.returncode == 0, run.stderr
    assert not (store / "prm").exists() and "prm" not in run.stdout.replace(str(store), "")
    [row] = lines(only(store / "train") / "metrics.jsonl")
    assert "reward/verifiable" in row and not [key for key in row if key.startswith(("prm/", "reward/process"))]
    assert len(answered(store, "verifiable")) == 64


def test_a_failed_gate_stops_before_any_training(entry: Entry, store: Path):
    run = entry(*SMOKE, f"store={store}", "prm.gate.on_fail=stop")
    assert run.returncode == 1
    [sentence] = [line for line in run.stderr.splitlines() if line.startswith("pure-repro: ")]
    assert run.stderr.splitlines()[-1] == sentence and "Traceback" not in run.stderr
    assert sentence.startswith("pure-repro: the reward model finds ")
    assert sentence.endswith("fit it longer (prm.demonstrations) or go on with prm.gate.on_fail=warn")
    assert not (only(store / "train") / "metrics.jsonl").exists()


@pytest.mark.parametrize(("share", "kept"), [(0.0, 0), (0.1, 7), (1.0, 70)])
def test_the_problems_that_keep_their_answer_are_seeded(share, kept):
    problems = [Problem(str(i), f"{i}+1", str(i + 1)) for i in range(70)]
    shown = hide_answers(problems, share, seed=3)
    assert [p.id for p in shown] == [p.id for p in problems]
    assert sum(p.answer is not None for p in shown) == kept
    assert all(p.answer in (None, q.answer) for p, q in zip(shown, problems, strict=True))
    assert shown == hide_answers(problems, share, seed=3)
    assert kept in (0, 70) or shown != hide_answers(problems, share, seed=4)


def addresses(*words: str) -> dict[str, str]:
    config: Config = composed([*SMOKE, *words])
    return {name: stage.address for name, stage in plan(config).items()}


@pytest.mark.parametrize(
    ("words", "changed"),
    [
        (["seed=2"], {"base", "prm", "train", "score"}),
        (["model.fit.learning_rate=1e-3"], {"base", "prm", "train", "score"}),
        (["data.errors.slip=0.5"], {"base", "prm", "train", "score"}),
        (["prm.negatives=all"], {"prm", "train", "score"}),
        (["prm.gate.min_bad_found=0.5"], {"prm", "train", "score"}),
        (["credit=sum"], {"train", "score"}),
        (["credit.temperature=0.2"], {"train", "score"}),
        (["advantage=grpo"], {"train", "score"}),
        (["train.steps=5"], {"train", "score"}),
        (["objective.clip_high=0.3"], {"train", "score"}),
        (["objective.clip_high=0.2"], set()),
        (["score.samples=3"], {"score"}),
        (["prm.gate.on_fail=stop"], set()),
        (["watch.alarms.longer.threshold=2"], set()),
        (["watch.on_alarm=stop"], {"train", "score"}),
        (["launch.threads=2"], set()),
        (["train.offload=cpu"], set()),
        (["track=mlflow", "store=elsewhere"], set()),
    ],
)
def test_a_key_changes_the_address_of_what_it_makes(words, changed):
    before, after = addresses(), addresses(*words)
    assert {stage for stage in before if before[stage] != after[stage]} == changed


def test_a_run_without_process_rewards_shares_its_training_across_credit_forms():
    assert addresses("reward=verifiable", "credit=sum") == addresses("reward=verifiable", "credit=min")
    assert "prm" not in addresses("reward=verifiable")


def test_the_base_is_scored_where_nothing_is_trained():
    assert [*addresses("stages=[score]")] == ["base", "score"]
    assert addresses("stages=[score]")["score"] == addresses("stages=[base,score]", "score.checkpoints=[last]")["score"]
    assert addresses("stages=[score]")["score"] != addresses()["score"]


def test_a_journal_that_was_packed_can_go_on(tmp_path: Path):
    """A run that was killed after its last step, before it counted as finished, keeps what it has shown."""
    journal = Journal(tmp_path / "rollouts.jsonl")
    for step in (10, 20, 30):
        journal.append({"step": step, "response": "\\boxed{7}"})
    journal.compress()
    packed = (tmp_path / "rollouts.jsonl.gz").read_bytes()
    again = Journal(tmp_path / "rollouts.jsonl")
    again.cut_after(20)
    again.append({"step": 30, "response": "\\boxed{7}"})
    again.compress()
    assert (tmp_path / "rollouts.jsonl.gz").read_bytes() == packed
    assert not (tmp_path / "rollouts.jsonl").exists()
