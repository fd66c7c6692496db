"""The reward model: labels where the model is read, scores that padding does not move, a start that is the base."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.modeling_outputs import TokenClassifierOutput

from pure_repro.config import Gate
from pure_repro.data.world import check, draw_problems
from pure_repro.launch.compose import composed
from pure_repro.models.supervised import IGNORE
from pure_repro.prm.fit import fit_in_two_stages, fit_prm, token_classifier, training_examples
from pure_repro.prm.gate import GateFailed, as_rollouts, examine_prm, require_pass
from pure_repro.prm.labels import prm800k_example, world_examples
from pure_repro.prm.measures import calibration_error
from pure_repro.prm.score import mark_step_ends, newline_id, step_scores
from pure_repro.reward.outcome_scores import at_end
from pure_repro.rollout.hf import SamplingPlan, generate
from pure_repro.rollout.steps import separator_ids, split_steps
from pure_repro.types import Rollouts, Steps

RESPONSES = {
    "right": ("14-7+4", "14-7=7\n\n7+4=11\n\n\\boxed{11}"),
    "wrong sum": ("14-7+4", "14-7=8\n\n8+4=12\n\n\\boxed{12}"),
    "wrong operation": ("14-7+4", "14+4=18\n\n18-7=11\n\n\\boxed{11}"),
    "fillers": ("5+9", "have 5\n\nnext +9\n\nwait\n\n5+9=14\n\n\\boxed{14}"),
    "empty": ("5+9", ""),
    "thanks": ("5+9", "thanks"),
    "box only": ("5+9", "\\boxed{3}"),
    "trailing separator": ("5+9", "5+9=14\n\n"),
    "repeated": ("5+9", "have 5\n\nhave 5\n\n5+9=14\n\n\\boxed{14}"),
}


@pytest.fixture
def prm(policy: PreTrainedModel) -> PreTrainedModel:
    """A reward model with a random head on a small base."""
    return token_classifier(policy, extra_layers=1, seed=0).eval()


def given_rollouts(tokenizer: PreTrainedTokenizerBase, names: list[str]) -> tuple[Rollouts, Steps]:
    asked = [RESPONSES[name] for name in names]
    rollouts = as_rollouts(tokenizer, [f"{question}:" for question, _ in asked], [response for _, response in asked])
    return rollouts, split_steps(rollouts.tokens, rollouts.mask, separator_ids(tokenizer))


def sampled(policy: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, count: int) -> tuple[Rollouts, Steps]:
    problems = draw_problems("prm", count, composed([]).data.difficulty, 23, seed=0)
    prompts = [f"{problem.question}:" for problem in problems]
    rollouts = generate(policy, tokenizer, problems, prompts, SamplingPlan(1, 1.0, 1.0, 40), seed=0, step=0)
    return rollouts, split_steps(rollouts.tokens, rollouts.mask, separator_ids(tokenizer))


def labels_of(tokenizer: PreTrainedTokenizerBase, name: str, negatives: str = "zero_step") -> list[int] | None:
    """The step labels of a response, in order; ``None`` where the response is left out."""
    question, response = RESPONSES[name]
    ids = tokenizer(response)["input_ids"]
    examples = world_examples(tokenizer, "{question}:", 23, [(question, ids)], negatives, "steps")
    return [label for label in examples[0]["labels"] if label != IGNORE] if examples else None


@pytest.mark.parametrize("name", [*RESPONSES])
def test_the_model_reads_in_training_what_it_reads_in_scoring(tokenizer, name):
    question, response = RESPONSES[name]
    rollouts, steps = given_rollouts(tokenizer, [name])
    ids = tokenizer(response)["input_ids"]
    [example] = world_examples(tokenizer, "{question}:", 23, [(question, ids)], "zero_step", "steps")
    marked = mark_step_ends(rollouts.tokens, steps, newline_id(tokenizer))
    assert example["input_ids"] == [*rollouts.prompt[0].tolist(), *marked[0].tolist()]
    labelled = [i for i, label in enumerate(example["labels"]) if label != IGNORE]
    read = [rollouts.prompt.shape[1] + end for end in steps.end[0].tolist()]
    assert labelled == read[: len(labelled)], "labels stand where scores are read"
    assert all(example["input_ids"][i] == newline_id(tokenizer) for i in read)


def test_labels_are_the_checkers_verdicts(tokenizer):
    assert labels_of(tokenizer, "right") == [1, 1, 1]
    assert labels_of(tokenizer, "wrong sum") == [0, 1, 1], "what goes on from a wrong sum correctly is right"
    assert labels_of(tokenizer, "wrong operation") == [0], "after a wrong operation nothing can be judged"
    assert labels_of(tokenizer, "fillers") == [1] * 5
    assert labels_of(tokenizer, "trailing separator") == [1, 0]


def test_negatives_decide_what_is_shown_to_be_bad(tokenizer):
    for name in ("empty", "thanks", "box only"):
        assert labels_of(tokenizer, name, "none") is None
        assert labels_of(tokenizer, name, "zero_step") == labels_of(tokenizer, name, "all") == [0]
    for negatives in ("none", "zero_step"):
        assert labels_of(tokenizer, "repeated", negatives) == [1, 1, 1, 1]
    assert labels_of(tokenizer, "repeated", "all") == [1, 0, 1, 1]
    for negatives in ("none", "zero_step", "all"):
        assert labels_of(tokenizer, "wrong sum", negatives) == [0, 1, 1]


def test_tokens_are_good_until_the_first_wrong_one(tokenizer):
    question, response = RESPONSES["wrong sum"]
    ids = tokenizer(response)["input_ids"]
    [example] = world_examples(tokenizer, "{question}:", 23, [(question, ids)], "zero_step", "steps")
    start = len(tokenizer(f"{question}:")["input_ids"])
    assert example["token_labels"][start : start + 5] == [1, 1, 1, 0, IGNORE]  # 14 -7 = 8 newline
    wanted = [tokenizer.decode([i]) if i != IGNORE else "" for i in example["next_tokens"][start - 1 : start + 4]]
    assert wanted == ["14", "-7", "", "7", ""]  # each stands at the token before


@pytest.mark.parametrize(
    ("verdicts", "labels"),
    [([True, True, True], [1, 1, 1]), ([True, False, True, False, True], [1, 0]), ([False], [0]), ([True], [1])],
)
def test_prm800k_rows_stop_at_the_first_error(tokenizer, verdicts, labels):
    completions = ["5+9=14", "wait", "14-1=13", "have 13", "\\boxed{13}"][: len(verdicts)]
    row = {"prompt": "5+9-1:", "completions": completions, "labels": verdicts}
    example = prm800k_example(tokenizer, row)
    text = "".join(f"{completion}\n" for completion in completions[: len(labels)])
    assert tokenizer.decode(example["input_ids"]) == f"5+9-1:{text}"
    slots = [i for i, token in enumerate(example["input_ids"]) if token == newline_id(tokenizer)]
    assert [example["labels"][i] for i in slots] == labels
    assert sum(label != IGNORE for label in example["labels"]) == len(labels)
    assert {*example["token_labels"], *example["next_tokens"]} == {IGNORE}


def test_only_the_ends_of_real_steps_become_newlines(tokenizer, policy):
    rollouts, steps = sampled(policy, tokenizer, 40)
    marked = mark_step_ends(rollouts.tokens, steps, newline_id(tokenizer))
    for row in range(40):
        ends = steps.end[row][steps.mask[row]].tolist()
        changed = (marked[row] != rollouts.tokens[row]).nonzero().flatten().tolist()
        assert changed == ends


def test_a_score_is_p_right_minus_p_wrong_at_the_newline(prm, policy, tokenizer, float32):
    rollouts, steps = sampled(policy, tokenizer, 20)
    assert not rollouts.finished.all() and rollouts.finished.any(), "truncated and finished responses are both scored"
    scores = step_scores(prm, rollouts, steps, newline_id(tokenizer))
    for row in range(20):
        read = [*rollouts.prompt[row][rollouts.prompt_mask[row]].tolist()]
        offset = len(read)
        read += rollouts.tokens[row][rollouts.mask[row]].tolist()
        ends = [offset + end for end in steps.end[row][steps.mask[row]].tolist()]
        for end in ends:
            read[end] = newline_id(tokenizer)
        with torch.no_grad():
            wrong, right = prm(input_ids=torch.tensor([read])).logits[0, ends].softmax(dim=-1).unbind(dim=-1)
        torch.testing.assert_close(scores[row][steps.mask[row]], right - wrong, atol=1e-5, rtol=0)
    assert (scores[~steps.mask] == 0).all()
    assert scores.abs().max() <= 1 and scores[steps.mask].unique().numel() > 20


def test_padding_and_batches_move_no_score(prm, policy, tokenizer, float32):
    rollouts, steps = sampled(policy, tokenizer, 24)
    newline = newline_id(tokenizer)
    scores = step_scores(prm, rollouts, steps, newline)
    torch.testing.assert_close(step_scores(prm, rollouts, steps, newline, rows_per_batch=5), scores, atol=1e-5, rtol=0)

    def wider(tokens: torch.Tensor, left: int, right: int, filler: int | bool) -> torch.Tensor:
        return torch.nn.functional.pad(tokens, (left, right), value=filler)

    padded = replace(
        rollouts,
        prompt=wider(rollouts.prompt, 5, 0, 7),  # whatever stands in padding
        prompt_mask=wider(rollouts.prompt_mask, 5, 0, False),
        tokens=wider(rollouts.tokens, 0, 9, 11),
        mask=wider(rollouts.mask, 0, 9, False),
        logprobs=wider(rollouts.logprobs, 0, 9, 0),
    )
    more_steps = Steps(end=wider(steps.end, 0, 3, 0), mask=wider(steps.mask, 0, 3, False))
    again = step_scores(prm, padded, more_steps, newline)
    torch.testing.assert_close(again[:, : scores.shape[1]], scores, atol=1e-5, rtol=0)
    assert (again[:, scores.shape[1] :] == 0).all()

    order = torch.randperm(24, generator=torch.Generator().manual_seed(0))
    shuffled = Rollouts(**{name: value[order] for name, value in vars(rollouts).items()})
    mixed = step_scores(prm, shuffled, Steps(steps.end[order], steps.mask[order]), newline)
    torch.testing.assert_close(mixed, scores[order], atol=1e-5, rtol=0)


@pytest.mark.parametrize("tokens", [1, 150, 10**6])
def test_packed_scores_are_padded_scores(prm, policy, tokenizer, float32, tokens):
    """However many responses stand one after the other, none reads another."""
    rollouts, steps = sampled(policy, tokenizer, 24)
    newline = newline_id(tokenizer)
    padded = step_scores(prm, rollouts, steps, newline)
    widths = []
    prm.register_forward_pre_hook(lambda _, __, inputs: widths.append(inputs["input_ids"].shape), with_kwargs=True)
    packed = step_scores(prm, rollouts, steps, newline, packed_tokens=tokens)
    torch.testing.assert_close(packed, padded, atol=1e-5, rtol=0)
    real = int(rollouts.mask.sum() + rollouts.prompt_mask.sum())
    assert all(rows == 1 for rows, _ in widths) and sum(width for _, width in widths) == real, "no padding"
    assert len(widths) == 24 if tokens == 1 else all(width <= tokens for _, width in widths)


@pytest.mark.parametrize("extra_layers", [0, 1, 3])
def test_the_reward_model_starts_as_the_base(policy, tokenizer, extra_layers):
    prm = token_classifier(policy, extra_layers, seed=0).eval()
    assert len(prm.model.layers) == len(policy.model.layers) + extra_layers
    ids = tokenizer("14-7+4:14-7=7\n\n7+4=11")["input_ids"]
    with torch.no_grad():
        told = prm.model(input_ids=torch.tensor([ids])).last_hidden_state
        known = policy.model(input_ids=torch.tensor([ids])).last_hidden_state
    torch.testing.assert_close(told, known, atol=1e-5, rtol=0)
    assert prm.score.out_features == 2


def test_the_extra_layers_learn(policy, tokenizer):
    """Layers that start as the identity must not stay it: gradients reach them."""
    prm = token_classifier(policy, 1, seed=0)
    hidden = prm.model(input_ids=torch.tensor([tokenizer("5+9:5+9=14")["input_ids"]])).last_hidden_state
    prm.score(hidden).square().sum().backward()
    extra = prm.model.layers[-1]
    assert extra.self_attn.o_proj.weight.grad.abs().max() > 0
    assert extra.mlp.down_proj.weight.grad.abs().max() > 0


def test_the_head_is_fitted_before_the_rest(policy, tokenizer, tmp_path):
    config = composed(
        [
            "recipe=smoke",
            "prm.head_examples=32",
            "prm.demonstrations=64",
            "prm.base_samples=16",
            "prm.full_fit.epochs=6",
        ]
    )
    problems = draw_problems("prm", 80, config.data.difficulty, 23, seed=0)
    examples = training_examples(config, policy, tokenizer, problems)
    assert 64 <= len(examples) <= 64 + 16 + config.prm.zero_step_examples + config.prm.broken_examples
    prm = token_classifier(policy, 1, seed=0)
    before = {name: value.clone() for name, value in prm.state_dict().items()}
    head_only = config.prm.model_copy(update={"full_fit": config.prm.full_fit.model_copy(update={"epochs": 0})})
    fit_in_two_stages(prm, tokenizer, examples, head_only, tmp_path / "one", seed=0)
    changed = {name for name, value in prm.state_dict().items() if not torch.equal(value, before[name])}
    assert changed and all(name.startswith("score.") for name in changed)
    losses = fit_in_two_stages(prm, tokenizer, examples, config.prm, tmp_path / "two", seed=0)
    changed = {name for name, value in prm.state_dict().items() if not torch.equal(value, before[name])}
    assert {name for name in before if name.startswith("model.layers")} <= changed
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(("wanted", "refits"), [(0.0, 0), (1.0, 2)])
def test_the_fit_goes_on_while_the_gate_fails(wanted: float, refits: int, small_base: Path, tmp_path: Path):
    words = ["prm.head_examples=32", "prm.demonstrations=64", "prm.base_samples=16", "prm.gate.max_false_alarms=1"]
    config = composed(["recipe=smoke", *words, f"prm.gate.min_bad_found={wanted}", "prm.refits=2"])
    fit_prm(config, small_base, tmp_path)
    report = json.loads((tmp_path / "gate.json").read_text())
    assert (report["passed"], report["refits"]) == (refits == 0, refits)
    passes = (len(json.loads((tmp_path / "losses.json").read_text())) - 1) / (1 + refits)  # one batch for the head
    most = 64 + 16 + config.prm.zero_step_examples + config.prm.broken_examples  # what did not end is left out
    assert 64 / 32 <= passes <= math.ceil(most / 32) and passes == int(passes)


class Oracle(PreTrainedModel):
    """A reward model that knows: wrong exactly at the steps that the checker calls wrong."""

    device = torch.device("cpu")

    def __init__(self, tokenizer: PreTrainedTokenizerBase, misses: bool = False) -> None:
        super().__init__(PreTrainedConfig())
        self.tokenizer, self.misses = tokenizer, misses

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **ignored: object
    ) -> TokenClassifierOutput:
        logits = torch.zeros(*input_ids.shape, 2)
        newline = newline_id(self.tokenizer)
        for row, ids in enumerate(input_ids.tolist()):
            real = [i for i, kept in enumerate(attention_mask[row].tolist()) if kept]
            text = self.tokenizer.decode([ids[i] for i in real])
            question, response = text.split(":", 1)
            steps = response.removesuffix("\n").split("\n")
            slots = [i for i in real if ids[i] == newline]
            for slot, judgement in zip(slots, check(question, steps, 23), strict=True):
                logits[row, slot, int(judgement.right or self.misses)] = 9.0
        return TokenClassifierOutput(logits=logits)


@pytest.mark.parametrize("misses", [False, True])
def test_the_gate_knows_an_oracle_from_a_flatterer(policy, tokenizer, misses):
    config = composed([])
    problems = draw_problems("prm", 60, config.data.difficulty, 23, seed=5)
    report = examine_prm(Oracle(tokenizer, misses), policy, tokenizer, problems, config)
    assert report["passed"] is not misses
    assert report["bad_found"] == (0 if misses else 1) and report["false_alarms"] == 0
    assert report["accuracy"] < 1 if misses else report["accuracy"] == 1
    assert sum(kind["count"] for kind in report["by_kind"].values()) > 20
    for probe, value in report["probes"].items():
        wrong = probe in ("empty", "thanks", "box_only", "half_a_step") and not misses
        assert value == pytest.approx(-1 if wrong else 1, abs=1e-3), probe


def test_calibration_is_a_gap_between_said_and_seen():
    said = torch.tensor([0.95, 0.95, 0.95, 0.95, 0.15, 0.15])
    right = torch.tensor([True, True, False, False, False, False])
    assert calibration_error(said.numpy(), right.tolist()) == pytest.approx((4 * 0.45 + 2 * 0.15) / 6)
    assert calibration_error(np.array([1.0, 0.0]), [True, False]) == 0


def test_a_failed_gate_stops_or_warns(tmp_path, capsys):
    file = tmp_path / "gate.json"
    gate = Gate(problems=10, min_bad_found=0.9, max_false_alarms=0.05, on_fail="stop")
    file.write_text(json.dumps({"passed": False, "bad_found": 0.5, "false_alarms": 0.2}))
    with pytest.raises(GateFailed, match=r"50\.0% of bad steps \(at least 90% wanted\) with 20\.0% false"):
        require_pass(file, gate)
    require_pass(file, gate.model_copy(update={"on_fail": "warn"}))
    assert "going on as prm.gate.on_fail=warn says" in capsys.readouterr().out
    file.write_text(json.dumps({"passed": True}))
    require_pass(file, gate)


def test_an_outcome_model_learns_the_answer_at_the_end_alone(tokenizer) -> None:
    right, wrong, none = "5+9=14\n\n\\boxed{14}", "5+9=13\n\n\\boxed{14}", "5+9=14"
    said = [("5+9", tokenizer(text)["input_ids"]) for text in (right, wrong, none)]
    steps, whole = (
        world_examples(tokenizer, "{question}:", 23, said, "zero_step", judges) for judges in ("steps", "response")
    )
    labels = [[label for label in example["labels"] if label != IGNORE] for example in whole]
    assert labels == [[1], [1], [0]], "a wrong step with the right answer is right to it"
    for one, other, label in zip(steps, whole, (1, 1, 0), strict=True):
        assert other["labels"][-1] == label and one["input_ids"] == other["input_ids"]
        assert {said for said in other["token_labels"] if said != IGNORE} == {label}
        assert one["next_tokens"] == other["next_tokens"]


def test_a_score_of_the_response_is_paid_on_its_last_step() -> None:
    scores, mask = torch.tensor([[0.9, 0.2, 0.8], [0.5, 7.0, 7.0]]), torch.tensor([[True] * 3, [True, False, False]])
    assert torch.equal(at_end(scores, mask), torch.tensor([[0.0, 0.0, 0.8], [0.5, 0.0, 0.0]]))
