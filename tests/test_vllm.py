"""vLLM for real, in the trainer's process: weights in sync, log-probabilities, seeds, and whole runs beside ``hf``."""

import copy
import json
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
import torch
from project import SMOKE
from test_sampler import QUESTIONS, by_question
from torch import Tensor
from transformers import PreTrainedModel

from pure_repro.launch.compose import composed
from pure_repro.launch.failure import Failure
from pure_repro.launch.plan import plan
from pure_repro.launch.stages import run_stages
from pure_repro.models.logprobs import all_logprobs
from pure_repro.models.policy import load_policy
from pure_repro.models.ranks import ALONE
from pure_repro.rollout.fingerprint import StaleWeights
from pure_repro.rollout.hf import SamplingPlan
from pure_repro.rollout.unfinished import done, kept, of_prompts
from pure_repro.rollout.vllm import VllmSampler
from pure_repro.train.base import fit_base
from pure_repro.types import Problem, Rollouts

pytestmark = pytest.mark.skipif(
    find_spec("vllm") is None, reason="vLLM is not installed here: make test-vllm makes an environment that has it"
)

# Heads of 32, the narrowest that vLLM has.
SIZES = ["model.hidden_size=64", "model.intermediate_size=192", "model.layers=2", "model.heads=2"]
POSITIONS = 16  # that the model's configuration names
PLAN = SamplingPlan(samples=6, temperature=1.0, top_p=1.0, max_new_tokens=40)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy fitted for some seconds: its responses have steps and end sooner or later."""
    folder = tmp_path_factory.mktemp("base")
    fit_base(composed([*SMOKE, *SIZES, "model.demonstrations=2560", "model.fit.learning_rate=1e-2"]), folder)
    return folder / "model"


@pytest.fixture
def policy(base) -> PreTrainedModel:
    """That policy, for a test to change as it likes."""
    return load_policy(base, composed([]).model)[0]


@pytest.fixture(scope="module")
def opened(base, tokenizer) -> VllmSampler:
    """One engine for all tests, as a run has one for all steps; it starts from the configuration, not the weights.

    The configuration names fewer positions than the run asks for, as Qwen2.5-Math's does: the gap stays what it is.
    """
    rollout = composed(["rollout=vllm"]).rollout
    model = load_policy(base, composed([]).model)[0]
    model.config.max_position_embeddings = POSITIONS
    return VllmSampler.open(rollout, model, tokenizer, context=128, dtype=torch.float32, ranks=1)


@pytest.fixture
def sampler(opened, policy) -> VllmSampler:
    opened.push(policy)
    return opened


def responses(
    sampler: VllmSampler, plan: SamplingPlan = PLAN, questions: list[str] = QUESTIONS, seed: int = 0, step: int = 0
) -> Rollouts:
    problems = [Problem(question, question, None) for question in questions]
    return sampler.generate(problems, [f"{q}:" for q in questions], plan, seed=seed, step=step)


def moved(policy: PreTrainedModel) -> PreTrainedModel:
    """As after an update: every weight is another."""
    torch.manual_seed(1)
    other = copy.deepcopy(policy)
    for weight in other.parameters():
        weight.data += 0.01 * torch.randn_like(weight)
    return other


def gap(policy: PreTrainedModel, rollouts: Rollouts, temperature: float = 1.0) -> Tensor:
    apart = (all_logprobs(policy, rollouts, temperature, 4096) - rollouts.logprobs).abs()
    return apart[rollouts.mask]


def test_logprobs_are_the_trainers_after_every_push(sampler, policy, float32):
    for temperature in (1.0, 0.7):
        rollouts = responses(sampler, SamplingPlan(6, temperature, 1.0, 40))
        lengths = rollouts.mask.sum(dim=1)
        assert len(set(lengths.tolist())) > 3 and not rollouts.prompt_mask.all()
        assert (lengths + rollouts.prompt_mask.sum(dim=1)).max() > POSITIONS, "beyond the model's own table"
        assert gap(policy, rollouts, temperature).max() < 1e-4
        assert (rollouts.logprobs[~rollouts.mask] == 0).all()
    other = moved(policy)
    assert gap(other, rollouts, 0.7).mean() > 0.01, "nothing moved: nothing is tested"
    start = time.perf_counter()
    sampler.push(other)
    seconds = time.perf_counter() - start
    found = gap(other, responses(sampler))
    print(f"\ngap a token after a push: mean {found.mean():.1e}, largest {found.max():.1e}; push {seconds:.3f} s")
    assert found.max() < 1e-4


Loading = Callable[[Any, list[tuple[str, Tensor]]], None]  # of an engine's module and the weights given to it


def skipped(model: Any, given: list[tuple[str, Tensor]]) -> None:
    """Nothing arrives."""


def partial(model: Any, given: list[tuple[str, Tensor]]) -> None:
    """The last three parameters stay as they were."""
    model.load_weights(given[:-3])


def one_element(model: Any, given: list[tuple[str, Tensor]]) -> None:
    """All arrive, one of them damaged."""
    model.load_weights(given)
    model.model.layers[1].mlp.down_proj.weight.data[5, 7] += 1e-6


def exchanged(model: Any, given: list[tuple[str, Tensor]]) -> None:
    """Queries and keys take each other's place in the fused layer."""
    names = {"q_proj": "k_proj", "k_proj": "q_proj"}
    model.load_weights((".".join(names.get(word, word) for word in name.split(".")), value) for name, value in given)


