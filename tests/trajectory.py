"""Ten updates of one tiny policy from the same rollouts, under any engine: in this process, or as a rank of a group.

python -m torch.distributed.run --nproc_per_node 2 tests/trajectory.py <folder> zero2 zero3
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import PreTrainedModel

from pure_repro.config import Kl, Objective, Train
from pure_repro.data.tokenizer import world_tokenizer
from pure_repro.data.world import draw_problems
from pure_repro.launch.compose import composed
from pure_repro.models import precision
from pure_repro.models.checkpoint import Progress
from pure_repro.models.engine import open_engine
from pure_repro.models.logprobs import all_logprobs
from pure_repro.models.policy import new_policy
from pure_repro.models.ranks import Ranks, join, leave
from pure_repro.rollout.hf import SamplingPlan, generate
from pure_repro.rollout.join import join_rollouts
from pure_repro.train.update import update
from pure_repro.types import Problem, Rollouts

UPDATES = 10
LIMIT = 40
PROMPTS, SAMPLES = 4, 3
SIZES = ["model.hidden_size=32", "model.intermediate_size=64", "model.layers=2", "model.heads=2"]
CONFIG = composed(SIZES)
ENGINES = {
    "local": ["train=local"],
    "compiled": ["train=local", "train.compile=true", "train.gradient_checkpointing=true"],
    "zero0": ["train=deepspeed_zero2", "train.deepspeed.stage=0"],
    "zero2": ["train=deepspeed_zero2"],
    "zero2_compiled": ["train=deepspeed_zero2", "train.compile=true"],
    "zero2_offload": ["train=deepspeed_zero2", "train.deepspeed.offload_optimizer=true"],
    "zero3": ["train=deepspeed_zero3", "train.deepspeed.keep_whole_below=0"],
}
AGGREGATIONS = ("token_mean", "sequence_mean", "constant")
FEW = "token_mean of nine"  # responses: of the three in its second update, one is left over for two ranks
CASES = {name: (name, PROMPTS * SAMPLES) for name in AGGREGATIONS} | {FEW: ("token_mean", 9)}
BUDGETS = (10**6, 150, 1)  # all responses in one micro-batch, few, and one


def policy() -> PreTrainedModel:
    """Random weights, the same everywhere."""
    return new_policy(CONFIG.model, world_tokenizer(CONFIG.data.modulus), seed=0).eval()


def rollouts() -> Rollouts:
    """Random responses of very unequal length, the longest of them first: no two ranks see as many tokens."""
    draw, batch, words = torch.Generator().manual_seed(0), PROMPTS * SAMPLES, CONFIG.data.modulus
    lengths = torch.randint(1, LIMIT + 1, (batch,), generator=draw).sort(descending=True).values
    mask = torch.arange(LIMIT) < lengths[:, None]
    prompt_lengths = torch.randint(3, 8, (PROMPTS,), generator=draw).repeat_interleave(SAMPLES)
    prompt_mask = torch.arange(7) >= 7 - prompt_lengths[:, None]
    return Rollouts(
        prompt=torch.randint(4, words, (batch, 7), generator=draw) * prompt_mask,
        prompt_mask=prompt_mask,
        tokens=torch.randint(4, words, (batch, LIMIT), generator=draw) * mask,
        mask=mask,
        logprobs=torch.zeros(batch, LIMIT),
        finished=torch.ones(batch, dtype=torch.bool),
        group=torch.arange(PROMPTS).repeat_interleave(SAMPLES),
        stale=torch.zeros(batch, dtype=torch.long),
    )


def settings(engine: str, budget: int) -> tuple[Train, Objective]:
    """Two optimizer steps a pass at a rate that moves the weights by a tenth; gradients are clipped."""
    train = composed([*SIZES, *ENGINES[engine]]).train.model_copy(
        update={
            "rollouts_per_update": PROMPTS * SAMPLES // 2,
            "tokens_per_microbatch": budget,
            "learning_rate": 1e-3,
            "max_grad_norm": 0.1,
            "weight_decay": 0.01,
            "attention": "eager",
        }
    )
    kl = Kl(estimator="k3", beta=0.05, where="loss", clamp=None)
    return train, CONFIG.objective.model_copy(update={"kl": kl})


def trajectory(
    engine: str, budget: int, ranks: Ranks, case: str, state: Path | None = None
) -> tuple[list[float], dict[str, Tensor]]:
    """Losses of the updates and the weights after them; with ``state``, saved and taken up again on the way."""
    train, objective = settings(engine, budget)
    aggregation, rows = CASES[case]
    objective = objective.model_copy(update={"aggregation": aggregation})
    batch, trained = rollouts().rows(slice(0, rows)), open_engine(policy(), train, ranks)
    draw = torch.Generator().manual_seed(1)
    logprobs = -3 + 0.1 * torch.randn(batch.tokens.shape, generator=draw)
    losses = []
    for n in range(UPDATES // 2):
        if state and n in (2, 3):  # twice: the second save replaces the first
            trained.save(state, Progress(step=n))
        if state and n == 3:
            trained = open_engine(policy(), train, ranks)
            assert trained.load(state).step == n
        advantages = torch.randn(batch.tokens.shape, generator=draw) * batch.mask
        said = update(
            trained, batch, advantages, logprobs, logprobs, objective, train, temperature=1.0, max_tokens=LIMIT
        )
        losses.append(said["policy/loss"])
    return losses, {name: value.detach().clone() for name, value in trained.sampler.named_parameters()}


def check_sharing(ranks: Ranks) -> None:
    """What ranks make of their shares is what one process makes of everything: responses, and rows of a batch."""
    problems = draw_problems("rl", PROMPTS + 1, CONFIG.data.difficulty, CONFIG.data.modulus, seed=0)
    plan = SamplingPlan(SAMPLES, 1.0, 1.0, LIMIT)

    def sampled(some: list[Problem]) -> Rollouts:
        prompts = [problem.question + ":" for problem in some]
        return generate(policy(), world_tokenizer(CONFIG.data.modulus), some, prompts, plan, seed=0, step=0)

    for count in (len(problems), 1):  # of one problem, every rank but one samples nothing
        whole = sampled(problems[:count])
        parts = join_rollouts(ranks.parts(lambda own: sampled(problems[own]), count))
        for name in ("prompt_mask", "tokens", "mask", "finished", "group"):
            assert torch.equal(getattr(whole, name), getattr(parts, name)), name
        torch.testing.assert_close(parts.logprobs, whole.logprobs)
    for count in (len(whole.tokens), 1):
        made = ranks.shared(lambda own: all_logprobs(policy(), whole.rows(own), 1.0, BUDGETS[0]), count)
        torch.testing.assert_close(made, whole.logprobs[:count])
    assert ranks.agree(ranks.number) == 0


def check_reduction(ranks: Ranks) -> None:
    """Gradients of two ranks, 1 and 1/512, are bfloat16 numbers and their sum is none: ranks sum in float32."""
    precision.has_fast_bf16 = lambda: True
    engine = open_engine(policy(), composed([*SIZES, *ENGINES["zero2"]]).train, ranks)
    logits = engine.policy(input_ids=torch.tensor([[4, 5]]), use_cache=False).logits
    share = (1.0, 1 / 512)[ranks.number]
    engine.backward(0.0 * logits.float().sum() + share * engine.sampler.model.norm.weight[0].float())
    assert engine.step() == 1 + 1 / 512
    precision.has_fast_bf16 = lambda: False


def main(folder: Path, engines: list[str]) -> None:
    """As a rank of a group: every engine, budget and case, one file of losses and one of weights each."""
    torch.set_num_threads(1)
    precision.has_fast_bf16 = lambda: False
    ranks = join()
    check_sharing(ranks)
    if ranks.size == 2:
        check_reduction(ranks)
    for engine in engines:
        cases = [*((budget, AGGREGATIONS[0], None) for budget in BUDGETS[:2]), (BUDGETS[2], FEW, None)]
        if engine == "zero2":
            cases += [(BUDGETS[1], aggregation, None) for aggregation in AGGREGATIONS[1:]]
        if ranks.size > 1 and engine != "zero0":
            cases.append((BUDGETS[0], AGGREGATIONS[0], folder / engine))
        for budget, case, state in cases:
            losses, weights = trajectory(engine, budget, ranks, case, state)
            if ranks.first:
                name = f"{engine}{'-resumed' if state else ''}×{ranks.size}-{budget}-{case}"
                (folder / f"{name}.json").write_text(json.dumps(losses))
                save_file(weights, folder / f"{name}.safetensors")
    leave()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
