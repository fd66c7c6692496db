"""The sampler against full forward passes, transformers' own decoding, and literal loops."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from pure_repro.rollout import hf
from pure_repro.rollout.hf import SamplingPlan, cache_bytes_per_token, generate, noise, rows_at_once, sample_tokens
from pure_repro.rollout.vllm import with_positions
from pure_repro.types import Problem, Rollouts

PLAN = SamplingPlan(samples=6, temperature=1.0, top_p=1.0, max_new_tokens=40)
QUESTIONS = ["5+9", "14-7+4*2", "1+1+1+1+1+1", "22*3-4"]  # of different lengths, so that prompts are padded


def responses(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    questions: list[str] = QUESTIONS,
    plan: SamplingPlan = PLAN,
    seed: int = 0,
    step: int = 0,
) -> Rollouts:
    problems = [Problem(question, question, None) for question in questions]
    return generate(model, tokenizer, problems, [f"{q}:" for q in questions], plan, seed=seed, step=step)


def by_question(rollouts: Rollouts, questions: list[str]) -> dict[str, list[list[int]]]:
    """The token ids of every sample, without padding."""
    rows: dict[str, list[list[int]]] = {question: [] for question in questions}
    for group, tokens, mask in zip(rollouts.group.tolist(), rollouts.tokens, rollouts.mask, strict=True):
        rows[questions[group]].append(tokens[mask].tolist())
    return rows


def row_logits(model: PreTrainedModel, rollouts: Rollouts, row: int) -> Tensor:
    """Logits of the response tokens of one row, from one forward pass without padding and without a cache."""
    prompt = rollouts.prompt[row][rollouts.prompt_mask[row]]
    tokens = rollouts.tokens[row][rollouts.mask[row]]
    with torch.no_grad():
        logits = model(input_ids=torch.cat([prompt, tokens])[None], use_cache=False).logits[0]
    return logits[len(prompt) - 1 : -1]


def nucleus(probabilities: list[float], top_p: float) -> set[int]:
    """The fewest most probable tokens whose probabilities add up to ``top_p``."""
    kept: set[int] = set()
    for token in sorted(range(len(probabilities)), key=lambda i: -probabilities[i]):
        if sum(probabilities[i] for i in kept) >= top_p:
            break
        kept.add(token)
    return kept


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.7, 1.0), (1.0, 0.8), (0.0, 1.0)])
def test_logprobs_are_those_of_a_full_forward_pass(policy, tokenizer, temperature, top_p):
    rollouts = responses(policy, tokenizer, plan=replace(PLAN, temperature=temperature, top_p=top_p))
    assert temperature == 0 or len(set(rollouts.mask.sum(dim=1).tolist())) > 3
    for row in range(len(rollouts.tokens)):
        length = int(rollouts.mask[row].sum())
        logprobs = (row_logits(policy, rollouts, row) / (temperature or 1.0)).log_softmax(dim=-1)
        if top_p < 1:
            for position in range(length):
                kept = sorted(nucleus(logprobs[position].exp().tolist(), top_p))
                logprobs[position, kept] -= logprobs[position, kept].logsumexp(dim=0)
        expected = logprobs.gather(1, rollouts.tokens[row, :length, None]).squeeze(1)
        torch.testing.assert_close(rollouts.logprobs[row, :length], expected, atol=1e-4, rtol=0)
        assert (rollouts.logprobs[row, length:] == 0).all()


def test_a_response_ends_at_its_first_eos_or_at_the_limit(policy, tokenizer):
    rollouts = responses(policy, tokenizer)
    for tokens, mask, finished in zip(rollouts.tokens, rollouts.mask, rollouts.finished.tolist(), strict=True):
        length = int(mask.sum())
        assert mask[:length].all(), "a mask is a prefix"
        ends = (tokens[:length] == tokenizer.eos_token_id).nonzero().flatten().tolist()
        assert ends == ([length - 1] if finished else [])
        assert finished or length == PLAN.max_new_tokens
        assert (tokens[length:] == tokenizer.pad_token_id).all()
    assert 0 < rollouts.finished.sum() < len(rollouts.finished)


def test_dropping_finished_rows_changes_no_token(policy, tokenizer, monkeypatch):
    dropping = responses(policy, tokenizer)
    lengths = dropping.mask.sum(dim=1)
    assert (lengths < lengths.max()).float().mean() > 1 - hf.DROP_BELOW, "no row is dropped: nothing is tested"
    monkeypatch.setattr(hf, "DROP_BELOW", 0)
    kept = responses(policy, tokenizer)
    assert torch.equal(dropping.tokens, kept.tokens)
    torch.testing.assert_close(dropping.logprobs, kept.logprobs, atol=1e-5, rtol=0)


def test_batch_composition_and_order_change_no_token(policy, tokenizer, monkeypatch):
    together = by_question(responses(policy, tokenizer), QUESTIONS)
    backwards = by_question(responses(policy, tokenizer, QUESTIONS[::-1]), QUESTIONS[::-1])
    assert backwards == together
    for question in QUESTIONS:
        assert by_question(responses(policy, tokenizer, [question]), [question]) == {question: together[question]}
    monkeypatch.setattr(hf, "ROWS_AT_ONCE", 5)
    assert by_question(responses(policy, tokenizer), QUESTIONS) == together


def test_seed_and_step_decide_the_tokens(policy, tokenizer):
    first = responses(policy, tokenizer)
    assert torch.equal(first.tokens, responses(policy, tokenizer).tokens)
    for other in (responses(policy, tokenizer, seed=1), responses(policy, tokenizer, step=1)):
        assert by_question(other, QUESTIONS) != by_question(first, QUESTIONS)
    rows = by_question(first, QUESTIONS)
    assert all(len({tuple(sample) for sample in samples}) == PLAN.samples for samples in rows.values())


def test_groups_are_adjacent(policy, tokenizer):
    rollouts = responses(policy, tokenizer)
    assert rollouts.group.tolist() == [g for g in range(len(QUESTIONS)) for _ in range(PLAN.samples)]
    for row, group in enumerate(rollouts.group.tolist()):
        assert tokenizer.decode(rollouts.prompt[row][rollouts.prompt_mask[row]]) == f"{QUESTIONS[group]}:"


def test_greedy_decoding_is_that_of_transformers(policy, tokenizer):
    ours = responses(policy, tokenizer, plan=SamplingPlan(1, 0.0, 1.0, 40))
    encoded = tokenizer([f"{q}:" for q in QUESTIONS], padding=True, padding_side="left", return_tensors="pt")
    theirs = policy.generate(
        input_ids=encoded["input_ids"],
        attention_mask=encoded["attention_mask"],
        max_new_tokens=40,
        do_sample=False,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    assert torch.equal(ours.tokens, theirs[:, encoded["input_ids"].shape[1] :])


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.5, 1.0), (2.0, 0.7), (1.0, 0.05)])
def test_choose_has_the_distribution_it_claims(temperature, top_p):
    """The inverse of a cumulative distribution gives an even grid of N numbers N·p of each token, to within one."""
    draws = 20_000
    logits = torch.randn(17, generator=torch.Generator().manual_seed(3)) * 2
    grid = (torch.arange(draws, dtype=torch.float64) + 0.5) / draws
    tokens, logprobs = sample_tokens(logits.expand(draws, -1), grid.float(), temperature, top_p)
    probabilities = (logits / temperature).softmax(dim=0)
    kept = sorted(nucleus(probabilities.tolist(), top_p))
    expected = torch.zeros(17)
    expected[kept] = probabilities[kept] / probabilities[kept].sum()
    counts = torch.bincount(tokens, minlength=17)
    torch.testing.assert_close(counts.float(), expected * draws, atol=2, rtol=0)
    torch.testing.assert_close(logprobs.exp(), expected[tokens], atol=1e-5, rtol=0)


@pytest.mark.parametrize("uniform", [0.0, 1 - 2**-24])
def test_the_ends_of_the_unit_interval_never_choose_an_impossible_token(uniform):
    logits = torch.tensor([[-torch.inf, 0.0, 0.3, 0.1, -torch.inf]]).repeat(1000, 1)
    logits[:, 1:4] += torch.randn(1000, 3, generator=torch.Generator().manual_seed(0))
    tokens, logprobs = sample_tokens(logits, torch.full((1000,), uniform), 1.0, 1.0)
    assert set(tokens.tolist()) == {1 if uniform == 0 else 3}
    assert logprobs.isfinite().all()


def test_noise_is_uniform_and_its_own_for_every_sample():
    drawn = torch.from_numpy(noise(0, 0, "a", samples=200, length=500)).double()
    assert drawn.min() >= 0 and drawn.max() < 1
    assert abs(drawn.mean() - 0.5) < 0.005 and abs(drawn.var() - 1 / 12) < 0.002
    correlations = torch.corrcoef(drawn[:20])
    assert (correlations - torch.eye(20)).abs().max() < 0.25
    assert (noise(0, 0, "a", 2, 500) == noise(0, 0, "a", 200, 500)[:2]).all(), "more samples keep the first ones"


def test_an_engine_has_as_many_positions_as_it_is_asked_for(policy):
    """vLLM makes a table of the positions that the configuration names; the trainer computes as many as it needs."""
    known = policy.config.max_position_embeddings
    assert with_positions(policy.config, known + 100).max_position_embeddings == known + 100
    assert with_positions(policy.config, known - 1).max_position_embeddings == known
    assert policy.config.max_position_embeddings == known, "the policy's own stays"


def test_as_many_rows_at_once_as_have_room(policy, monkeypatch):
    """On a GPU half of what is free counts: two rows of 100 tokens."""
    assert rows_at_once(policy, 10**6) == 512, "a processor has its main memory"
    each = 100 * cache_bytes_per_token(policy.config, policy.dtype)
    monkeypatch.setattr(type(policy), "device", SimpleNamespace(type="cuda"))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (4 * each, 0))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda: each)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda: each)
    assert rows_at_once(policy, 100) == 2
    assert rows_at_once(policy, 10**6) == 1, "one at least"
