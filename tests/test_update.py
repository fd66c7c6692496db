"""One update of the policy, against gradients computed in one piece and written out."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from pure_repro.config import Kl, Objective, Train
from pure_repro.data.world import draw_problems
from pure_repro.launch.compose import composed
from pure_repro.models import head
from pure_repro.models.batches import microbatches, total_lengths
from pure_repro.models.engine_local import LocalEngine
from pure_repro.models.head import install_target_head
from pure_repro.models.logprobs import all_logprobs, token_logprobs
from pure_repro.models.optimize import own_microbatches
from pure_repro.models.ranks import ALONE, Ranks
from pure_repro.rollout.hf import SamplingPlan, generate
from pure_repro.train.update import update
from pure_repro.types import Rollouts

CONFIG = composed([])
BATCH, LIMIT = 12, 40
CLIP = CONFIG.objective.clip


@pytest.fixture
def rollouts(policy, tokenizer, float32) -> Rollouts:
    """Responses of unequal length to prompts of unequal length."""
    problems = draw_problems("rl", 4, CONFIG.data.difficulty, 23, seed=0)
    prompts = [f"{problem.question}:" for problem in problems]
    made = generate(policy, tokenizer, problems, prompts, SamplingPlan(3, 1.0, 1.0, LIMIT), seed=2, step=0)
    lengths = made.mask.sum(dim=1)
    assert lengths.max() > 2 * lengths.min() and not made.prompt_mask.all()
    return made


@pytest.fixture
def advantages(rollouts) -> Tensor:
    return torch.randn(rollouts.tokens.shape, generator=torch.Generator().manual_seed(1)) * rollouts.mask


def settings(**changes: object) -> Train:
    """One update of plain gradient descent, unclipped, unless changed."""
    plain = {"rollouts_per_update": BATCH, "tokens_per_microbatch": 10**6, "max_grad_norm": 1e9}
    return CONFIG.train.model_copy(update=plain | changes)


def objective(aggregation: str = "token_mean", estimator: str = "k3", beta: float = 0.0) -> Objective:
    kl = Kl(estimator=estimator, beta=beta, where="loss", clamp=None)
    return CONFIG.objective.model_copy(update={"aggregation": aggregation, "kl": kl})


def changed(
    policy: PreTrainedModel,
    rollouts: Rollouts,
    advantages: Tensor,
    train: Train,
    aim: Objective,
    reference: Tensor | None = None,
    temperature: float = 1.0,
    rate: float = 1.0,
) -> tuple[Tensor, dict[str, float]]:
    """How the weights of a copy move under ``update`` with gradient descent, and what it reports."""
    model = copy.deepcopy(policy)
    engine = LocalEngine(model, torch.optim.SGD(model.parameters(), lr=rate), train.max_grad_norm, ALONE)
    several = train.rollouts_per_update < len(advantages)
    old = all_logprobs(model, rollouts, temperature, train.tokens_per_microbatch) if several else None
    report = update(engine, rollouts, advantages, old, reference, aim, train, temperature=temperature, max_tokens=LIMIT)
    return weights(model) - weights(policy), report


def weights(model: PreTrainedModel) -> Tensor:
    return torch.nn.utils.parameters_to_vector(model.parameters()).detach()


def logprobs_of(model: PreTrainedModel, rollouts: Rollouts, row: int, temperature: float = 1.0) -> Tensor:
    """Log-probabilities of one response, by itself."""
    prompt = rollouts.prompt[row][rollouts.prompt_mask[row]]
    tokens = rollouts.tokens[row][rollouts.mask[row]]
    logits = model(input_ids=torch.cat([prompt, tokens])[None], use_cache=False).logits[0, len(prompt) - 1 : -1]
    return (logits / temperature).log_softmax(dim=-1).gather(1, tokens[:, None]).squeeze(1)


def weight(aggregation: str, lengths: list[int], row: int) -> float:
    """What a token of a response counts."""
    return {
        "token_mean": 1 / sum(lengths),
        "sequence_mean": 1 / (len(lengths) * lengths[row]),
        "constant": 1 / (len(lengths) * LIMIT),
    }[aggregation]


def descent(policy: PreTrainedModel, loss: Tensor, rate: float = 1.0) -> Tensor:
    """The step of plain gradient descent on a loss."""
    gradients = torch.autograd.grad(loss, list(policy.parameters()))
    return -rate * torch.cat([gradient.flatten() for gradient in gradients])


def same(a: Tensor, b: Tensor) -> None:
    """Equal as far as float32 sums in another order are."""
    assert b.norm() > 1e-4, "nothing moved: nothing is tested"
    assert (a - b).norm() < 1e-4 * b.norm(), f"{(a - b).norm() / b.norm():.1e} apart"


@pytest.mark.parametrize("aggregation", ["token_mean", "sequence_mean", "constant"])
def test_gradient_is_that_of_the_loss_written_out(policy, rollouts, advantages, aggregation):
    step, report = changed(policy, rollouts, advantages, settings(), objective(aggregation))
    lengths = rollouts.mask.sum(dim=1).tolist()
    loss = torch.zeros(())
    for row, length in enumerate(lengths):
        logprobs = logprobs_of(policy, rollouts, row)
        ratio = (logprobs - logprobs.detach()).exp()
        loss = loss - weight(aggregation, lengths, row) * (ratio * advantages[row, :length]).sum()
    same(step, descent(policy, loss))
    assert report["policy/loss"] == pytest.approx(loss.item(), abs=1e-5)
    assert report["policy/ratio"] == pytest.approx(1) and report["policy/clipped"] == 0
    assert report["policy/grad_norm"] == pytest.approx(step.norm().item(), rel=1e-4)


@pytest.mark.parametrize("aggregation", ["token_mean", "sequence_mean", "constant"])
@pytest.mark.parametrize("tokens", [1, 100, 250])
def test_microbatches_add_up_to_the_batch(policy, rollouts, advantages, aggregation, tokens):
    reference = all_logprobs(policy, rollouts, 1.0, 10**6) - 0.3
    aim = objective(aggregation, beta=0.1)
    whole, one = changed(policy, rollouts, advantages, settings(), aim, reference)
    parts, many = changed(policy, rollouts, advantages, settings(tokens_per_microbatch=tokens), aim, reference)
    same(parts, whole)
    assert many == pytest.approx(one, abs=1e-5)


def test_padding_moves_nothing(policy, rollouts, advantages):
    """Whatever stands in masked slots, and however many there are."""
    whole, report = changed(policy, rollouts, advantages, settings(), objective("sequence_mean"))
    wider = torch.nn.functional.pad
    padded = replace(
        rollouts,
        tokens=wider(rollouts.tokens.where(rollouts.mask, torch.tensor(17)), (0, 6), value=5),
        mask=wider(rollouts.mask, (0, 6)),
        logprobs=wider(rollouts.logprobs, (0, 6), value=3.0),
    )
    noisy = wider(advantages.where(rollouts.mask, torch.tensor(7.0)), (0, 6), value=9.0)
    step, again = changed(policy, padded, noisy, settings(tokens_per_microbatch=200), objective("sequence_mean"))
    same(step, whole)
    assert again == pytest.approx(report, abs=1e-5)


@pytest.mark.parametrize("estimator", ["k1", "k2", "k3"])
def test_divergence_in_the_loss(policy, rollouts, advantages, estimator):
    base = copy.deepcopy(policy)
    with torch.no_grad():
        for values in base.parameters():
            values.mul_(1.1)
    reference, beta = all_logprobs(base, rollouts, 1.0, 10**6), 0.7
    step, report = changed(
        policy, rollouts, advantages, settings(), objective(estimator=estimator, beta=beta), reference
    )
    lengths, loss = rollouts.mask.sum(dim=1).tolist(), torch.zeros(())
    for row, length in enumerate(lengths):
        logprobs = logprobs_of(policy, rollouts, row)
        gap = logprobs - logprobs_of(base, rollouts, row).detach()
        kl = {"k1": gap, "k2": gap**2 / 2, "k3": (-gap).exp() - 1 + gap}[estimator]
        ratio = (logprobs - logprobs.detach()).exp()
        loss = loss + (beta * kl - ratio * advantages[row, :length]).sum() / sum(lengths)
    same(step, descent(policy, loss))
    assert report["policy/loss"] == pytest.approx(loss.item(), abs=1e-4)
    without, _ = changed(policy, rollouts, advantages, settings(), objective(estimator=estimator))
    assert (step - without).norm() > 0.1 * without.norm(), "the penalty must be felt"


def test_several_updates_keep_the_policy_that_sampled_as_the_old_one(policy, rollouts, advantages):
    rate, half = 0.5, BATCH // 2
    train = settings(rollouts_per_update=half, tokens_per_microbatch=300)
    step, report = changed(policy, rollouts, advantages, train, objective("sequence_mean"), rate=rate)

    model = copy.deepcopy(policy)
    old = [logprobs_of(policy, rollouts, row).detach() for row in range(BATCH)]
    clipped = 0.0
    for start in (0, half):
        rows = range(start, start + half)
        lengths = [int(rollouts.mask[row].sum()) for row in rows]
        loss = torch.zeros(())
        for row, length in zip(rows, lengths, strict=True):
            ratio, gain = (logprobs_of(model, rollouts, row) - old[row]).exp(), advantages[row, :length]
            outside = ((ratio > 1 + CLIP) & (gain > 0)) | ((ratio < 1 - CLIP) & (gain < 0))
            kept = torch.where(outside, ratio.clamp(1 - CLIP, 1 + CLIP), ratio)
            loss = loss - (kept * gain).sum() / (half * length)
            clipped += (((ratio - 1).abs() > CLIP).sum() / sum(lengths) / 2).item()
        move = descent(model, loss, rate)
        torch.nn.utils.vector_to_parameters(weights(model) + move, model.parameters())
    same(step, weights(model) - weights(policy))
    assert report["policy/clipped"] == pytest.approx(clipped, abs=1e-3) and clipped > 0.05
    assert report["policy/ratio"] != pytest.approx(1, abs=1e-3)


def test_a_token_the_sampler_found_likelier_counts_less(policy, rollouts, advantages):
    """With a cap, losses are weighted by min(π/μ, cap); the gap to the sampler's log-probabilities is told anyhow."""
    own = all_logprobs(policy, rollouts, 1.0, 10**6)
    apart = torch.randn(own.shape, generator=torch.Generator().manual_seed(2)) * rollouts.mask
    drawn = replace(rollouts, logprobs=own - apart)
    weighted = changed(policy, rollouts, advantages * apart.exp().clamp(max=1.5), settings(), objective())[0]
    corrected = objective().model_copy(update={"importance_cap": 1.5})
    move, report = changed(policy, drawn, advantages, settings(), corrected)
    torch.testing.assert_close(move, weighted, atol=1e-6, rtol=1e-3)
    assert report["sampler/logprob_gap_mean"] == pytest.approx(apart[rollouts.mask].abs().mean().item(), rel=1e-2)
    assert report["sampler/logprob_gap_max"] == pytest.approx(apart.abs().max().item(), rel=1e-2)


