"""The reinforcement loop and its engine (``conf/train/``)."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pure_repro.config.base import Count, NonNegative, Positive, Rate, Strict

# train.chunked_logprobs: half a GiB in float32. Each chunk adds a product as large as the head to its gradient, so that
# small ones cost more in memory traffic than in arithmetic: at a vocabulary of 152,000 this is 880 tokens.
LOGITS_AT_ONCE = 2**27
REDUCED_AT_ONCE = 500_000_000  # gradients of a bucket that ranks reduce together: DeepSpeed's own number


class Zero(Strict):
    """What DeepSpeed shards: optimizer state and gradients (2), weights too (3), nothing (0: weights stay float32)."""

    stage: Literal[0, 2, 3]
    offload_optimizer: bool  # optimizer state and float32 weights in main memory
    keep_whole_below: Annotated[int, Field(ge=0)]  # elements; smaller weights stay on every rank (stage 3)

    @model_validator(mode="after")
    def only_sharded_state_is_offloaded(self) -> "Zero":
        """DeepSpeed offloads what it shards."""
        if self.offload_optimizer and self.stage == 0:
            raise ValueError("offload_optimizer=true needs stage=2 or stage=3")
        return self


class Train(Strict):
    """Sizes, optimizer, rhythm and engine of the reinforcement loop. Without ``deepspeed`` one process does it all."""

    name: Literal["local", "deepspeed_zero2", "deepspeed_zero3"]
    steps: Count
    prompts_per_step: Count
    samples_per_prompt: Annotated[int, Field(gt=1)]
    rollouts_per_update: Count
    tokens_per_microbatch: Count
    learning_rate: Positive
    beta1: Rate
    beta2: Rate
    weight_decay: NonNegative
    max_grad_norm: Positive
    attention: Literal["eager", "sdpa", "flash_attention_2", "varlen"]
    gradient_checkpointing: bool
    packing: bool  # responses one after the other instead of padded
    chunked_logprobs: bool  # logits of a few tokens at a time, computed again in the backward pass
    compile: bool  # decoder layers of policy and reward model by torch.compile
    deepspeed: Zero | None
    offload: Literal["none", "cpu"]  # cpu: reference and reward model are in main memory outside their phases
    validate_every: Count
    checkpoint_every: Count
    rollouts_every: Count
    keep_every: Count | None  # the policy of every so many steps stays, to be scored later; null: none does

    @model_validator(mode="after")
    def compiled_layers_hold_their_weights(self) -> "Train":
        """With sharded weights a layer first asks the other ranks for its own, which is no code to compile."""
        if self.compile and self.deepspeed and self.deepspeed.stage == 3:
            raise ValueError("compile=true needs whole weights on every rank: take deepspeed.stage=2 or compile=false")
        return self

    @model_validator(mode="after")
    def updates_divide_the_rollouts(self) -> "Train":
        """Every optimizer step sees as many responses as the others."""
        rollouts = self.prompts_per_step * self.samples_per_prompt
        if rollouts % self.rollouts_per_update:
            raise ValueError(
                f"rollouts_per_update={self.rollouts_per_update} does not divide prompts_per_step × samples_per_prompt "
                f"= {self.prompts_per_step} × {self.samples_per_prompt} = {rollouts}"
            )
        return self
