"""What a table costs at another scale, before anything is bought: ``python -m pure_repro.launch.price table1 paper``.

Cells, memory per rank by component, disk, tokens and GPU-hours, from the composed configurations and the assumptions of
``experiments/<table>/<scale>.yaml``. Nothing runs; imports no torch.
"""

import sys
from dataclasses import dataclass
from itertools import combinations
from math import ceil, floor
from pathlib import Path
from typing import Any

import yaml

from pure_repro.config import (
    LOGITS_AT_ONCE,
    Config,
    ConfigError,
    FitPrm,
    Mathematics,
    PolicyGradient,
    Pretrained,
    PretrainedPrm,
    Published,
    Torchrun,
    VllmRollout,
)
from pure_repro.launch import EXPERIMENTS, memory
from pure_repro.launch.compose import composed
from pure_repro.launch.memory import Engine, Memory
from pure_repro.launch.plan import uses_prm
from pure_repro.launch.shapes import Shape, shape_of

GIB = 2**30
BYTES = {"float32": 4, "bfloat16": 2}


@dataclass(frozen=True)
class Gpu:
    """Memory of one GPU in bytes, and the share of it that is planned with."""

    size: int | float
    usable: int | float

    @property
    def room(self) -> int | float:
        """Bytes that a run may take."""
        return self.size * self.usable


@dataclass(frozen=True)
class Tokens:
    """Tokens of a whole cell."""

    sampled: int | float  # responses
    read: int | float  # prompts and responses of training, read once by whoever scores them or learns from them
    checked: int | float  # responses of validation and of the final score