def test_clipping_of_the_gradient(policy, rollouts, advantages):
    free, report = changed(policy, rollouts, advantages, settings(), objective())
    short, again = changed(policy, rollouts, advantages, settings(max_grad_norm=0.01), objective())
    assert short.norm().item() == pytest.approx(0.01, rel=1e-3)
    assert torch.nn.functional.cosine_similarity(short, free, dim=0) > 0.9999
    assert again["policy/grad_norm"] == pytest.approx(report["policy/grad_norm"]), "the norm before clipping"


@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_logprobs_are_those_of_the_sampler(policy, tokenizer, temperature, float32):
    """In training the policy sees each token as likely as it was when sampled: prompts, positions and shift agree."""
    problems = draw_problems("rl", 6, CONFIG.data.difficulty, 23, seed=0)
    prompts = [f"{problem.question}:" for problem in problems]
    made = generate(policy, tokenizer, problems, prompts, SamplingPlan(2, temperature, 1.0, LIMIT), seed=0, step=0)
    again = all_logprobs(policy, made, temperature, tokens_per_microbatch=150)
    torch.testing.assert_close(again, made.logprobs, atol=1e-4, rtol=0)


def test_microbatches_hold_every_row_once_within_the_budget():
    lengths = torch.randint(1, 60, (50,), generator=torch.Generator().manual_seed(0))
    for budget in (1, 60, 200, 10**6):
        parts = [rows.tolist() for rows in microbatches(lengths, budget)]
        assert sorted(row for rows in parts for row in rows) == list(range(50))
        assert all(len(rows) == 1 or len(rows) * int(lengths[rows].max()) <= budget for rows in parts)


