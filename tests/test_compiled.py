"""``train.compile`` computes what the plain layers do; freed memory stays with the process that trains."""

import copy
import subprocess
import sys

import pytest
import torch
from torch._dynamo.utils import counters
from transformers import PreTrainedModel

from pure_repro.config import ConfigError
from pure_repro.data.world import draw_problems
from pure_repro.launch.compose import composed
from pure_repro.models import precision
from pure_repro.models.compiled import compile_layers
from pure_repro.models.precision import sampling_copy
from pure_repro.rollout.hf import SamplingPlan, generate

FORGETS = """
import resource, sys, torch
from pure_repro.models.allocator import keep_freed_memory

def step():
    return [torch.ones(2**18) for _ in range(200)]  # 200 MB of activations, freed at once

def pages():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

if sys.argv[1] == "keep":
    keep_freed_memory()
step()
before = pages()
step()
print(pages() - before)
"""


def compiled_layers(model: PreTrainedModel) -> int:
    return sum(module._compiled_call_impl is not None for module in model.modules())


@pytest.mark.slow
def test_compiled_layers_sample_the_same(policy, tokenizer, float32):
    config, plan = composed([]), SamplingPlan(3, 1.0, 1.0, 30)
    problems = draw_problems("rl", 4, config.data.difficulty, 23, seed=0)
    prompts = [f"{problem.question}:" for problem in problems]
    plain, compiled = policy, copy.deepcopy(policy)
    compile_layers(compiled)
    assert compiled_layers(compiled) == len(compiled.model.layers) == 2
    counters.clear()
    one, other = (generate(m, tokenizer, problems, prompts, plan, seed=0, step=0) for m in (plain, compiled))
    assert counters["stats"]["unique_graphs"] >= 2, "nothing was compiled, so nothing was compared"
    assert torch.equal(one.tokens, other.tokens)
    torch.testing.assert_close(other.logprobs, one.logprobs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("compiled", [True, False])
def test_the_copy_to_sample_from_is_compiled_where_the_policy_is(policy, monkeypatch, compiled):
    monkeypatch.setattr(precision, "has_fast_bf16", lambda: True)
    compile_layers(policy)  # which a copy does not take over
    copied = sampling_copy(policy, compiled=compiled)
    assert copied.dtype == torch.bfloat16
    assert compiled_layers(copied) == (2 if compiled else 0)


def test_without_a_compiler_one_sentence(policy, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ConfigError, match=r"train.compile=true needs a C\+\+ compiler, and there is no no-such-comp"):
        compile_layers(policy)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator is Linux's")
def test_freed_memory_is_kept_for_the_next_step():
    def pages(word: str) -> int:
        return int(subprocess.check_output([sys.executable, "-c", FORGETS, word], text=True))

    assert pages("keep") < 0.25 * pages("forget")
