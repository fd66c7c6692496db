"""The price of a table: hand-computed tokens, operations and memory, and the command itself."""

import re

import pytest
import yaml

from pure_repro.config import LOGITS_AT_ONCE
from pure_repro.launch import CONF, price
from pure_repro.launch.compose import composed
from pure_repro.launch.memory import Engine
from pure_repro.launch.shapes import KNOWN

MATH_7B = KNOWN["Qwen/Qwen2.5-Math-7B"]
SCALE = yaml.safe_load((CONF.parent / "experiments" / "table1" / "paper.yaml").read_text())
CELL = [*SCALE["engine"], *SCALE["overrides"], "experiment=table1/pure_prm"]
P = 7615616512
GPU = price.gpu_of(SCALE)
VLLM = [*CELL, "rollout=vllm", "rollout.max_prompt_tokens=1024", "rollout.max_new_tokens=8192"]


def test_tokens_of_a_cell():
    tokens = price.tokens_of(composed(["recipe=released_main", "experiment=table1/pure_prm_vr"]), 150, 800)
    assert tokens.sampled == 500 * 64 * 4 * 800 and tokens.read == 500 * 64 * 4 * 950
    assert tokens.checked == (500 + 272 + 675 + 30 + 40) * 800, "five benchmarks, greedy, one checkpoint"
    verl = price.tokens_of(composed(["recipe=released_verl", "experiment=table1/pure_prm_vr"]), 150, 800)
    validated = (30 + 500) * 5 * (1 + 2660 // 10) * 800
    assert verl.checked == validated + 2 * 1517 * 800


def test_operations_of_a_cell():
    config = composed(["recipe=released_main", "experiment=table1/pure_prm_vr"])
    m = 7615616512 - 152064 * 3584  # all but the input embedding
    assert price.operations(config, price.Tokens(10, 20, 5), MATH_7B, MATH_7B, checkpointing=True) == {
        "sampling": 2 * m * 15,
        "scoring": 2 * m * 20 * 5,  # reward model, reference, policy for penalty, old, and at the sampler's temperature
        "training": 8 * m * 20,
    }


def test_memory_of_a_cell():
    found = price.memory_of(composed(CELL), MATH_7B, MATH_7B, GPU)
    assert found.prm == found.reference == found.sampler_weights == 2 * P
    assert (found.gradients, found.optimizer) == (2 * P // 8, 12 * P // 8)
    assert found.kv_cache == 64 * 9216 * 57344, "64 responses a rank, prompt and response, 56 KiB a token"
    assert found.peak == found.phases["sample"] > found.phases["update"] > found.phases["score"]
    kept = found.weights + found.optimizer + found.sampler_weights
    assert found.phases["update"] == kept + 4 * P + found.gradients + found.activations


def test_an_engine_of_vllm_has_its_share_and_sleeps_between_phases():
    plain, found = (price.memory_of(composed(words), MATH_7B, MATH_7B, GPU) for words in (CELL, VLLM))
    assert (found.engine_weights, found.kv_cache) == (2 * P, int(0.4 * 80 * 2**30) - 2 * P)
    kept = found.weights + found.optimizer + found.sampler_weights
    assert found.phases["sample"] == kept + 4 * P + int(0.4 * 80 * 2**30)
    assert [found.phases[name] - plain.phases[name] for name in ("score", "update")] == [0, 0], "it sleeps"
    assert price.least_share(composed(VLLM), MATH_7B, GPU) == 0.19, "(2 P + 9216 × 56 KiB) / 80 GiB = 0.184"


def test_models_in_main_memory_are_on_the_device_in_their_own_phase_alone():
    here, away = (
        price.memory_of(composed([*CELL, *words]), MATH_7B, MATH_7B, GPU) for words in ([], ["train.offload=cpu"])
    )
    saved = {phase: here.phases[phase] - away.phases[phase] for phase in here.phases}
    assert saved == {"sample": 4 * P, "score": 2 * P, "update": 4 * P}, "one of two equal models at a time to score"


def test_the_engine_is_that_of_the_run():
    engine = price.engine_of(composed(CELL), MATH_7B)
    assert engine == Engine(8, 3, False, 2, True, 18432, LOGITS_AT_ONCE // 152064)
    words = ["train=deepspeed_zero2", "train.deepspeed.offload_optimizer=true", "launch.nproc_per_node=4"]
    engine = price.engine_of(composed([*CELL, *words, "train.chunked_logprobs=false"]), MATH_7B)
    assert engine == Engine(4, 2, True, 2, True, 18432, 18432)


SHARES = ["rollout.gpu_memory=0.4", "rollout.gpu_memory=0.1"]  # more than the others leave, and less than the weights


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["train=deepspeed_zero2", "train.tokens_per_microbatch=100000"],
        *([*VLLM[len(CELL) :], share] for share in SHARES),
    ],
)
def test_what_would_fit_fits_once_it_is_said(words, capsys):
    """Each remedy, typed behind the same command, is one."""
    assert price.main(["table1", "paper", *words]) == 0
    [offer] = re.findall(r"qwen2_5_math_7b pure_prm does not fit: .*; (.*) would fit", capsys.readouterr().out)
    keys = offer.replace("host:port", "head:29500").split(" or ")
    assert ("train=deepspeed_zero2" in words) == all(len(key.split()) >= 2 for key in keys), "no single key is enough"
    for key in keys:
        config = composed([*CELL, *words, *key.split()])
        assert price.fits(config, MATH_7B, MATH_7B, GPU), key
        assert price.memory_of(config, MATH_7B, MATH_7B, GPU).peak <= 80 * 0.92 * price.GIB, key
    assert price.remedies(composed(CELL), MATH_7B, MATH_7B, price.Gpu(price.GIB, 1)) == []


@pytest.mark.parametrize(
    ("share", "sentence"),
    [
        (0.4, r"phase sample needs 88.0 GiB of 73.6; .* or rollout.gpu_memory=0.22 would fit"),
        (
            0.1,
            r"rollout.gpu_memory=0.1 is too little for 14.2 GiB of weights and .*; rollout.gpu_memory=0.22 would fit",
        ),
    ],
)
def test_a_share_that_does_not_fit_is_named_with_one_that_does(share, sentence, capsys):
    assert price.main(["table1", "paper", "rollout=vllm", f"rollout.gpu_memory={share}"]) == 0
    said = capsys.readouterr().out
    assert re.search(f"qwen2_5_math_7b pure_prm does not fit: {sentence}", said)
    assert "engine weights" in said and "while it sleeps" in said


@pytest.mark.parametrize("words", [[], ["recipe=released_main"], ["recipe=released_verl"]])
def test_the_command_prices_every_cell(words, capsys):
    assert price.main(["table1", "paper", *words]) == 0
    said = capsys.readouterr().out
    assert said.count("qwen2_5_math_1_5b pure_prm_vr") >= 2 and "GPU-hours" in said
    for part in (
        "weights",
        "gradients",
        "optimizer",
        "activations",
        "kv cache",
        "prm",
        "reference",
        "disk GB",
        "steps",
    ):
        assert part in said
    for formula in ("Tokens = ", "Disk = ", "GPU-hours = ", "Assumed: prompt_tokens 150, response_tokens 800"):
        assert formula in said
    assert ("does not fit" in said) or ("Every cell fits" in said)
    assert ("was trained on 4096 positions" in said) == (words != ["recipe=released_main"])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "name a table and a scale"),
        (["table1", "moon"], "name a table and a scale"),
        (["table1", "paper", "train.steps=0"], "train.steps=0 must be greater than 0"),
    ],
)
def test_a_mistake_gets_one_sentence(words, sentence, capsys):
    assert price.main(words) == 2
    assert capsys.readouterr().err.startswith(f"pure-repro: {sentence}")
