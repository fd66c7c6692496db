"""What a run needs of a machine, from its configuration and the sizes of its models. Imports no torch."""

from dataclasses import dataclass, replace
from math import ceil

from pure_repro.config import (
    LOGITS_AT_ONCE,
    Adapter,
    Config,
    FitPrm,
    Gae,
    Pretrained,
    PretrainedPrm,
    VllmRollout,
)
from pure_repro.launch import memory
from pure_repro.launch.machine import GIB, Machine
from pure_repro.launch.memory import EngineSettings, Memory
from pure_repro.launch.plan import fits_rows, needed, uses_prm
from pure_repro.launch.shapes import Shape, shape_of

BYTES = {"float32": 4, "bfloat16": 2}
PROCESS = 3 * GIB  # of a rank in main memory: Python, PyTorch and the CUDA context


@dataclass(frozen=True)
class ModelShapes:
    """The sizes of what a run holds: the policy, and the reward model that it reads, if it reads one."""

    policy: Shape
    prm: Shape | None


def model_shapes(config: Config) -> ModelShapes:
    """Raises ``ConfigError`` where the sizes of one cannot be known."""
    assert isinstance(config.model, Pretrained)
    return ModelShapes(shape_of(config.model.path, config.model.revision), prm_shape(config))


def prm_shape(config: Config) -> Shape | None:
    """The sizes of the reward model that a training reads, if it reads one."""
    if not isinstance(config.prm, PretrainedPrm | FitPrm) or not uses_prm(config) or "train" not in config.stages:
        return None
    return shape_of(config.prm.path, config.prm.revision)


def fitted_shape(config: Config) -> Shape | None:
    """The sizes of the reward model that the run fits to rows, if it fits one."""
    if not isinstance(config.prm, FitPrm) or "prm" not in needed(config) or not fits_rows(config):
        return None
    return shape_of(config.prm.path, config.prm.revision)