@pytest.mark.parametrize("size", [1, 2, 4, 16])
@pytest.mark.parametrize("count", [48, 17, 3, 1])
def test_ranks_deal_out_every_row_in_as_many_microbatches(size, count):
    lengths = torch.randint(1, 60, (count,), generator=torch.Generator().manual_seed(0))
    for budget in (1, 60, 200, 10**6):
        ranks = [own_microbatches(lengths, budget, Ranks(number, size)) for number in range(size)]
        assert len({len(batches) for batches in ranks}) == 1
        dealt = [batch for batches in ranks for batch in batches]
        assert sorted(int(row) for rows, counts in dealt for row in rows if counts) == list(range(count))
        assert {counts for _, counts in dealt} <= ({1.0} if count % size == 0 else {1.0, 0.0})
        assert sum(counts == 0 for _, counts in dealt) < size
        for rows, _ in dealt:
            assert len(rows) and (len(rows) == 1 or len(rows) * int(lengths[rows].max()) <= budget)


def test_one_process_trains_float32_weights(policy):
    engine = LocalEngine.open(policy.bfloat16(), CONFIG.train.model_copy(update={"beta1": 0.8}), ALONE)
    assert {one.dtype for one in engine.policy.parameters()} == {torch.float32}
    assert engine.optimizer.param_groups[0]["betas"] == (0.8, CONFIG.train.beta2)
    assert engine.optimizer.param_groups[0]["params"][0] is next(engine.policy.parameters())


