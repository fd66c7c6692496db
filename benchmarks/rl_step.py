"""Seconds per training step, ours against TRL's GRPOTrainer: ``python benchmarks/rl_step.py``.

Both sides do the same work: 32 prompts × 8 samples of at most 64 new tokens from one 0.86 M-parameter policy, every
response graded against its answer and scored by one process reward model, one optimizer step over all of them.

What makes them comparable:

- one base model, fitted for seconds on the embedded world, so that responses end by themselves as they do in training.
  Its weights stay (the learning rate is 1e-9), so both sides sample the same lengths, which are printed;
- the same problems in the same order, the same reward model through the same code, the same grader;
- ours twice: as it comes, and with ``train.compile=true``; the steps that compile are warm-up and do not count;
- TRL twice: as it comes, and tuned for a CPU as far as its own options go (eager attention, no checkpointing,
  ``torch_compile``);
- ours on several cores is a process a core (DeepSpeed ranks that share a batch), TRL's is one with as many threads;
- each measurement in processes of its own, the sides in turn, so that a busy machine is busy for all; ratios are taken
  within a round, their median and range over rounds. CPU seconds stand beside: waiting for a busy core is not in them.

Our step is the body of the loop in ``pure_repro.train.loop`` with its logging; validation and checkpoints are left out,
as TRL's are. Needs ``pip install -e '.[bench]'``.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from pure_repro.config import Config
from pure_repro.launch.compose import composed
from pure_repro.launch.plan import plan

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from pure_repro.models.ranks import Ranks

SETTING = (
    "stages=[base,prm]",
    "model.demonstrations=8000",
    "prm.demonstrations=3200",
    "prm.base_samples=200",
    "prm.broken_examples=50",
    "prm.gate.problems=100",
    "prm.refits=0",
    "prm.gate.on_fail=warn",
    "reward=mixed_10",
    "reward.answered_share=1",
    "train.learning_rate=1e-9",
    "train.rollouts_every=1000000",
    "rollout.max_new_tokens=64",
    "track=none",
)
RANKS = (  # the engine of several processes, without what long contexts need
    "train=deepspeed_zero2",
    "train.attention=eager",
    "train.packing=false",
    "train.chunked_logprobs=false",
    "train.deepspeed.stage=0",  # nor sharding, which saves nothing at this size
)
OURS = {"ours": (), "ours compiled": ("train.compile=true",)}
SIDES = (*OURS, "trl", "trl tuned")
PHASES = ("sample", "grade", "prm", "update", "log")


def main() -> None:
    """Fit the two models where the store lacks them, measure in turn, print."""
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--rounds", type=int, default=5, help="measurements of each side")
    words.add_argument("--steps", type=int, default=20, help="timed steps of a measurement")
    words.add_argument("--warmup", type=int, default=3, help="steps before them that do not count")
    words.add_argument("--cores", type=int, nargs="+", default=[1, 2], help="core counts to measure every side at")
    words.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)  # what a child process measures
    chosen = words.parse_args()
    if chosen.side:
        measure(chosen.side, chosen.cores[0], chosen.warmup, chosen.steps)
        return
    fit_models(setting())
    results: dict[tuple[str, int], list[dict]] = {(side, n): [] for n in chosen.cores for side in SIDES}
    for number in range(chosen.rounds):
        for (side, cores), rows in results.items():
            rows.append(in_own_processes(side, cores, chosen.warmup, chosen.steps))
            print(f"round {number + 1}  {side:9}  {cores} core(s)  {rows[-1]['seconds']:.3f} s/step", file=sys.stderr)
    print(table(results))


def setting(processes: int = 1, side: str = "ours") -> Config:
    """The run that all sides measure."""
    return composed([*SETTING, *(RANKS if processes > 1 else ()), *OURS.get(side, ())])


def fit_models(config: Config) -> None:
    """The base and the reward model, in the store like any other stage."""
    subprocess.run([sys.executable, "-m", "pure_repro", *SETTING], check=True, stdout=sys.stderr)


def in_own_processes(side: str, cores: int, warmup: int, steps: int) -> dict:
    """One measurement, in processes without the other sides' imports and threads."""
    processes = cores if side in OURS else 1
    start = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"] if processes > 1 else []
    words = ["--side", side, "--cores", str(cores), "--warmup", str(warmup), "--steps", str(steps)]
    surroundings = os.environ | {
        "OMP_NUM_THREADS": str(cores // processes),
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    child = subprocess.run(
        [sys.executable, *start, __file__, *words], env=surroundings, stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(child.stdout.splitlines()[-1])


def measure(side: str, cores: int, warmup: int, steps: int) -> None:
    """Print the median seconds of a step of one side, by the clock and of CPU time, and what it did."""
    if side in OURS:
        from pure_repro.models.ranks import ALONE, join, leave

        ranks = join() if cores > 1 else ALONE
        parts = ranks.gather(measure_ours(setting(cores, side), ranks, warmup, steps))
        if ranks.first:
            print(json.dumps(parts[0] | {"cpu": sum(part["cpu"] for part in parts)}), flush=True)
        if cores > 1:
            leave()
    else:
        print(json.dumps(measure_trl(setting(), warmup, steps, tuned=side == "trl tuned")))


def medians(marks: list[tuple[float, float]]) -> dict[str, float]:
    """Medians of the differences between successive marks of (clock, CPU time)."""
    clock, cpu = zip(*marks, strict=True)
    gaps = [[b - a for a, b in pairwise(times)] for times in (clock, cpu)]
    return dict(zip(("seconds", "cpu"), map(statistics.median, gaps), strict=True))


def measure_ours(config: Config, ranks: "Ranks", warmup: int, steps: int) -> dict:
    """Our loop, and its phases."""
    from pure_repro.train.open import open_training

    folders = plan(config)
    with tempfile.TemporaryDirectory() as out:
        run = open_training(config, folders["base"].folder / "model", folders["prm"].folder / "model", Path(out), ranks)
        marks, phases, lengths = [], [], []
        for _ in range(warmup + steps):
            batch = run.advantages.of(run.experience.batch())
            metrics = run.learners.learn(batch)
            phases.append(dict(run.context.clock.seconds))
            run.recorder.record(batch, metrics)
            marks.append((time.perf_counter(), time.process_time()))
            lengths.append(batch.rollouts.mask.sum(dim=1).float().mean().item())
    split = {phase: statistics.median(row.get(phase, 0.0) for row in phases[warmup:]) for phase in PHASES}
    return medians(marks[warmup - 1 :]) | {"tokens": statistics.mean(lengths[warmup:]), "phases": split}


def measure_trl(config: Config, warmup: int, steps: int, *, tuned: bool) -> dict:
    """TRL's GRPOTrainer."""
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    from pure_repro.data.order import indices_at
    from pure_repro.data.world import draw_problems
    from pure_repro.models.policy import load_policy
    from pure_repro.prm.open import load_prm

    folders, data, train = plan(config), config.data, config.train
    _, tokenizer = load_policy(folders["base"].folder / "model", config.model)
    policy = AutoModelForCausalLM.from_pretrained(
        folders["base"].folder / "model", dtype=torch.float32, attn_implementation="eager" if tuned else "sdpa"
    )
    drawn = draw_problems("rl", data.train_problems, data.difficulty, data.modulus, config.seed)
    order = [
        drawn[i]
        for step in range(warmup + steps)
        for i in indices_at(step, train.prompts_per_step, len(drawn), config.seed)
    ]
    problems = Dataset.from_list(
        [{"prompt": data.prompt.format(question=p.question), "answer": p.answer} for p in order]
    )
    lengths: list[float] = []
    marks: list[tuple[float, float]] = []

    class Clock(TrainerCallback):
        def on_step_end(self, *_: object, **__: object) -> None:
            marks.append((time.perf_counter(), time.process_time()))

    with tempfile.TemporaryDirectory() as out:
        trainer = GRPOTrainer(
            model=policy,
            reward_funcs=trl_reward(load_prm(folders["prm"].folder / "model"), tokenizer, lengths),
            args=GRPOConfig(output_dir=out, **trl_arguments(config, warmup + steps, tuned)),
            train_dataset=problems,
            processing_class=tokenizer,
            callbacks=[Clock()],
        )
        trainer.train()
    return medians(marks[warmup - 1 :]) | {"tokens": statistics.mean(lengths[warmup:])}


def trl_reward(prm: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", lengths: list[float]) -> Callable:
    """What TRL is to maximise, by our grader and our reward model; mean response lengths go to ``lengths``."""
    import torch

    from pure_repro.grading import grade_many
    from pure_repro.prm.score import newline_id, step_scores
    from pure_repro.rollout.steps import separator_ids, split_steps
    from pure_repro.types import Rollouts

    separators, newline = separator_ids(tokenizer), newline_id(tokenizer)

    def reward(
        prompts: list[str], completions: list[str], completion_ids: list[list[int]], answer: list[str], **_: object
    ) -> list[float]:
        """Outcome + worst step score of every response."""
        lengths.append(statistics.mean(map(len, completion_ids)))
        asked = tokenizer(prompts, padding=True, padding_side="left", return_tensors="pt")
        said = tokenizer.pad({"input_ids": completion_ids}, padding_side="right", return_tensors="pt")
        mask = said["attention_mask"].bool()
        rollouts = Rollouts(
            prompt=asked["input_ids"],
            prompt_mask=asked["attention_mask"].bool(),
            tokens=said["input_ids"],
            mask=mask,
            logprobs=torch.zeros(mask.shape),
            finished=torch.ones(len(mask), dtype=torch.bool),
            group=torch.arange(len(mask)),
        )
        reasoning = split_steps(rollouts.tokens, mask, separators)
        process = step_scores(prm, rollouts, reasoning, newline).masked_fill(~reasoning.mask, 1).min(dim=1).values
        outcome = torch.tensor([float(verdict.correct) for verdict in grade_many(completions, answer)])
        return (process + outcome).tolist()

    return reward


def trl_arguments(config: Config, steps: int, tuned: bool) -> dict:
    """TRL's settings: our sizes, no KL term, nothing saved or reported. bfloat16 is its default, as it is ours."""
    train = config.train
    return {
        "max_steps": steps,
        "per_device_train_batch_size": train.prompts_per_step * train.samples_per_prompt,
        "num_generations": train.samples_per_prompt,
        "max_completion_length": config.rollout.max_new_tokens,
        "temperature": config.rollout.temperature,
        "learning_rate": train.learning_rate,
        "max_grad_norm": train.max_grad_norm,
        "beta": 0.0,
        "shuffle_dataset": False,
        "use_cpu": True,
        "gradient_checkpointing": not tuned,  # its default is to trade time for memory
        "torch_compile": tuned,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "logging_steps": steps + 1,
    }


def table(results: dict[tuple[str, int], list[dict]]) -> str:
    """Every side at each core count and at its best, the ratios to ours within rounds, and where our time goes."""
    middle = {key: statistics.median(row["seconds"] for row in rows) for key, rows in results.items()}
    counts = sorted({threads for _, threads in results})
    best = {side: min(counts, key=lambda n: middle[side, n]) for side in SIDES}
    heads = [f"{kind} × {side}" for kind in ("clock", "CPU") for side in OURS]
    lines = [f"| side | cores | s/step | CPU s/step | {' | '.join(heads)} | tokens per response |"]
    lines.append("|" + "---|" * (5 + len(heads)))
    settings = [(str(n), dict.fromkeys(SIDES, n)) for n in counts]
    for label, threads in settings if len(counts) == 1 else [*settings, ("best", best)]:
        for side in SIDES:
            rows, count = results[side, threads[side]], threads[side]
            ratios = [ratio(rows, results[own, threads[own]], kind) for kind in ("seconds", "cpu") for own in OURS]
            lines.append(
                f"| {side} | {label if label != 'best' else f'best: {count}'} | {middle[side, count]:.3f} "
                f"| {statistics.median(row['cpu'] for row in rows):.3f} | {' | '.join(ratios)} "
                f"| {statistics.mean(row['tokens'] for row in rows):.1f} |"
            )
    lines += ["", "| side | cores | " + " | ".join(PHASES) + " | other |", "|" + "---|" * (len(PHASES) + 3)]
    for n in counts:
        for side in OURS:
            split = [statistics.median(row["phases"][phase] for row in results[side, n]) for phase in PHASES]
            cells = " | ".join(f"{seconds:.3f}" for seconds in [*split, middle[side, n] - sum(split)])
            lines.append(f"| {side} | {n} | {cells} |")
    return "\n".join(lines)


def ratio(rows: list[dict], own: list[dict], kind: str) -> str:
    """The median over rounds of how much longer a side took than ours, and the lowest and highest."""
    ratios = sorted(row[kind] / ours[kind] for row, ours in zip(rows, own, strict=True))
    return f"{statistics.median(ratios):.2f} ({ratios[0]:.2f}–{ratios[-1]:.2f})"


if __name__ == "__main__":
    main()
