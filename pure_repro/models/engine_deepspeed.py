"""Many ranks with DeepSpeed (``train=deepspeed_zero2``, ``train=deepspeed_zero3``).

It shards gradients and optimizer state (ZeRO-2) and weights too (ZeRO-3), keeps float32 master weights beside bfloat16
ones, reduces, clips and writes a checkpoint file a rank.
"""

import copy
import logging
import os
import shutil
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import deepspeed
import torch
from torch import Tensor
from transformers import PreTrainedModel

from pure_repro.config import REDUCED_AT_ONCE, Train, Zero
from pure_repro.models import precision
from pure_repro.models.checkpoint import SHARDS, BrokenState, OtherRanks, Progress, digests_of, load_state, save_state
from pure_repro.models.finite import require_finite, require_finite_weights
from pure_repro.models.ranks import Ranks, own_cores


@dataclass
class DeepSpeedEngine:
    """A DeepSpeed engine, and the model to sample from: the trained one, or with sharded weights a whole copy."""

    engine: Any
    sampler: PreTrainedModel
    ranks: Ranks

    @classmethod
    def open(cls, policy: PreTrainedModel, train: Train, ranks: Ranks) -> "DeepSpeedEngine":
        """Hand the policy to DeepSpeed. Every rank comes with the same weights."""
        assert train.deepspeed
        if not torch.distributed.is_initialized():  # launch=inline
            os.environ["LOCAL_RANK"] = "0"
            torch.distributed.init_process_group(store=torch.distributed.HashStore(), rank=0, world_size=1)
        deepspeed.utils.logger.setLevel(logging.WARNING)
        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False  # CPU ranks: gloo, and nothing to compile
        sampler = copy.deepcopy(policy) if train.deepspeed.stage == 3 else None
        engine, *_ = deepspeed.initialize(
            model=policy,
            config=settings(train, train.deepspeed, sum(weight.numel() for weight in policy.parameters())),
            dist_init_required=False,
        )
        if sampler is None:
            sampler = engine.module
        opened = cls(engine, torch.nn.Module.to(sampler, engine.module.dtype), ranks)
        return opened

    @property
    def policy(self) -> PreTrainedModel:
        """The engine itself is called like the model."""
        model: PreTrainedModel = self.engine
        return model

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of one micro-batch; DeepSpeed takes the mean over ranks where the sum is due."""
        self.engine.backward(loss * self.ranks.size)

    def step(self) -> float:
        """Clip, move, forget; returns the gradient norm before clipping (ZeRO-0 in float32 does not tell: NaN)."""
        with own_cores() if self.engine.zero_use_cpu_optimizer() else nullcontext():
            self.engine.step()
        self.refresh()
        norm = self.engine.get_global_grad_norm()
        if norm is None:
            return float("nan")
        require_finite("the gradient norm", float(norm))
        return float(norm)

    def set_rate(self, rate: float) -> None:
        """The learning rate of the steps to come."""
        for group in self.engine.optimizer.param_groups:
            group["lr"] = rate

    def refresh(self) -> None:
        """Bring the weights that are sampled from up to date."""
        if self.sampler is self.engine.module:
            return
        with torch.no_grad():
            for target, source in zip(self.sampler.parameters(), self.engine.module.parameters(), strict=True):
                with deepspeed.zero.GatheredParameters(source):
                    target.copy_(source)

    def save(self, out: Path, progress: Progress) -> None:
        """New shards beside the old ones, then the pointer to them, then the old ones go."""
        require_finite_weights(self.sampler)
        folder, tag = out / SHARDS, f"step{progress.step}"
        if self.ranks.first:
            shutil.rmtree(folder / tag, ignore_errors=True)  # half a checkpoint of a killed run
        self.ranks.wait()
        self.engine.save_checkpoint(str(folder), tag=tag, save_latest=False)
        self.ranks.wait()
        digests = digests_of(folder / tag, self.ranks)
        if self.ranks.first:
            save_state(out, {"tag": tag, "ranks": self.ranks.size, "digests": digests}, progress)
            for old in set(folder.glob("step*")) - {folder / tag}:
                shutil.rmtree(old)

    def load(self, out: Path) -> Progress:
        """The shards that the pointer names.

        DeepSpeed unpickles them, so that only what this store wrote is read: raises ``BrokenState`` where a shard is
        other than when the pointer was written, and ``OtherRanks`` where another number of ranks wrote them.
        """
        state, progress = load_state(out)
        if state:
            if state["ranks"] != self.ranks.size:
                raise OtherRanks(
                    f"{out} holds the checkpoint of {state['ranks']} ranks, and here are {self.ranks.size}: go on with "
                    f"launch.nnodes × launch.nproc_per_node = {state['ranks']}, or remove {out} to begin again"
                )
            if digests_of(out / SHARDS / state["tag"], self.ranks) != state["digests"]:
                raise BrokenState(
                    f"{out / SHARDS / state['tag']} is not as it was written, and what its files would run is not "
                    f"known: remove {out / 'state.pt'}, and the stage begins again"
                )
            self.engine.load_checkpoint(str(out / SHARDS), tag=state["tag"])
            self.refresh()
        return progress


def settings(train: Train, zero: Zero, parameters: int) -> dict[str, Any]:
    """The engine's own configuration. Batches are not its business: the loop weighs losses over the whole batch.

    Gradients are reduced a bucket at a time, which is as large as the model where that is smaller than a whole one.
    """
    bf16 = precision.has_fast_bf16() and zero.stage > 0  # without shards DeepSpeed adds no float32 gradients to it
    optimizer = {
        "lr": train.learning_rate,
        "betas": [train.beta1, train.beta2],
        "eps": 1e-8,
        "weight_decay": train.weight_decay,
        "torch_adam": True,  # PyTorch's own: the same arithmetic on every device, and nothing to compile
    }
    offload = {"device": "cpu", "pin_memory": torch.cuda.is_available()}
    return {
        "train_micro_batch_size_per_gpu": 1,
        "managed_gradient_accumulation": False,  # the loop says when an update is due
        "gradient_clipping": train.max_grad_norm,
        "optimizer": {"type": "AdamW", "params": optimizer},
        "bf16": {"enabled": bf16},
        "data_types": {"grad_accum_dtype": "fp32"},
        "communication_data_type": "fp32",  # a sum over ranks in bfloat16 loses what a learning rate of 1e-6 is about
        "zero_optimization": {
            "stage": zero.stage,
            "reduce_bucket_size": min(REDUCED_AT_ONCE, parameters),
            "stage3_param_persistence_threshold": zero.keep_whole_below,
            **({"offload_optimizer": offload} if zero.offload_optimizer else {}),
        },
        "zero_force_ds_cpu_optimizer": False,
        "steps_per_print": None,
    }