def injected(monkeypatch: pytest.MonkeyPatch, loading: Loading, after: int = 0) -> None:
    """After so many good pushes, weights go into the engine by ``loading``."""
    plain, pushes = VllmSampler.load, count()

    def load(self: VllmSampler, policy: PreTrainedModel) -> None:
        if next(pushes) < after:
            plain(self, policy)
        else:
            loading(self.model, [(name, weight.detach()) for name, weight in policy.named_parameters()])

    monkeypatch.setattr(VllmSampler, "load", load)


@pytest.mark.parametrize(
    ("loading", "said"),
    [
        (skipped, "16 of 16 parameters of the sampler are not the trainer's after the push, first of them model.embed"),
        (partial, "3 of 16 parameters of the sampler are not the trainer's after the push, first of them model.layers"),
        (one_element, "1 of 16 parameters .*, first of them model.layers.1.mlp.down_proj.weight: nothing was sampled"),
        (exchanged, "4 of 16 parameters .*, first of them model.layers.0.self_attn.qkv_proj.bias: nothing was sampled"),
    ],
)
def test_a_push_that_does_not_arrive_is_named(sampler, policy, monkeypatch, loading, said):
    injected(monkeypatch, loading)
    with pytest.raises(StaleWeights, match=said):
        sampler.push(moved(policy))


def test_responses_end_and_stand_as_they_should(sampler, tokenizer):
    rollouts = responses(sampler)
    assert rollouts.group.tolist() == [g for g in range(len(QUESTIONS)) for _ in range(PLAN.samples)]
    for row, (tokens, mask, finished) in enumerate(
        zip(rollouts.tokens, rollouts.mask, rollouts.finished.tolist(), strict=True)
    ):
        length = int(mask.sum())
        assert mask[:length].all() and (tokens[length:] == tokenizer.pad_token_id).all()
        ends = (tokens[:length] == tokenizer.eos_token_id).nonzero().flatten().tolist()
        assert ends == ([length - 1] if finished else []) and (finished or length == PLAN.max_new_tokens)
        asked = tokenizer.decode(rollouts.prompt[row][rollouts.prompt_mask[row]])
        assert asked == f"{QUESTIONS[rollouts.group[row]]}:"
    assert 0 < rollouts.finished.sum() < len(rollouts.finished)


def test_seed_and_step_decide_the_tokens_and_company_does_not(sampler):
    first = by_question(responses(sampler), QUESTIONS)
    assert all(len({tuple(sample) for sample in samples}) == PLAN.samples for samples in first.values())
    assert by_question(responses(sampler, questions=QUESTIONS[::-1]), QUESTIONS[::-1]) == first
    for question in QUESTIONS:
        assert by_question(responses(sampler, questions=[question]), [question]) == {question: first[question]}
    for other in (responses(sampler, seed=1), responses(sampler, step=1)):
        assert by_question(other, QUESTIONS) != first


def test_responses_go_on_where_they_were_left(sampler, policy, float32):
    """In parts of nine tokens, beside responses that begin: the trainer's log-probabilities, no end twice."""
    plan, begun = replace(PLAN, at_once=9), list[Rollouts]()
    problems = [Problem(question, question, None) for question in QUESTIONS]
    for step in range(5):
        some = slice(0, 2 if step == 0 else 4)
        prompts = [f"{one.question}:" for one in problems[some]]
        rollouts = sampler.generate(problems[some], prompts, plan, seed=0, step=step, begun=begun)
        assert gap(policy, rollouts).max() < 1e-4
        assert rollouts.fresh.sum(dim=1).max() <= 9 and (rollouts.logprobs[~rollouts.mask] == 0).all()
        ends = torch.isin(rollouts.tokens, torch.tensor(sampler.ends)) & rollouts.mask
        assert (ends.sum(dim=1) == rollouts.finished).all()
        for before, after in zip(begun, [of_prompts(rollouts, [n]) for n in range(4)], strict=False):
            width = before.tokens.shape[1]
            assert (after.tokens[:, :width][before.mask] == before.tokens[before.mask]).all()
            assert (after.mask[before.finished].sum(dim=1) == before.mask[before.finished].sum(dim=1)).all()
        begun = [kept(of_prompts(rollouts, [n])) for n in range(len(prompts))]
    assert done(rollouts, 40).tolist()[:2] == [True, True] and rollouts.mask.sum(dim=1).max() == 40


