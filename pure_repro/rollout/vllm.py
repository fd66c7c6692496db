"""Sampling with vLLM in the trainer's own process: one engine a rank, opened once a run, given new weights in memory.

The engine starts empty, from the policy's configuration alone. A push writes the policy's weights into the engine's,
drops what the engine remembers of prompts read with the old ones, and compares checksums of all parameters.
"""

import copy
import hashlib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from pure_repro.config import VllmRollout
from pure_repro.models.adapter import merged_parameters
from pure_repro.rollout.fingerprint import StaleWeights, fingerprint, require_same
from pure_repro.rollout.hf import SamplingPlan, cache_bytes_per_token, ends_of
from pure_repro.types import Problem, Rollouts

ROWS_AT_ONCE = 256  # responses that the engine works on together
TOKENS_AT_ONCE = 4096  # that it reads together, and measures itself with when it starts
SETTINGS = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # in this process, so that weights need no way between processes
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
}


def seed_of(seed: int, step: int, problem_id: str, sample: int, length: int) -> int:
    """What a response of so many tokens goes on with: 63 bits of the hash of (run seed, step, problem, sample, length).

    >>> seed_of(0, 7, "a", 0, 0) == seed_of(0, 7, "a", 0, 0), seed_of(0, 7, "a", 0, 0) == seed_of(0, 7, "a", 0, 9)
    (True, False)
    """
    digest = hashlib.sha256(f"{seed}/{step}/{problem_id}/{sample}/{length}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


@dataclass
class Growing:
    """A response as it grows."""

    tokens: list[int]
    logprobs: list[float]
    finished: bool
    stale: int


def so_far(rollouts: Rollouts) -> list[Growing]:
    """The responses as rows without padding."""
    columns = zip(rollouts.tokens, rollouts.logprobs, rollouts.mask, strict=True)
    ends = zip(rollouts.finished.tolist(), rollouts.stale.tolist(), strict=True)
    return [
        Growing(tokens[mask].tolist(), logprobs[mask].tolist(), *end)
        for (tokens, logprobs, mask), end in zip(columns, ends, strict=True)
    ]


@dataclass
class VllmSampler:
    """An engine of vLLM, what it holds, and how responses end."""

    engine: Any
    model: Any  # the engine's own module, its layers fused
    tokenizer: PreTrainedTokenizerBase
    ends: list[int]
    dtype: torch.dtype

    @classmethod
    def open(
        cls,
        rollout: VllmRollout,
        policy: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        context: int,
        dtype: torch.dtype,
        ranks: int,
    ) -> "VllmSampler":
        """Start the engine: half a minute on CPU, with the first responses."""
        os.environ.update({name: value for name, value in SETTINGS.items() if name not in os.environ})
        from vllm import LLM

        gpu, threads = torch.cuda.is_available(), torch.set_num_threads
        if not gpu:
            keep_weights_readable()
        with tempfile.TemporaryDirectory() as folder:
            with_positions(policy.config, context).save_pretrained(folder)
            engine = LLM(
                model=folder,
                skip_tokenizer_init=True,
                load_format="dummy",
                generation_config="vllm",  # its own neutral one: the plan says how to sample
                dtype=str(dtype).removeprefix("torch."),
                seed=0,  # every response brings its own
                max_model_len=context,
                max_num_seqs=ROWS_AT_ONCE,
                max_num_batched_tokens=TOKENS_AT_ONCE,
                enable_chunked_prefill=True,
                logprobs_mode="processed_logprobs",  # of the distribution that was drawn from
                enforce_eager=not gpu,
                enable_sleep_mode=gpu,
                distributed_executor_backend="external_launcher" if ranks > 1 else None,
                disable_log_stats=True,
                **(
                    {"gpu_memory_utilization": rollout.gpu_memory}
                    if gpu
                    else {"kv_cache_memory_bytes": cache_bytes(policy, context, dtype)}
                ),
            )
        torch.set_num_threads = threads  # taken away on CPU
        [model] = engine.apply_model(lambda model: model)
        opened = cls(engine, model, tokenizer, ends_of(policy).tolist(), dtype)
        opened.rest()
        return opened

    def push(self, policy: PreTrainedModel) -> None:
        """Write the weights into the engine's, and prove it."""
        if torch.cuda.is_available():
            self.engine.wake_up(tags=["weights"])
        self.load(policy)
        if torch.cuda.is_available():
            self.engine.wake_up(tags=["kv_cache"])
        if not self.engine.reset_prefix_cache():
            raise StaleWeights("vLLM did not forget the prompts that it has read with the weights before the push")
        fused = getattr(self.model, "packed_modules_mapping", {})
        require_same(
            fingerprint(self.model.named_parameters(), {}, self.dtype),
            fingerprint(merged_parameters(policy), fused, self.dtype),
        )

    def load(self, policy: PreTrainedModel) -> None:
        """Write the weights into the engine's."""
        self.model.load_weights((name, weight.detach()) for name, weight in merged_parameters(policy))

    def generate(
        self,
        problems: Sequence[Problem],
        prompts: Sequence[str],
        plan: SamplingPlan,
        *,
        seed: int,
        step: int,
        begun: Sequence[Rollouts] = (),
    ) -> Rollouts:
        """``plan.samples`` responses to every prompt, samples of one prompt adjacent."""
        from vllm import SamplingParams, TokensPrompt

        encoded = self.tokenizer(list(prompts), padding=True, padding_side="left", return_tensors="pt")
        prompt, prompt_mask = encoded["input_ids"], encoded["attention_mask"].bool()
        read = [row[mask].tolist() for row, mask in zip(prompt, prompt_mask, strict=True)]
        rows = [row for rollouts in begun for row in so_far(rollouts)]
        rows += [Growing([], [], finished=False, stale=0) for _ in range(plan.samples * (len(problems) - len(begun)))]
        asked, how, going = [], [], []
        for number, row in enumerate(rows):
            length, room = len(row.tokens), plan.room(len(row.tokens))
            if row.finished or not room:
                continue
            problem, sample = divmod(number, plan.samples)
            going.append(row)
            asked.append(TokensPrompt(prompt_token_ids=read[problem] + row.tokens))
            how.append(
                SamplingParams(
                    temperature=plan.temperature,
                    top_p=plan.top_p,
                    max_tokens=room,
                    seed=seed_of(seed, step, problems[problem].id, sample, length),
                    stop_token_ids=self.ends,
                    ignore_eos=True,  # the engine has no tokenizer to know it from
                    logprobs=0,
                    detokenize=False,
                )
            )
        for row, made in zip(going, self.engine.generate(asked, how, use_tqdm=False), strict=True):
            [output] = made.outputs
            row.tokens.extend(output.token_ids)
            row.logprobs.extend(
                known[token].logprob for token, known in zip(output.token_ids, output.logprobs, strict=True)
            )
            row.finished = output.finish_reason == "stop"
        lengths = torch.tensor([len(row.tokens) for row in rows])
        tokens = [torch.tensor(row.tokens) for row in rows]
        return Rollouts(
            prompt=prompt.repeat_interleave(plan.samples, dim=0),
            prompt_mask=prompt_mask.repeat_interleave(plan.samples, dim=0),
            tokens=pad_sequence(tokens, batch_first=True, padding_value=self.tokenizer.pad_token_id),
            mask=torch.arange(int(lengths.max())) < lengths[:, None],
            logprobs=pad_sequence([torch.tensor(row.logprobs) for row in rows], batch_first=True),
            finished=torch.tensor([row.finished for row in rows]),
            group=torch.arange(len(problems)).repeat_interleave(plan.samples),
            stale=torch.tensor([row.stale for row in rows]),
        )

    def rest(self) -> None:
        """Free weights and cache of the engine on a GPU; on CPU they stay."""
        if torch.cuda.is_available():
            self.engine.sleep(level=2)


def with_positions(config: PretrainedConfig, context: int) -> PretrainedConfig:
    """The configuration with at least ``context`` positions.

    Rotary positions are computed, so the trainer has as many as it is asked for; an engine of vLLM makes a table of
    the positions that the configuration names, and would read beyond its end.
    """
    longer = copy.deepcopy(config)
    longer.max_position_embeddings = max(config.max_position_embeddings, context)
    return longer


def cache_bytes(policy: PreTrainedModel, context: int, dtype: torch.dtype) -> int:
    """Keys and values of ``ROWS_AT_ONCE`` responses of full length, for a machine without a GPU."""
    blocks = -(-context // 128)  # the engine's on CPU
    return ROWS_AT_ONCE * blocks * 128 * cache_bytes_per_token(policy.config, dtype)


def keep_weights_readable() -> None:
    """Have vLLM multiply by a layer's weight itself on CPU.

    It would pack the weight into a form of its own and drop it: then nothing could be written into it, nor compared.
    """
    from vllm.model_executor.layers import utils

    def plain(layer: torch.nn.Module, remove_weight: bool) -> None:
        layer.cpu_linear = torch.nn.functional.linear  # type: ignore[assignment]

    utils.dispatch_cpu_unquantized_gemm = plain
