"""Stage ``score``: one greedy and k sampled responses to every problem of every set; every response is kept."""

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from pure_repro.config import Config, ConfigError, Score
from pure_repro.data.benchmarks import problems_of
from pure_repro.data.prompts import require_known_words
from pure_repro.data.world import TEST_SEED
from pure_repro.models.policy import load_policy
from pure_repro.models.ranks import ALONE, Ranks, placed
from pure_repro.rollout.hf import ROWS_AT_ONCE, HfSampler, SamplingPlan
from pure_repro.rollout.sampler import Sampler, open_sampler
from pure_repro.rollout.text import texts
from pure_repro.score.generations import (
    GENERATIONS,
    VERDICTS,
    Generation,
    grade_generations,
    read_lines,
    tolerances,
    write_lines,
    write_verdicts,
)
from pure_repro.score.tables import write_scores
from pure_repro.types import Problem


@dataclass(frozen=True)
class Part:
    """Some problems of a set, to be answered by a checkpoint under one plan, and the file of the responses."""

    checkpoint: str
    set: str
    plan_name: str
    plan: SamplingPlan
    problems: Sequence[Problem]
    file: Path


def score(
    config: Config, checkpoints: dict[str, Path], scored: dict[str, str], out: Path, ranks: Ranks = ALONE
) -> None:
    """Sample, grade and tabulate every checkpoint; ranks share the sampling, and the first one writes.

    ``scored`` says of each checkpoint what it is.

    Raises ``ConfigError`` for a benchmark that cannot be read, is not the one meant, or exceeds the model's context.
    """
    sets = {one.name: problems_of(one, config) for one in config.score.benchmarks}
    folder = out / "parts"
    folder.mkdir(exist_ok=True)
    work = parts(config.score, list(checkpoints), sets, folder)
    total = sum(len(part.problems) * part.plan.samples for part in work)
    sampler: Sampler | None = None
    with tqdm(total=total, desc="score", unit="response", disable=not ranks.first) as bar:
        for checkpoint, weights in checkpoints.items():
            policy, tokenizer = load_policy(weights, config.model)
            policy = placed(policy)
            check_prompts(sets, tokenizer, config)
            sampler = sampler or open_own(config, policy, tokenizer, ranks)
            sampler.push(policy)
            for part in (one for one in work if one.checkpoint == checkpoint):
                bar.set_postfix(checkpoint=checkpoint, set=part.set, plan=part.plan_name)
                sample_part(part, config, sampler, tokenizer, ranks)
                bar.update(len(part.problems) * part.plan.samples)
            sampler.rest()
    if ranks.first:
        grade_and_tabulate([row for part in work for row in read_lines(part.file)], scored, config, out)
        shutil.rmtree(folder)


def parts(score: Score, checkpoints: Sequence[str], sets: Mapping[str, list[Problem]], folder: Path) -> list[Part]:
    """All that is sampled, in the order in which it is."""
    found: list[Part] = []
    for checkpoint, (name, problems) in product(checkpoints, sets.items()):
        for plan_name, plan in plans_of(score, len(problems)).items():
            at_once = max(ROWS_AT_ONCE // plan.samples, 1)
            for first in range(0, len(problems), at_once):
                some = problems[first : first + at_once]
                found.append(Part(checkpoint, name, plan_name, plan, some, folder / f"{len(found)}.jsonl.gz"))
    return found


def open_own(config: Config, policy: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, ranks: Ranks) -> Sampler:
    """The sampler of the score: the model's own, or whoever samples in training."""
    if config.score.sampler == "hf":
        return HfSampler(tokenizer)
    return open_sampler(
        config.rollout, policy, tokenizer, context=config.model.context, dtype=policy.dtype, ranks=ranks.size
    )


def sample_part(part: Part, config: Config, sampler: Sampler, tokenizer: PreTrainedTokenizerBase, ranks: Ranks) -> None:
    """Sample a part and write its file; a killed score goes on behind the last part that it wrote."""
    if ranks.agree(part.file.exists()):
        return
    [template] = {config.score.prompt_of(one) for one in config.score.benchmarks if one.name == part.set}

    def own(share: slice) -> list[dict[str, Any]]:
        return sample_responses(sampler, tokenizer, part.problems[share], template, part.plan)

    made = [row for rows in ranks.parts(own, len(part.problems)) for row in rows]
    known = {"checkpoint": part.checkpoint, "set": part.set, "plan": part.plan_name}
    if ranks.first:
        write_lines(part.file, [known | row for row in made])


def grade_and_tabulate(rows: list[Generation], scored: dict[str, str], config: Config, out: Path) -> None:
    """Grade all responses and tabulate them, under what was scored."""
    write_lines(out / GENERATIONS, rows)
    verdicts = grade_generations(rows, tolerances(config.score.model_dump()["benchmarks"]), config.grading)
    write_verdicts(out / VERDICTS, verdicts)
    write_scores(rows, verdicts, config.grading, scored, out)


def plans_of(score: Score, problems: int) -> dict[str, SamplingPlan]:
    """The sampling plans of a set of so many problems: greedy, and k samples where k is not 0."""
    samples = score.samples_of_small_sets if problems < score.small_set else score.samples
    plans = {"greedy": SamplingPlan(1, 0.0, 1.0, score.max_new_tokens)}
    if samples:
        plans["sampled"] = SamplingPlan(samples, score.temperature, score.top_p, score.max_new_tokens)
    return plans


def check_prompts(sets: Mapping[str, list[Problem]], tokenizer: PreTrainedTokenizerBase, config: Config) -> None:
    """The longest prompt of every set leaves room for the longest response, and the model has words for it."""
    for one in config.score.benchmarks:
        require_known_words(tokenizer, "score.prompt", config.score.prompt_of(one))
        prompts = fill_template(sets[one.name], config.score.prompt_of(one))
        longest = max(len(ids) for ids in tokenizer(prompts)["input_ids"])
        room = config.model.context - longest
        if config.score.max_new_tokens > room:
            raise ConfigError(
                f"score.max_new_tokens={config.score.max_new_tokens} and the longest prompt of {one.name}, {longest} "
                f"tokens, exceed model.context={config.model.context}: take at most {room}"
            )


def fill_template(problems: Sequence[Problem], template: str) -> list[str]:
    """Problems as the policy reads them."""
    return [template.replace("{question}", problem.question) for problem in problems]


def sample_responses(
    sampler: Sampler,
    tokenizer: PreTrainedTokenizerBase,
    problems: Sequence[Problem],
    template: str,
    plan: SamplingPlan,
) -> list[dict[str, Any]]:
    """The responses to some problems, samples of one problem adjacent, each with what it came from."""
    prompts = fill_template(problems, template)
    rollouts = sampler.generate(problems, prompts, plan, seed=TEST_SEED, step=0)
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
