"""The price of a table: hand-computed tokens, operations and memory, and the command itself."""

import re

import pytest
import yaml

from pure_repro.config import LOGITS_AT_ONCE, VllmRollout
from pure_repro.launch import CONF, memory, price
from pure_repro.launch.compose import composed
from pure_repro.launch.machine import GIB, Machine
from pure_repro.launch.memory import EngineSettings
from pure_repro.launch.needs import engine_of, host_of, least_share
from pure_repro.launch.preflight import Preflight, preflight
from pure_repro.launch.shapes import KNOWN

MATH_7B = KNOWN["Qwen/Qwen2.5-Math-7B"]
SCALE = yaml.safe_load((CONF.parent / "experiments" / "table1" / "paper.yaml").read_text())
CELL = [*SCALE["engine"], *SCALE["overrides"], "experiment=table1/pure_prm"]
P = 7615616512
VLLM = [*CELL, "rollout=vllm", "rollout.max_prompt_tokens=1024", "rollout.max_new_tokens=8192"]


def machine(gibibytes: float) -> Machine:
    """Eight GPUs of so many GiB, and no other limit."""
    return Machine(8, gibibytes * GIB, "GPU", None, float("inf"), float("inf"))


def flight(words: list[str], gibibytes: float = 80) -> Preflight:
    """What a command needs on such a machine."""
    found = preflight(composed(words), machine(gibibytes))
    assert found is not None
    return found


