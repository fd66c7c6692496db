"""How long a stage takes, from the work in it and the speed of the machine the figures below were measured on."""

import json
from collections.abc import Iterable
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

# Measured on one core of a 2-core server (AVX-512 with bfloat16) for the 0.86 M-parameter policy.
FITTED_TOKENS_PER_SECOND = 24_000  # forward and backward
SCORED_TOKENS_PER_SECOND = 60_000  # reward model, forward only
SAMPLED_TOKENS_PER_SECOND = 18_000
TOKENS_PER_RESPONSE = 30  # of a base model; a policy that learns to ramble costs more
TOKENS_PER_PROMPT = 8
PARAMETERS = 0.86e6
TOKENS_PER_SOLUTION = 600  # of a published benchmark's problem, by a model that reasons in steps
ROWS_OF_PRM800K = 369_000
PEAK_GIGABYTES = 2.5  # of the largest stage, the reward model's, most of it its 70,000 training examples
START_SECONDS = 6  # importing torch, loading models
COMPILING_SECONDS = 75  # train.compile, where no earlier run has left its code
COMPILED = 0.75  # of a step's time
PACE_KNOWN, PACE_UNKNOWN = "at the pace of what is finished", "on the reference machine"


def minutes(config: Config, stage: str) -> float:
    """Minutes of one stage on one core."""
    response: float = TOKENS_PER_RESPONSE
    if isinstance(config.data, Embedded):
        validated: float = config.data.validation_problems
    else:
        response = min(TOKENS_PER_SOLUTION, config.rollout.max_new_tokens)
        validated = sum(map(size_of, config.data.validation))
    tokens = response + TOKENS_PER_PROMPT
    validation = validated * 5 * response / SAMPLED_TOKENS_PER_SECOND
    match stage:
        case "base":
            assert isinstance(config.model, Tiny)  # nothing else has a base stage
            seconds = (
                (config.model.clean_demonstrations + config.model.demonstrations) * tokens / FITTED_TOKENS_PER_SECOND
            )
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
            seconds = fitted * wider / FITTED_TOKENS_PER_SECOND
        case "train":
            responses = config.train.prompts_per_step * config.train.samples_per_prompt
            beside = isinstance(config.advantage, Gae) + (config.reward.implicit is not None)  # as large as the policy
            scored = beside + (config.reward.process_weight > 0 and config.reward.implicit is None)
            if isinstance(config.objective, PolicyGradient):
                scored += config.objective.kl.beta > 0  # the reference reads every response
            step = responses * (
                response / SAMPLED_TOKENS_PER_SECOND
                + (1 + beside) * tokens / FITTED_TOKENS_PER_SECOND
                + scored * tokens / SCORED_TOKENS_PER_SECOND
            )
            validations = 1 + config.train.steps / config.train.validate_every
            seconds = (config.train.steps * step + validations * validation) * (COMPILED if config.train.compile else 1)
        case _:
            seconds = sampled_by_score(config) / SAMPLED_TOKENS_PER_SECOND
    compiling = COMPILING_SECONDS * (stage == "train" and config.train.compile)
    return (START_SECONDS + compiling + seconds * parameters(config.model) / PARAMETERS) / 60


def pace_of(stages: Iterable[tuple[Config, StageRun]]) -> float | None:
    """How much longer than estimated the finished ones of some stages took, the median; ``None`` where there are none.

    Not the mean: a stage that ran beside other work says little of this machine.
    """
    finished = {run.folder: (config, run) for config, run in stages if run.finished}
    took = {folder: json.loads((folder / "manifest.json").read_text()).get("seconds") for folder in finished}
    ratios = [
        took[folder] / (60 * minutes(config, run.stage)) for folder, (config, run) in finished.items() if took[folder]
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