def engine_of(config: Config, policy: Shape) -> EngineSettings:
    """How a rank of the run trains, on a device that computes in bfloat16."""
    train, zero = config.train, config.train.deepspeed
    sampled = -(-train.prompts_per_step * train.samples_per_prompt // config.launch.ranks) * longest(config)
    tokens = min(max(train.tokens_per_microbatch, longest(config)), sampled)  # a response is never cut up
    logit_tokens = max(LOGITS_AT_ONCE // policy.vocabulary, 1) if train.chunked_logprobs else tokens
    return EngineSettings(
        ranks=config.launch.ranks,
        zero_stage=zero.stage if zero else 0,
        offload_optimizer=zero is not None and zero.offload_optimizer,
        value_bytes=2 if (zero and zero.stage) or stays_as_stored(config) == 2 else 4,
        gradient_checkpointing=train.gradient_checkpointing,
        tokens_per_microbatch=tokens,
        logit_tokens=logit_tokens,
        whole_mask=train.packing and train.attention in ("eager", "sdpa"),
    )


def stays_as_stored(config: Config) -> int | None:
    """Bytes of a value of weights that an adapter leaves as they are; nothing where all weights learn."""
    model = config.model
    return BYTES[model.dtype] if isinstance(model, Pretrained) and model.adapter else None


def longest(config: Config) -> int:
    """Tokens of the longest prompt and response that are sampled."""
    return (config.rollout.max_prompt_tokens or 0) + config.rollout.max_new_tokens


def memory_of(config: Config, models: ModelShapes, machine: Machine) -> Memory:
    """One rank's memory.

    Every response that the rank samples at a time is in its cache at full length, the worst case. An engine of vLLM
    takes the share of the GPU that it is given, ``rollout.gpu_memory``, however much it samples: its cache is what
    weights and work leave of it. The reference is there in every run: validation measures the distance to it.
    """
    train, rollout, engine = config.train, config.rollout, engine_of(config, models.policy)
    policy, prm = models.policy, models.prm
    assert isinstance(config.model, Pretrained)
    of_policy = BYTES[config.model.dtype]
    of_prm = BYTES[config.prm.dtype] if isinstance(config.prm, PretrainedPrm) else 4  # one fitted here is float32
    read = [(shape, size) for shape, size in ((prm, of_prm), (policy, of_policy)) if shape is not None]
    engine_weights = engine_work = 0
    if isinstance(rollout, VllmRollout):
        engine_weights, engine_work = policy.parameters * BYTES["bfloat16"], memory.engine_work(policy)
        kv_cache = max(int(rollout.gpu_memory * machine.gpu_bytes) - engine_weights - engine_work, 0)
    else:
        own = -(-train.prompts_per_step * train.samples_per_prompt // engine.ranks)
        kv_cache = memory.kv_cache(policy, own, longest(config), BYTES["bfloat16"])
    whole = policy.parameters * of_policy
    sharded, apart = engine.zero_stage >= 3, engine.value_bytes == 4  # float32 is sampled from as a copy
    own_state = memory.weights(policy, engine) + memory.gradients(policy, engine) + memory.bucket(policy, engine)
    own_state += memory.optimizer(policy, engine) + (whole if sharded else 0)
    companions = isinstance(config.advantage, Gae) + (config.reward.implicit is not None)
    made = Memory(
        weights=memory.weights(policy, engine) + memory.gathered(policy, engine),
        gradients=memory.gradients(policy, engine),
        bucket=memory.bucket(policy, engine),
        optimizer=0 if engine.offload_optimizer else memory.optimizer(policy, engine),
        stepping=memory.stepping(policy, engine),
        activations=memory.activations(policy, engine),
        kv_cache=kv_cache,
        engine_weights=engine_weights,
        engine_work=engine_work,
        sampler_weights=whole if sharded else 0,
        sampling_copy=policy.parameters * BYTES["bfloat16"] if apart else 0,
        prm=0 if prm is None else prm.parameters * of_prm,
        reference=whole,
        companions=companions * own_state,
        scoring=max(memory.scoring(shape, engine.tokens_per_microbatch, size) for shape, size in read),
        whole_copies=whole * (1 + sharded + (train.offload == "none")),
        gradients_stay=sharded,
        offload=train.offload == "cpu",
    )
    return made if config.model.adapter is None else with_adapter(made, policy, config.model)


def with_adapter(made: Memory, policy: Shape, model: Pretrained) -> Memory:
    """The same where an adapter of A parameters learns in the place of the weights, which stay as they were stored.

    ``b·P + 4·A`` of weights, ``4·A`` of gradients, ``8·A`` of moments, all in one process; without the adapter the
    policy is its own reference.
    """
    assert model.adapter is not None
    own, each = policy.adapter_parameters(model.adapter.rank), BYTES[model.dtype]
    return replace(
        made,
        weights=policy.parameters * each + 4 * own,
        gradients=4 * own,
        optimizer=8 * own,
        stepping=4 * own,
        sampling_copy=made.sampling_copy if each == 4 else 0,  # float32 is sampled from as a copy in bfloat16
        reference=0,
        whole_copies=policy.parameters * each,
    )


def fit_phases(config: Config, prm: Shape) -> dict[str, int]:
    """One rank's memory while a reward model is fitted to rows, by phase: as an update of the policy, without logits.

    ``fit open`` has the model whole, twice where it is sharded; in ``fit update`` all weights learn, or an adapter.
    """
    assert isinstance(config.prm, FitPrm)
    plan, each = config.prm, BYTES[config.prm.dtype]
    tokens = max(config.train.tokens_per_microbatch, plan.max_tokens)
    made = engine_of(config, prm)
    stored = each if plan.adapter is not None else 4
    engine = replace(
        made, tokens_per_microbatch=tokens, logit_tokens=tokens, value_bytes=2 if made.zero_stage else stored
    )
    sharded, whole = engine.zero_stage >= 3, prm.parameters * each
    kept = memory.weights(prm, engine) + memory.gradients(prm, engine) + memory.bucket(prm, engine)
    kept += 0 if engine.offload_optimizer else memory.optimizer(prm, engine)
    kept += memory.gathered(prm, engine) + (whole if sharded else 0)
    stepping = memory.stepping(prm, engine)
    if plan.adapter is not None:
        own = prm.adapter_parameters(plan.adapter.rank)
        kept, stepping = whole + 16 * own, 4 * own
    two_classes = replace(prm, vocabulary=2)
    return {
        "fit open": whole * (1 + sharded),
        "fit update": kept + memory.activations(two_classes, engine),
        "fit step": kept + stepping,
    }


def least_share(config: Config, policy: Shape, gpu_bytes: int | float) -> float:
    """The share of a GPU, in hundredths, with which an engine of vLLM starts.

    It holds weights, what the engine works with, and the cache of one response as long as the context.
    """
    needed = policy.parameters * BYTES["bfloat16"] + memory.engine_work(policy)
    needed += memory.kv_cache(policy, 1, config.model.context, BYTES["bfloat16"])
    return ceil(100 * needed / gpu_bytes) / 100


def disk_of(config: Config, policy: Shape) -> int:
    """Two states that a run goes on from, as the old one goes once the new one is whole, and ``2·P`` a kept policy.

    A state is ``14·P``: 2 of weights, 12 of the optimizer; of an adapter of A parameters ``12·A``. A training leaves
    the chosen and the last policy, and those of every ``keep_every`` steps. The states of a fit are gone by then, and
    its model, ``4·P``, stays.
    """
    fitted = fitted_shape(config)
    states = 0 if fitted is None else 2 * state_bytes(fitted, config.prm.adapter)  # type: ignore[union-attr]
    left = 0 if fitted is None else 4 * fitted.parameters
    return left + max(states, training_disk(config, policy))


def state_bytes(shape: Shape, adapter: Adapter | None) -> int:
    """A state that a run goes on from: ``14·P``, of an adapter ``12·A``."""
    return 14 * shape.parameters if adapter is None else 12 * shape.adapter_parameters(adapter.rank)


def training_disk(config: Config, policy: Shape) -> int:
    """What a training writes at most at a time."""
    if "train" not in config.stages:
        return 0
    every, adapter = config.train.keep_every, config.model.adapter if isinstance(config.model, Pretrained) else None
    kept = 2 + (config.train.steps // every if every else 0)
    return 2 * state_bytes(policy, adapter) + 2 * kept * policy.parameters


def host_of(config: Config, models: ModelShapes, local_ranks: int) -> int:
    """Main memory of the ranks of one machine: what each loads while it opens, and what waits there for its phase."""
    assert isinstance(config.model, Pretrained)
    policy, engine = models.policy, engine_of(config, models.policy)
    whole = policy.parameters * BYTES[config.model.dtype]
    waiting = 0
    if config.train.offload == "cpu":
        waiting = whole + (0 if models.prm is None else models.prm.parameters * 2)
    if engine.offload_optimizer:
        waiting += memory.optimizer(policy, engine) + memory.gradients(policy, engine)
    return local_ranks * (PROCESS + max(2 * whole, waiting))


def beyond_positions(config: Config, policy: Shape) -> str | None:
    """A sentence where responses are longer than the positions that the model was trained on."""
    assert isinstance(config.model, Pretrained)
    if longest(config) <= policy.positions:
        return None
    room = policy.positions - (config.rollout.max_prompt_tokens or 0)
    return (
        f"{config.model.name} was trained on {policy.positions} positions and is asked for {longest(config)}: "
        "what lies beyond is extrapolated" + (f", and rollout.max_new_tokens={room} stays within" if room > 0 else "")
    )