def test_a_run_goes_on_with_what_is_not_done(tmp_path):
    words = ["rollout.max_tokens_per_step=20", "objective.importance_cap=2", "watch.on_collapse=warn"]
    found = rows(trained(tmp_path, *SHORT, "rollout=vllm", *words, *MOVING))
    assert max(row["sampler/stale"] for row in found) > 0 and found[0]["sampler/stale"] == 0
    assert all(row["sampler/logprob_gap_max"] < 1e-3 for row in found), "of what a step has drawn itself"


def test_tokens_come_as_often_as_they_should(sampler, policy):
    draws = 4000
    rollouts = responses(sampler, SamplingPlan(draws, 1.0, 1.0, 1), questions=["5+9"])
    prompt = rollouts.prompt[:1][rollouts.prompt_mask[:1]]
    with torch.no_grad():
        expected = policy(input_ids=prompt[None]).logits[0, -1].softmax(dim=0)
    counts = torch.bincount(rollouts.tokens[:, 0], minlength=len(expected))
    spread = (draws * expected * (1 - expected)).sqrt()
    assert ((counts - draws * expected).abs() <= 4.5 * spread + 1).all()
    assert (counts > 0).sum() > 5


SHORT = ["recipe=smoke", *SIZES]


# No answer is right yet, so that rewards must differ in something else for the weights to move.
MOVING = ["train.learning_rate=1e-2", "reward.overlong={window: 28, factor: 1.0}"]


def trained(store: Path, *words: str) -> Path:
    """The folder of a training run of this process, started as the entry point starts it."""
    config = composed(["track=none", "reward=verifiable", "stages=[base,train]", f"store={store}", *words])
    stages = plan(config)
    run_stages(config, stages, ALONE)
    return stages["train"].folder


def rows(folder: Path, name: str = "metrics") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]


def test_a_stale_sampler_stops_the_run_within_the_step(tmp_path, monkeypatch):
    injected(monkeypatch, skipped, after=2)  # the pushes of the first validation and of step 1 are good
    with pytest.raises(Failure, match="16 of 16 parameters of the sampler are not the trainer's") as caught:
        trained(tmp_path, *SHORT, "rollout=vllm", *MOVING)
    assert caught.value.status == 1
    [folder] = (tmp_path / "train").iterdir()
    assert [row["step"] for row in rows(folder)] == [1], "no second step"


@pytest.mark.parametrize("objective", ["ppo_clip", "dpo"])
def test_a_gap_that_is_too_wide_stops_the_run(tmp_path, objective):
    with pytest.raises(Failure, match=r"off the trainer's by .* a token on average, above rollout.max_gap=1e-12"):
        trained(tmp_path, *SHORT, f"objective={objective}", "rollout=vllm", "rollout.max_gap=1e-12")


def test_hf_and_vllm_train_alike_through_one_loop(tmp_path, float32, monkeypatch):
    """Eight steps of the embedded run from one base: same problems and updates, each sampler's own noise."""
    steps, starts = ["train.steps=8", "train.validate_every=4"], []
    plain = VllmSampler.open

    def timed(*arguments: Any, **keys: Any) -> VllmSampler:
        start = time.perf_counter()
        made = plain(*arguments, **keys)
        starts.append(time.perf_counter() - start)
        return made

    monkeypatch.setattr(VllmSampler, "open", timed)
    folders = {name: trained(tmp_path, *steps, f"rollout={name}") for name in ("hf", "vllm")}
    curves = {name: [row["accuracy"] for row in rows(folder)] for name, folder in folders.items()}
    checks = {name: rows(folder, "validation") for name, folder in folders.items()}
    for name in curves:
        print(f"\n{name:<5} accuracy by step", *(f"{value:.2f}" for value in curves[name]))
        for how in ("greedy", "sampled"):
            print(f"{'':<5} validated, {how}", *(f"{row[how]:.3f}" for row in checks[name]))
    for row in rows(folders["vllm"]):
        told = {key: row[key] for key in row if key.startswith(("sampler/", "seconds/s"))}
        print(f"step {row['step']}:", ", ".join(f"{key} {value:.2g}" for key, value in told.items()))
        assert row["sampler/logprob_gap_max"] < 1e-4
    print("starts of the engine, in seconds:", *(f"{seconds:.1f}" for seconds in starts))
    assert len(starts) == 1
    assert abs(checks["hf"][0]["greedy"] - checks["vllm"][0]["greedy"]) <= 1 / 160, "the same weights, no noise"
    apart = [a - b for a, b in zip(curves["hf"], curves["vllm"], strict=True)]
    # 256 responses a step, each right or wrong: the standard error of a difference is at most 0.044.
    assert max(map(abs, apart)) < 0.16 and abs(mean(apart)) < 0.05
    assert abs(checks["hf"][-1]["sampled"] - checks["vllm"][-1]["sampled"]) < 0.12