def test_checkpointing_moves_no_gradient(policy, rollouts, advantages):
    plain, _ = changed(policy, rollouts, advantages, settings(), objective())
    policy.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    forwards = 0

    def count(*_: object) -> None:
        nonlocal forwards
        forwards += 1

    policy.model.layers[0].mlp.register_forward_pre_hook(count)
    again, _ = changed(policy, rollouts, advantages, settings(gradient_checkpointing=True), objective())
    same(again, plain)
    assert forwards == 2, "the layer runs again in the backward pass"


def scored(
    policy: PreTrainedModel, rollouts: Rollouts, attention: str, packing: bool, chunked: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Log-probabilities, entropies, and the gradient of a random sum of the former."""
    model = copy.deepcopy(policy)
    model.set_attn_implementation(attention)
    if chunked:
        install_target_head(model)
    logprobs, entropies = token_logprobs(model, rollouts, torch.arange(BATCH), 0.7, packing=packing)
    mask = rollouts.mask[:, : logprobs.shape[1]]
    gains = torch.randn(mask.shape, generator=torch.Generator().manual_seed(5)) * mask
    (logprobs * gains).sum().backward()
    gradient = torch.cat([values.grad.flatten() for values in model.parameters()])
    return logprobs.detach() * mask, entropies.detach() * mask, gradient


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize(("packing", "chunked"), [(True, False), (False, True), (True, True)])
def test_packed_and_chunked_are_padded_and_whole(policy, rollouts, monkeypatch, attention, packing, chunked):
    monkeypatch.setattr(head, "LOGITS_AT_ONCE", 1000)  # of a small vocabulary: some twenty tokens, and a rest
    whole = scored(policy, rollouts, "eager", packing=False, chunked=False)
    for now, then in zip(scored(policy, rollouts, attention, packing, chunked), whole, strict=True):
        same(now, then)


def test_packing_fills_its_budget_with_real_tokens(rollouts):
    lengths = total_lengths(rollouts, packing=True)
    assert lengths.tolist() == (rollouts.prompt_mask.sum(dim=1) + rollouts.mask.sum(dim=1)).tolist()
    parts = [rows.tolist() for rows in microbatches(lengths, 100, packing=True)]
    assert sorted(row for rows in parts for row in rows) == list(range(BATCH))
    assert all(int(lengths[rows].sum()) <= 100 for rows in parts)
    everything = int(lengths.sum())
    assert len([*microbatches(lengths, everything, packing=True)]) == 1
    assert len([*microbatches(total_lengths(rollouts), everything)]) > 1, "padding takes more"


def test_reported_entropy_is_the_mean_over_tokens(policy, rollouts, advantages):
    _, report = changed(policy, rollouts, advantages, settings(tokens_per_microbatch=150), objective())
    total = 0.0
    for row in range(BATCH):
        prompt = rollouts.prompt[row][rollouts.prompt_mask[row]]
        tokens = rollouts.tokens[row][rollouts.mask[row]]
        with torch.no_grad():
            logits = policy(input_ids=torch.cat([prompt, tokens])[None]).logits[0, len(prompt) - 1 : -1]
        total -= (logits.softmax(dim=-1) * logits.log_softmax(dim=-1)).sum().item()
    assert report["policy/entropy"] == pytest.approx(total / int(rollouts.mask.sum()), rel=1e-4)
