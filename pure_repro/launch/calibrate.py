"""How fast this machine works on one core: a fit, a pass and sampling in small (``launch.estimate`` starts it).

It prints the speeds as JSON. The work is that of the stages, by their own code: so it finds what makes machines differ,
bfloat16 in hardware, the libraries' kernels, other work that runs beside.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from pure_repro.config import Embedded, Tiny
from pure_repro.data.prompts import prompts_of
from pure_repro.data.world import draw_problems
from pure_repro.launch.compose import composed
from pure_repro.launch.estimate import TOKENS_PER_PROMPT, TOKENS_PER_RESPONSE
from pure_repro.models.logprobs import all_logprobs
from pure_repro.models.policy import new_policy
from pure_repro.models.precision import autocast, sampling_copy
from pure_repro.models.ranks import placed
from pure_repro.models.supervised import fit
from pure_repro.rollout.hf import SamplingPlan, generate
from pure_repro.train.base import base_tokenizer, demonstrated, demonstration_examples, demonstrations

EXAMPLES, PROBLEMS, SAMPLES = 640, 32, 8


def main() -> None:
    """Measure, and print the speeds in tokens a second."""
    config = composed([])
    assert isinstance(config.model, Tiny) and isinstance(config.data, Embedded)
    data, plan, tokenizer = config.data, config.model.fit, base_tokenizer(config.model, config.data)
    model = placed(new_policy(config.model, tokenizer, config.seed))
    problems = draw_problems("base", EXAMPLES, data.difficulty, data.modulus, config.seed)
    examples = demonstration_examples(tokenizer, demonstrations(None, data, problems, data.errors, config.seed))
    pad, loss = demonstrated(model, tokenizer)

    def fitting(folder: str, label: str) -> None:
        fit(model, examples, pad, loss, plan, Path(folder), seed=config.seed, label=label)

    with TemporaryDirectory() as folder:
        fitting(folder, "warm")
        fitted = seconds_of(lambda: fitting(folder, "timed"))
    model.eval()
    asked, prompts = problems[:PROBLEMS], prompts_of(config, problems[:PROBLEMS])
    drawn, sampler = SamplingPlan(SAMPLES, 1.0, 1.0, TOKENS_PER_RESPONSE), sampling_copy(model, compiled=False)
    rollouts = generate(sampler, tokenizer, asked, prompts, drawn, seed=0, step=0)
    sampled = seconds_of(lambda: generate(sampler, tokenizer, asked, prompts, drawn, seed=0, step=0))
    with torch.no_grad(), autocast():
        scored = seconds_of(lambda: all_logprobs(model, rollouts, 1.0, config.train.tokens_per_microbatch))
    responses = int(rollouts.mask.sum())
    tokens = {
        "fitted": EXAMPLES * plan.epochs * (TOKENS_PER_RESPONSE + TOKENS_PER_PROMPT),
        "scored": responses + int(rollouts.prompt_mask.sum()),
        "sampled": responses,
    }
    took = {"fitted": fitted, "scored": scored, "sampled": sampled}
    print(json.dumps({"worked": sum(took.values())} | {name: tokens[name] / took[name] for name in took}))


def seconds_of(work: Callable[[], object]) -> float:
    """How long it takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
