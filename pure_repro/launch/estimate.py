"""How long a stage takes, from the work in it and the speed of a machine: a known one, or this one."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from math import inf
from pathlib import Path
from statistics import median

from pure_repro.config import (
    Benchmark,
    Config,
    Embedded,
    EmbeddedPrm,
    FileSet,
    FitPrm,
    Gae,
    ImplicitPrm,
    PolicyGradient,
    Published,
    TestSet,
    Tiny,
)
from pure_repro.launch.plan import StageRun
from pure_repro.launch.weights import parameters

TOKENS_PER_RESPONSE = 30  # of a base model; a policy that learns to ramble costs more
TOKENS_PER_PROMPT = 8
PARAMETERS = 0.86e6
TOKENS_PER_SOLUTION = 600  # of a published benchmark's problem, by a model that reasons in steps
ROWS_OF_PRM800K = 369_000
PEAK_GIGABYTES = 2.5  # of the largest stage, the reward model's, most of it its 70,000 training examples
COMPILING_SECONDS = 75  # train.compile, where no earlier run has left its code
COMPILED = 0.75  # of a step's time
WORTH_MEASURING = 2  # minutes of the reference machine, of which half a minute is not much


@dataclass(frozen=True)
class Speeds:
    """Tokens that one core takes through the 0.86 M-parameter policy in a second, and the seconds before the first."""

    fitted: float  # forward and backward
    scored: float  # forward alone
    sampled: float
    start: float  # importing torch, loading models

    def slower(self, pace: float) -> "Speeds":
        """Of a machine on which everything takes ``pace`` times as long."""
        return Speeds(self.fitted / pace, self.scored / pace, self.sampled / pace, self.start * pace)


REFERENCE = Speeds(fitted=24_000, scored=60_000, sampled=18_000, start=6)  # a 2-core server, AVX-512 with bfloat16


def speeds_here(stages: Iterable[tuple[Config, StageRun]]) -> tuple[Speeds, str]:
    """The speeds to reckon with, and how they are known: by the pace of what is finished, or by a measurement.

    Little work is not worth measuring, and the reference machine stands for this one.
    """
    stages = list(stages)
    if pace := pace_of(stages):
        return REFERENCE.slower(pace), "at the pace of what is finished"
    if sum(minutes(config, run.stage, REFERENCE) for config, run in stages) < WORTH_MEASURING:
        return REFERENCE, "on the reference machine"
    if speeds := measured():
        return speeds, "by some seconds of such work on this machine"
    return REFERENCE, "on the reference machine: this one could not be measured"


def measured() -> Speeds | None:
    """The speeds of this machine as ``launch.calibrate`` finds them, in a process of its own; ``None``: it failed."""
    words = [sys.executable, "-m", "pure_repro.launch.calibrate"]
    start = time.perf_counter()
    said = subprocess.run(
        words, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    took = time.perf_counter() - start
    if said.returncode:
        return None
    speeds = json.loads(said.stdout.splitlines()[-1])  # libraries may have said something before
    return Speeds(start=took - speeds.pop("worked"), **speeds)


def minutes(config: Config, stage: str, speeds: Speeds) -> float:
    """Minutes of one stage on one core."""
    response: float = TOKENS_PER_RESPONSE
    if isinstance(config.data, Embedded):
        validated: float = config.data.validation_problems
    else:
        response = min(TOKENS_PER_SOLUTION, config.rollout.max_new_tokens)
        validated = sum(map(size_of, config.data.validation))
    tokens = response + TOKENS_PER_PROMPT
    validation = validated * 5 * response / speeds.sampled
    match stage:
        case "base":
            assert isinstance(config.model, Tiny)  # nothing else has a base stage
            seconds = (config.model.clean_demonstrations + config.model.demonstrations) * tokens / speeds.fitted
        case "prm":
            prm, wider = config.prm, 1.0
            if config.reward.judge is not None:  # prompt and reply are four times as long as a response
                fitted = 4 * config.reward.judge.demonstrations * tokens
            elif isinstance(prm, EmbeddedPrm):
                wider += prm.extra_layers / config.model.layers if isinstance(config.model, Tiny) else 0
                fitted = prm.demonstrations * prm.full_fit.epochs * tokens
            elif isinstance(prm, ImplicitPrm):  # and as many passes forward, to sample
                fitted = prm.problems * prm.samples * (prm.epochs + 1) * tokens
            else:
                assert isinstance(prm, FitPrm)  # a pretrained one has no stage
                passes = prm.full_fit.epochs + prm.head_fit.epochs / 3
                fitted = round(rows_of(config) * TOKENS_PER_SOLUTION * passes)  # forward alone
            seconds = fitted * wider / speeds.fitted
        case "train":
            responses = config.train.prompts_per_step * config.train.samples_per_prompt
            beside = isinstance(config.advantage, Gae) + (config.reward.implicit is not None)  # as large as the policy
            scored = beside + (config.reward.process_weight > 0 and config.reward.implicit is None)
            if isinstance(config.objective, PolicyGradient):  # the reference reads every response, the policy perhaps
                scored += (config.objective.kl.beta > 0) + config.objective.penalised
            step = responses * (
                response / speeds.sampled + (1 + beside) * tokens / speeds.fitted + scored * tokens / speeds.scored
            )
            validations = 1 + config.train.steps / config.train.validate_every
            seconds = (config.train.steps * step + validations * validation) * (COMPILED if config.train.compile else 1)
        case _:
            seconds = sampled_by_score(config) / speeds.sampled
    compiling = COMPILING_SECONDS * (stage == "train" and config.train.compile)
    return (speeds.start + compiling + seconds * parameters(config.model) / PARAMETERS) / 60


def pace_of(stages: Iterable[tuple[Config, StageRun]]) -> float | None:
    """How much longer than on the reference machine the finished ones of some stages took on a core, the median.

    ``None`` where there are none.

    Not the mean: a stage that ran beside other work says little of this machine.
    """
    finished = {run.folder: (config, run) for config, run in stages if run.finished}
    manifests = {folder: json.loads((folder / "manifest.json").read_text()) for folder in finished}
    ratios = [
        manifests[folder]["seconds"]
        * manifests[folder].get("threads", 1)
        / (60 * minutes(config, run.stage, REFERENCE))
        for folder, (config, run) in finished.items()
        if manifests[folder].get("seconds")
    ]
    return median(ratios) if ratios else None


def rows_of(config: Config) -> int:
    """How many rows a reward model is fitted to."""
    assert isinstance(config.prm, FitPrm)
    path = Path(config.prm.rows.path)
    return lines_of(path) if path.is_file() else ROWS_OF_PRM800K


def sampled_by_score(config: Config) -> float:
    """Tokens of all responses of stage score."""
    score, tokens = config.score, 0.0
    for one in score.benchmarks:
        problems = min(size_of(one), score.problems_per_set or inf)
        samples = score.samples_of_small_sets if problems < score.small_set else score.samples
        length = TOKENS_PER_RESPONSE if isinstance(one, TestSet) else min(TOKENS_PER_SOLUTION, score.max_new_tokens)
        tokens += problems * (1 + samples) * length
    return tokens * (len(score.checkpoints) if "train" in config.stages else 1)


def size_of(benchmark: Benchmark) -> float:
    """How many problems a set has; as many as one wants where they are drawn."""
    if isinstance(benchmark, Published):
        return benchmark.problems
    return lines_of(benchmark.path) if isinstance(benchmark, FileSet) else inf


def lines_of(path: Path) -> int:
    """How many lines a file has."""
    with path.open("rb") as file:
        return sum(1 for _ in file)