def tokens_of(config: Config, prompt: int, response: int) -> Tokens:
    """``steps × prompts × samples × (prompt + response)``, and what validation and score sample.

    Validation asks every problem five times (one greedy answer, four sampled ones) before the first step and every
    ``validate_every`` steps.
    """
    train, length = config.train, min(response, config.rollout.max_new_tokens)
    responses = train.steps * train.prompts_per_step * train.samples_per_prompt if "train" in config.stages else 0
    sets = config.data.validation if isinstance(config.data, Mathematics) and responses else ()
    validated = (
        sum(one.problems for one in sets if isinstance(one, Published)) * 5 * (1 + train.steps // train.validate_every)
    )
    problems = [one.problems for one in config.score.benchmarks if isinstance(one, Published)]
    small, other = config.score.samples_of_small_sets, config.score.samples
    scored = sum(n * (1 + (small if n < config.score.small_set else other)) for n in problems)
    checkpoints = len(config.score.checkpoints) if responses else 1
    return Tokens(
        sampled=responses * length,
        read=responses * (prompt + length),
        checked=validated * length + checkpoints * scored * min(response, config.score.max_new_tokens),
    )


def operations(
    config: Config, tokens: Tokens, policy: Shape, prm: Shape | None, checkpointing: bool
) -> dict[str, float]:
    """Floating-point operations by phase; M matrix parameters, a token costs ``2M`` forward and ``4M`` backward.

    - sampling: ``2M`` a sampled token, of validation and score as well;
    - scoring: ``2M`` a token read for each of reward model, reference and, for a penalty in the reward, the policy
      (KL weight above 0), for the old log-probabilities (several updates per batch), and for those that are held
      against the sampler's where it has another temperature than the objective, or the objective is one over pairs;
    - training: ``6M`` a token read, ``8M`` with checkpointing, which goes forward twice.

    Attention over earlier tokens is left out: at 1,000 tokens ``2·L·h·1000`` is 3 % of ``2M`` for a 7B model.
    """
    size, train, objective = policy.matrix_parameters, config.train, config.objective
    several = train.rollouts_per_update < train.prompts_per_step * train.samples_per_prompt
    held = not isinstance(objective, PolicyGradient) or config.rollout.temperature != objective.temperature
    forward = size * (objective.reads_reference + several + held + objective.penalised)
    if prm is not None:
        forward += prm.matrix_parameters
    return {
        "sampling": 2.0 * size * (tokens.sampled + tokens.checked),
        "scoring": 2.0 * forward * tokens.read,
        "training": (8.0 if checkpointing else 6.0) * size * tokens.read,
    }


def gpu_hours(
    operations: dict[str, float], teraflops: int | float, shares: dict[str, int | float], idle: float
) -> float:
    """``Σ operations / (peak × share of the peak) / 3600 / (1 − idle)``.

    >>> round(gpu_hours({"training": 3.6e18}, 1000, {"training": 0.5}, idle=0.5), 3)
    4.0
    """
    seconds = sum(count / (teraflops * 1e12 * shares[phase]) for phase, count in operations.items())
    return seconds / 3600 / (1 - idle)


def engine_of(config: Config, policy: Shape) -> Engine:
    """How a rank of the run trains, on a device that computes in bfloat16."""
    train, zero = config.train, config.train.deepspeed
    logit_tokens = (
        max(LOGITS_AT_ONCE // policy.vocabulary, 1) if train.chunked_logprobs else train.tokens_per_microbatch
    )
    return Engine(
        ranks=config.launch.ranks,
        zero_stage=zero.stage if zero else 0,
        offload_optimizer=zero is not None and zero.offload_optimizer,
        value_bytes=2 if zero and zero.stage else 4,
        gradient_checkpointing=train.gradient_checkpointing,
        tokens_per_microbatch=train.tokens_per_microbatch,
        logit_tokens=logit_tokens,
    )


def memory_of(config: Config, policy: Shape, prm: Shape | None, gpu: Gpu) -> Memory:
    """One rank's memory.

    Every response that the rank samples is in its cache at full length, the worst case. An engine of vLLM takes the
    share of the GPU that it is given, ``rollout.gpu_memory``, however much it samples: its cache is what the weights
    leave of it.
    """
    train, rollout, engine = config.train, config.rollout, engine_of(config, policy)
    assert isinstance(config.model, Pretrained)
    of_policy = BYTES[config.model.dtype]
    of_prm = BYTES[config.prm.dtype] if isinstance(config.prm, PretrainedPrm) else 4  # one fitted here is float32
    reference = policy if config.objective.reads_reference else None
    read = [(shape, size) for shape, size in ((prm, of_prm), (reference, of_policy)) if shape is not None]
    if isinstance(rollout, VllmRollout):
        engine_weights = policy.parameters * BYTES["bfloat16"]
        kv_cache = max(int(rollout.gpu_memory * gpu.size) - engine_weights, 0)
    else:
        own = -(-train.prompts_per_step * train.samples_per_prompt // engine.ranks)
        length = (rollout.max_prompt_tokens or 0) + rollout.max_new_tokens
        engine_weights, kv_cache = 0, memory.kv_cache(policy, own, length, engine.value_bytes)
    return Memory(
        weights=memory.weights(policy, engine) + memory.gathered(policy, engine),
        gradients=memory.gradients(policy, engine),
        optimizer=0 if engine.offload_optimizer else memory.optimizer(policy, engine),
        activations=memory.activations(policy, engine),
        kv_cache=kv_cache,
        engine_weights=engine_weights,
        sampler_weights=policy.parameters * engine.value_bytes if engine.zero_stage >= 3 else 0,
        prm=0 if prm is None else prm.parameters * of_prm,
        reference=0 if reference is None else policy.parameters * of_policy,
        scoring=max((memory.scoring(shape, train.tokens_per_microbatch, size) for shape, size in read), default=0),
        offload=train.offload == "cpu",
    )


def least_share(config: Config, policy: Shape, gpu: Gpu) -> float:
    """The share of a GPU that holds an engine's weights and one response as long as the context, in hundredths.

    With less vLLM does not start.
    """
    needed = policy.parameters * BYTES["bfloat16"] + memory.kv_cache(policy, 1, config.model.context, BYTES["bfloat16"])
    return ceil(100 * needed / gpu.size) / 100


def fits(config: Config, policy: Shape, prm: Shape | None, gpu: Gpu) -> bool:
    """Whether a run has room in every phase, and the engine that samples, where there is one, in its share."""
    rollout = config.rollout
    if isinstance(rollout, VllmRollout) and rollout.gpu_memory < least_share(config, policy, gpu):
        return False
    return memory_of(config, policy, prm, gpu).peak <= gpu.room


def disk(policy: Shape, checkpoints: int) -> int:
    """``14·P`` of the state that a run goes on from (2 weights, 12 optimizer), ``2·P`` of each policy it leaves."""
    return policy.parameters * (14 + 2 * checkpoints)


def remedies(config: Config, policy: Shape, prm: Shape | None, gpu: Gpu) -> list[str]:
    """Keys that make a run fit, cheapest first: each by itself, or where none does, two together."""
    train, zero, rollout = config.train, config.train.deepspeed, config.rollout
    assert isinstance(config.launch, Torchrun)
    tokens, nodes = train.tokens_per_microbatch // 2, 2 * config.launch.nnodes
    tried: dict[str, dict[str, dict[str, Any]]] = {
        f"train.tokens_per_microbatch={tokens}": {"train": {"tokens_per_microbatch": tokens}},
        "train.offload=cpu": {"train": {"offload": "cpu"}},
    }
    if zero and zero.stage == 2:
        tried["train=deepspeed_zero3"] = {"train": {"deepspeed": zero.model_copy(update={"stage": 3})}}
    if zero and zero.stage:
        offloaded = zero.model_copy(update={"offload_optimizer": True})
        tried["train.deepspeed.offload_optimizer=true"] = {"train": {"deepspeed": offloaded}}
    tried[f"launch.nnodes={nodes} launch.rdzv_endpoint=host:port"] = {"launch": {"nnodes": nodes}}
    if isinstance(rollout, VllmRollout):
        made = memory_of(config, policy, prm, gpu)
        left = gpu.room - (made.phases["sample"] - made.engine_weights - made.kv_cache)
        share = max(floor(100 * left / gpu.size) / 100, least_share(config, policy, gpu))
        tried[f"rollout.gpu_memory={share}"] = {"rollout": {"gpu_memory": share}}
    else:
        length = rollout.max_new_tokens // 2
        tried[f"rollout.max_new_tokens={length}"] = {"rollout": {"max_new_tokens": length}}

    def fits_with(*keys: str) -> bool:
        changed = config
        for group, values in (item for key in keys for item in tried[key].items()):
            changed = changed.model_copy(update={group: getattr(changed, group).model_copy(update=values)})
        return changed != config and fits(changed, policy, prm, gpu)

    alone = [key for key in tried if fits_with(key)]
    return alone or [" ".join(two) for two in combinations(tried, 2) if fits_with(*two)]


def gib(size: int | float) -> str:
    """Bytes as GiB.

    >>> gib(3 * 2**29)
    '1.5'
    """
    return f"{size / GIB:.1f}"


@dataclass(frozen=True)
class Cell:
    """One cell of the table and its price."""

    name: str
    config: Config
    policy: Shape
    prm: Shape | None
    memory: Memory
    tokens: Tokens
    operations: dict[str, float]
    hours: int | float
    disk: int


def prm_shape(config: Config) -> Shape | None:
    """The sizes of the reward model that a training reads, if it reads one."""
    if not isinstance(config.prm, PretrainedPrm | FitPrm) or not uses_prm(config) or "train" not in config.stages:
        return None
    return shape_of(config.prm.path)


def gpu_of(scale: dict[str, Any]) -> Gpu:
    """One of the GPUs of a scale."""
    return Gpu(scale["hardware"]["gibibytes"] * GIB, scale["hardware"]["usable"])


def priced(name: str, words: list[str], scale: dict[str, Any]) -> Cell:
    """The price of a run; raises ``ConfigError`` where it does not compose or its sizes are not known."""
    config = composed(words)
    assert isinstance(config.model, Pretrained)
    try:
        policy = shape_of(config.model.path)
        prm = prm_shape(config)
    except LookupError as error:
        raise ConfigError(str(error.args[0])) from error
    given = scale["assumptions"]
    tokens = tokens_of(config, given["prompt_tokens"], given["response_tokens"])
    work = operations(config, tokens, policy, prm, config.train.gradient_checkpointing)
    hours = gpu_hours(work, scale["hardware"]["teraflops"], given, given["idle"])
    kept = len(config.score.checkpoints) if "train" in config.stages else 0
    held = disk(policy, kept) if kept else 0
    return Cell(name, config, policy, prm, memory_of(config, policy, prm, gpu_of(scale)), tokens, work, hours, held)


def report(cells: list[Cell], anchor: Cell, scale: dict[str, Any]) -> str:
    """The plan as text: cells, memory, what does not fit, disk, tokens, hours, assumptions."""
    hardware, given = scale["hardware"], scale["assumptions"]
    gpu = gpu_of(scale)
    lines = [
        f"{len(cells)} cells on {hardware['name']}; {gib(gpu.room)} of {gib(gpu.size)} GiB a GPU are planned with",
        "",
    ]
    lines.append(f"{'cell':<34}{'steps':>6}{'M tokens':>10}{'GPU-hours':>11}{'disk GB':>9}{'peak GiB':>10}")
    fitting = {cell.name: fits(cell.config, cell.policy, cell.prm, gpu) for cell in cells}
    for cell in cells:
        steps = cell.config.train.steps if "train" in cell.config.stages else 0
        millions = (cell.tokens.read + cell.tokens.checked) / 1e6
        peak = gib(cell.memory.peak) + ("  " if fitting[cell.name] else " !") if steps else "–  "
        lines.append(f"{cell.name:<34}{steps:>6}{millions:>10.0f}{cell.hours:>11.1f}{cell.disk / 1e9:>9.0f}{peak:>12}")
    total, held = sum(cell.hours for cell in cells), sum(cell.disk for cell in cells)
    lines.append(f"{'all':<34}{'':>6}{'':>10}{total:>11.1f}{held / 1e9:>9.0f}")
    lines += ["", "Memory of one rank in GiB, by component; phases follow each other, and the fullest counts:", ""]
    names = [name for name in Memory.__dataclass_fields__ if name != "offload"]
    lines.append(f"{'cell':<34}" + "".join(f"{name.replace('_', ' '):>16}" for name in names))
    trained = [cell for cell in cells if "train" in cell.config.stages]
    for cell in trained:
        lines.append(f"{cell.name:<34}" + "".join(f"{gib(getattr(cell.memory, name)):>16}" for name in names))
    lines += ["", *too_large(trained, gpu), *beyond_positions(trained), ""]
    sleeping = (
        "rollout=vllm: its engine has rollout.gpu_memory of a GPU for weights and cache in phase sample, and nothing "
        "in the others, while it sleeps; CUDA graphs are not counted."
    )
    asleep = [sleeping] if any(isinstance(cell.config.rollout, VllmRollout) for cell in trained) else []
    ratio = scale["anchor"]["gpu_hours"] / anchor.hours
    lines += [
        "Tokens = steps × prompts × samples × (prompt + response), and the responses of validation and score.",
        *asleep,
        "Disk = 14·P bytes of state to go on from, 2·P of each policy that is left; P parameters.",
        "GPU-hours = Σ operations / (peak × share) / 3600 / (1 − idle); a token costs 2M forward and 4M backward.",
        f"Assumed: {', '.join(f'{name} {value}' for name, value in given.items())}; {hardware['teraflops']} TFLOP/s.",
        f"Against a measured run ({' '.join(scale['anchor']['overrides'])}): {scale['anchor']['gpu_hours']} GPU-hours "
        f"reported, {anchor.hours:.0f} by this formula. Times {ratio:.1f} at that run's efficiency, the table costs "
        f"{total * ratio:.0f} GPU-hours.",
    ]
    return "\n".join(lines)


def too_large(cells: list[Cell], gpu: Gpu) -> list[str]:
    """A sentence for every cell that does not fit, with the keys that would make it fit."""
    lines = []
    for cell in cells:
        if fits(cell.config, cell.policy, cell.prm, gpu):
            continue
        phases, rollout = cell.memory.phases, cell.config.rollout
        why = f"phase {max(phases, key=phases.__getitem__)} needs {gib(cell.memory.peak)} GiB of {gib(gpu.room)}"
        if cell.memory.peak <= gpu.room:
            assert isinstance(rollout, VllmRollout)
            why = (
                f"rollout.gpu_memory={rollout.gpu_memory} is too little for {gib(cell.memory.engine_weights)} GiB of "
                f"weights and one response of model.context={cell.config.model.context}"
            )
        keys = remedies(cell.config, cell.policy, cell.prm, gpu)
        what = (
            f"{' or '.join(keys)} would fit"
            if keys
            else "no two keys are enough: take more ranks and shorter responses"
        )
        lines.append(f"{cell.name} does not fit: {why}; {what}")
    return lines or [f"Every cell fits into {gib(gpu.room)} GiB a GPU."]


def beyond_positions(cells: list[Cell]) -> list[str]:
    """A sentence for every model whose responses are longer than the positions it was trained on."""
    lines = {}
    for cell in cells:
        assert isinstance(cell.config.model, Pretrained)
        known, rollout = cell.policy.positions, cell.config.rollout
        wanted = (rollout.max_prompt_tokens or 0) + rollout.max_new_tokens
        if wanted > known:
            room = known - (rollout.max_prompt_tokens or 0)
            lines[cell.config.model.name] = (
                f"{cell.config.model.name} was trained on {known} positions and is asked for {wanted}: "
                f"rollout.max_new_tokens={room} stays within"
            )
    return list(lines.values())


def main(words: list[str]) -> int:
    """Price ``<table> <scale>``, with more overrides for every cell behind."""
    try:
        table, scale_name, *overrides = words if len(words) > 1 else ("", "")
        folder = EXPERIMENTS / Path(table).name
        scales = [p for p in EXPERIMENTS.glob("*/*.yaml") if p.stem not in ("cells", "claims")]
        known = sorted(f"{p.parent.name} {p.stem}" for p in scales)
        if f"{table} {scale_name}" not in known:
            raise ConfigError(
                f"name a table and a scale, one of {', '.join(known)}, as in: "
                f"python -m pure_repro.launch.price {known[0]}"
            )
        scale = yaml.safe_load((folder / f"{scale_name}.yaml").read_text())
        rows = yaml.safe_load((folder / "cells.yaml").read_text())
        cells = [
            priced(
                f"{model} {row}",
                [*scale["engine"], *scale["overrides"], f"model={model}", *rows[row]["overrides"], *overrides],
                scale,
            )
            for model in scale["models"]
            for row in scale["rows"]
        ]
        anchor = priced("anchor", [*scale["engine"], *scale["anchor"]["overrides"]], scale)
    except ConfigError as error:
        print(f"pure-repro: {error}", file=sys.stderr)
        return 2
    print(report(cells, anchor, scale))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