def test_tokens_of_a_cell():
    tokens = price.tokens_of(composed(["recipe=released_main", "experiment=table1/pure_prm_vr"]), 150, 800)
    assert tokens.sampled == 500 * 64 * 4 * 800 and tokens.read == 500 * 64 * 4 * 950
    validated = 500 * 5 * (1 + 500 // 20)  # MATH500
    assert tokens.checked == (validated + 2 * (500 + 272 + 675 + 30 + 40)) * 800, "five benchmarks, two checkpoints"
    verl = price.tokens_of(composed(["recipe=released_verl", "experiment=table1/pure_prm_vr"]), 150, 800)
    validated = (30 + 500) * 5 * (1 + 2660 // 10) * 800
    assert verl.checked == validated + 2 * 1517 * 800


def test_operations_of_a_cell():
    config = composed(["recipe=released_main", "experiment=table1/pure_prm_vr"])
    m = 7615616512 - 152064 * 3584  # all but the input embedding
    assert price.operations(config, price.TokenCounts(10, 20, 5), MATH_7B, MATH_7B, checkpointing=True) == {
        "sampling": 2 * m * 15,
        "scoring": 2 * m * 20 * 3,  # reward model, reference, and the policy once: penalty, old, sampler's temperature
        "training": 8 * m * 20,
    }


def test_memory_of_a_cell():
    """By hand, P parameters: the reference and the reward model are in main memory outside their phase."""
    found = flight(CELL).memory
    assert found.prm == found.reference == found.sampler_weights == 2 * P
    assert (found.gradients, found.optimizer) == (4 * P // 8, 12 * P // 8), "gradients are summed in float32"
    assert (found.bucket, found.stepping) == (4 * 500_000_000, 12 * (P // 8))
    assert found.kv_cache == 64 * 9216 * 57344, "64 responses a rank, prompt and response, 56 KiB a token"
    kept = found.weights + found.optimizer + found.sampler_weights + found.gradients + found.bucket
    assert found.phases == {
        "open": 4 * P,
        "sample": kept + found.kv_cache,
        "score": kept + 2 * P + found.scoring,
        "update": kept + found.activations,
        "step": kept + found.stepping,
    }


def test_an_engine_of_vllm_has_its_share_and_sleeps_between_phases():
    plain, found = flight(CELL).memory, flight(VLLM).memory
    share = int(0.4 * 80 * GIB)
    assert (found.engine_weights, found.kv_cache) == (2 * P, share - 2 * P - memory.engine_work(MATH_7B))
    assert found.phases["sample"] - plain.phases["sample"] == share - plain.kv_cache
    assert [found.phases[name] - plain.phases[name] for name in ("score", "update", "step")] == [0, 0, 0], "it sleeps"
    assert memory.engine_work(MATH_7B) == pytest.approx(2.1 * GIB, rel=0.02)
    assert least_share(composed(VLLM), MATH_7B, 80 * GIB) == 0.21, "(2 P + 2.1 GiB + 9216 × 56 KiB) / 80 GiB = 0.21"


def test_models_in_main_memory_are_on_the_device_in_their_own_phase_alone():
    here, away = (flight([*CELL, f"train.offload={where}"]).memory.phases for where in ("none", "cpu"))
    saved = {phase: here[phase] - away[phase] for phase in here}
    expected = {"open": 2 * P, "sample": 4 * P, "score": 2 * P, "update": 4 * P, "step": 4 * P}
    assert saved == expected, "one of two equal models at a time to score; three whole copies while it opens"
    host = host_of(composed(CELL), flight(CELL).models, 8)
    assert host == 8 * (3 * GIB + 4 * P), "a copy of both in each rank"


def test_the_engine_is_that_of_the_run():
    engine = engine_of(composed(CELL), MATH_7B)
    assert engine == EngineSettings(8, 3, False, 2, True, 18432, LOGITS_AT_ONCE // 152064, whole_mask=False)
    words = ["train=deepspeed_zero2", "train.deepspeed.offload_optimizer=true", "launch.nproc_per_node=4"]
    engine = engine_of(composed([*CELL, *words, "train.chunked_logprobs=false", "train.attention=sdpa"]), MATH_7B)
    assert engine == EngineSettings(4, 2, True, 2, True, 18432, 18432, whole_mask=True)


FIT = ["prm=fit_prm800k", "experiment=table1/pure_prm"]


def test_the_fit_of_a_reward_model_is_part_of_price_and_preflight():
    """By hand: 369,000 rows of 950 tokens, three passes of the head forward and one of everything."""
    words = [*CELL, *FIT]
    with_fit, without = (price.priced("cell", some, SCALE) for some in (words, CELL))
    m, tokens = P - 152064 * 3584, 369_000 * 950
    more = {name: with_fit.operations[name] - without.operations[name] for name in with_fit.operations}
    assert more == {"sampling": 0, "scoring": 3 * 2 * m * tokens, "training": 8 * m * tokens}
    assert with_fit.disk == without.disk + 4 * P, "its states are gone when the training writes its own"
    phases = flight(words).phases
    assert list(phases)[:3] == ["fit open", "fit update", "fit step"] and phases["fit open"] == 4 * P
    kept = (
        2 * P // 8 + 4 * P // 8 + 2 * 10**9 + 12 * P // 8 + 2 * P
    )  # weights, gradients, bucket, optimizer, whole copy
    assert phases["fit step"] == pytest.approx(kept + 12 * P / 8 + 2 * 152064 * 3584, rel=1e-6)
    assert not any(name.startswith("fit") for name in flight(CELL).phases)


def test_a_fit_that_does_not_fit_is_refused_with_the_key_that_mends_it():
    one = [*FIT, "recipe=paper", "stages=[prm]", "train.gradient_checkpointing=true", "train.attention=varlen"]
    run = Preflight(composed(one), flight([*CELL, *FIT]).models, machine(24))
    assert [sentence.split(" needs ")[0] for sentence in run.shortages()] == ["phase fit update", "phase fit step"]
    [offer] = run.remedies()
    assert offer == "train.tokens_per_microbatch=9216 'prm.adapter={rank: 32, alpha: 64}'"
    mended = [*one, "train.tokens_per_microbatch=9216", "prm.adapter={rank: 32, alpha: 64}"]
    assert not any(Preflight(composed(mended), run.models, machine(24)).shortages())


ONE_KEY = [*VLLM[len(CELL) :], "train.offload=none"]
SHARES = ["rollout.gpu_memory=0.8", "rollout.gpu_memory=0.1"]  # more than the others leave, and less than the weights


@pytest.mark.parametrize(
    "words",
    [ONE_KEY, ["train.gradient_checkpointing=false"], *([*VLLM[len(CELL) :], share] for share in SHARES)],
)
def test_what_would_fit_fits_once_it_is_said(words, capsys):
    """Each remedy, typed behind the same command, is one."""
    assert price.main(["table1", "paper", *words]) == 0
    [offer] = re.findall(r"qwen2_5_math_7b pure_prm: it does not fit: .*; (.*) would fit", capsys.readouterr().out)
    for key in offer.replace("host:port", "head:29500").split(" or "):
        run = flight([*CELL, *words, *key.split()])
        assert list(run.shortages()) == [] and run.memory.peak <= 80 * 0.92 * GIB, key
        if isinstance(run.config.rollout, VllmRollout):  # and vLLM has room for its weights, its work and a response
            assert run.config.rollout.gpu_memory >= least_share(run.config, MATH_7B, 80 * GIB), key


def test_where_nothing_is_enough_nothing_is_offered():
    assert Preflight(composed(CELL), flight(CELL).models, machine(1)).remedies() == []


def test_a_share_that_does_not_fit_is_named_with_one_that_does(capsys):
    assert price.main(["table1", "paper", "rollout=vllm", "rollout.gpu_memory=0.1"]) == 0
    said = capsys.readouterr().out
    assert re.search(
        r"rollout.gpu_memory=0.1 is too little for 14.2 GiB of weights, 2.1 to work with and .*; roll", said
    )
    assert "engine weights" in said and "while it sleeps" in said


@pytest.mark.parametrize("words", [[], ["recipe=released_main"], ["recipe=released_verl"]])
def test_the_command_prices_every_cell(words, capsys):
    assert price.main(["table1", "paper", *words]) == 0
    said = capsys.readouterr().out
    assert said.count("qwen2_5_math_1_5b pure_prm_vr") >= 2 and "GPU-hours" in said
    for part in (
        "whole copies",
        "bucket",
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
    assert "Every cell fits" in said, "the recipes' own defaults"
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
