"""The models of a run: the policy in its engine, the base beside it, the sampler that draws from the policy."""

from dataclasses import dataclass
from pathlib import Path

from pure_repro.config import Config, Pretrained
from pure_repro.models.adapter import add_adapter
from pure_repro.models.allocator import keep_freed_memory
from pure_repro.models.clock import Clock
from pure_repro.models.context import Context
from pure_repro.models.engine import Engine, open_engine
from pure_repro.models.head import install_target_head
from pure_repro.models.likelihoods import Likelihoods
from pure_repro.models.offload import resting
from pure_repro.models.policy import load_policy
from pure_repro.models.precision import sampling_dtype
from pure_repro.models.ranks import Ranks
from pure_repro.rollout.sampler import Sampler, open_sampler


@dataclass(frozen=True)
class Models:
    """What answers, what it started from, and what moves its weights."""

    context: Context
    engine: Engine
    likelihoods: Likelihoods
    sampler: Sampler


def open_models(config: Config, base: Path, out: Path, ranks: Ranks) -> Models:
    """Load what the run starts from and, where ``out`` holds a checkpoint, where it was left."""
    keep_freed_memory()
    train = config.train
    policy, tokenizer = load_policy(base, config.model, train.attention)
    adapter = config.model.adapter if isinstance(config.model, Pretrained) else None
    if adapter is not None:  # without it the policy is the model that it started from
        add_adapter(policy, adapter, config.seed)
        reference = policy
    else:
        reference = resting(load_policy(base, config.model, train.attention)[0], train.offload)
        if train.chunked_logprobs:
            install_target_head(reference)
    engine = open_engine(policy, train, ranks)
    context = Context(config, ranks, tokenizer, out, engine.load(out), Clock())
    sampler = open_sampler(
        config.rollout,
        engine.sampler,
        tokenizer,
        context=config.model.context,
        dtype=sampling_dtype(engine.sampler),
        ranks=ranks.size,
    )
    return Models(context, engine, Likelihoods(context, engine, reference), sampler)
