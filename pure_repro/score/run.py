"""Stage ``score``: one greedy and k sampled responses to every problem of every set; every response is kept."""

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from pure_repro.config import Config, ConfigError, Score
from pure_repro.data.benchmarks import problems_of
from pure_repro.data.world import TEST_SEED
from pure_repro.models.policy import load_policy
from pure_repro.models.ranks import placed
from pure_repro.rollout.hf import ROWS_AT_ONCE, SamplingPlan, generate
from pure_repro.rollout.text import texts
from pure_repro.score.generations import (
    GENERATIONS,
    VERDICTS,
    Row,
    judged,
    read_lines,
    tolerances,
    write_lines,
    write_verdicts,
)
from pure_repro.score.tables import write_scores
from pure_repro.types import Problem


def score(config: Config, checkpoints: dict[str, Path], out: Path) -> None:
    """Sample, grade and tabulate every checkpoint.

    Raises ``ConfigError`` for a benchmark that cannot be read, is not the one meant, or exceeds the model's context.
    """
    sets = {one.name: problems_of(one, config) for one in config.score.benchmarks}
    templates = {one.name: config.score.prompt_of(one) for one in config.score.benchmarks}
    plans = {name: plans_of(config.score, len(problems)) for name, problems in sets.items()}
    total = sum(len(sets[name]) * plan.samples for name, of_set in plans.items() for plan in of_set.values())
    rows: list[Row] = []
    parts = out / "parts"
    parts.mkdir(exist_ok=True)
    with tqdm(total=total * len(checkpoints), desc="score", unit="response") as bar:
        for checkpoint, folder in checkpoints.items():
            policy, tokenizer = load_policy(folder, config.model)
            policy = placed(policy)
            for name, problems in sets.items():
                prompts = [templates[name].replace("{question}", problem.question) for problem in problems]
                check_lengths(name, prompts, tokenizer, config)
                for plan_name, plan in plans[name].items():
                    bar.set_postfix(checkpoint=checkpoint, set=name, plan=plan_name)
                    known = {"checkpoint": checkpoint, "set": name, "plan": plan_name}
                    at_once = max(ROWS_AT_ONCE // plan.samples, 1)
                    for first in range(0, len(problems), at_once):
                        part = parts / f"{len(rows)}.jsonl.gz"
                        if not part.exists():  # a killed score goes on behind the last part it wrote
                            some = slice(first, first + at_once)
                            made = responses(policy, tokenizer, problems[some], prompts[some], plan)
                            write_lines(part, [known | row for row in made])
                        rows += (made := read_lines(part))
                        bar.update(len(made))
    write_lines(out / GENERATIONS, rows)
    verdicts = judged(rows, tolerances(config.score.model_dump()["benchmarks"]), config.grading)
    write_verdicts(out / VERDICTS, verdicts)
    write_scores(rows, verdicts, config.grading, out)
    shutil.rmtree(parts)


def plans_of(score: Score, problems: int) -> dict[str, SamplingPlan]:
    """The sampling plans of a set of so many problems: greedy, and k samples where k is not 0."""
    samples = score.samples_of_small_sets if problems < score.small_set else score.samples
    plans = {"greedy": SamplingPlan(1, 0.0, 1.0, score.max_new_tokens)}
    if samples:
        plans["sampled"] = SamplingPlan(samples, score.temperature, score.top_p, score.max_new_tokens)
    return plans


def check_lengths(name: str, prompts: Sequence[str], tokenizer: PreTrainedTokenizerBase, config: Config) -> None:
    """The longest prompt of a set leaves room for the longest response."""
    longest = max(len(ids) for ids in tokenizer(list(prompts))["input_ids"])
    room = config.model.context - longest
    if config.score.max_new_tokens > room:
        raise ConfigError(
            f"score.max_new_tokens={config.score.max_new_tokens} and the longest prompt of {name}, {longest} tokens, "
            f"exceed model.context={config.model.context}: take at most {room}"
        )


def responses(
    policy: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    problems: Sequence[Problem],
    prompts: Sequence[str],
    plan: SamplingPlan,
) -> list[dict[str, Any]]:
    """The responses to some problems, samples of one problem adjacent, each with what it came from."""
    rollouts = generate(policy, tokenizer, problems, prompts, plan, seed=TEST_SEED, step=0)
    said = zip(
        rollouts.group.tolist(),
        texts(tokenizer, rollouts),
        rollouts.mask.sum(dim=1).tolist(),
        rollouts.finished.tolist(),
        strict=True,
    )
    return [
        {
            "problem": problems[problem].id,
            "question": problems[problem].question,
            "prompt_sha": hashlib.sha256(prompts[problem].encode()).hexdigest()[:12],
            "answer": problems[problem].answer,
            "sample": i % plan.samples,
            "seed": TEST_SEED,
            "tokens": tokens,
            "finish": "stop" if finished else "length",
            "response": response,
        }
        for i, (problem, response, tokens, finished) in enumerate(said)
    ]
