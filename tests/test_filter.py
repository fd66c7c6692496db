"""Prompt filters by hand, and how draws of problems fill a step."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pure_repro.config import Config
from pure_repro.filter import prompt_filter
from pure_repro.launch.compose import composed
from pure_repro.models.checkpoint import Progress
from pure_repro.models.clock import Clock
from pure_repro.models.context import Context
from pure_repro.models.ranks import ALONE
from pure_repro.reward.verifiable import Verifiable
from pure_repro.train.experience import fill_batch, needs_more, passes
from pure_repro.types import Batch, Outcomes, Problem, Rollouts, Steps, Stream

SAMPLES = 4


def config(*words: str) -> Config:
    """Two prompts a step, four samples of each."""
    sizes = ("train.prompts_per_step=2", f"train.samples_per_prompt={SAMPLES}", "train.rollouts_per_update=8")
    return composed(["recipe=smoke", "reward=mixed", "advantage=rloo", *sizes, *words])


DIFFERING = config("filter=differing", "filter.max_rounds=3")


def draw(right: dict[str, int], length: int = 3, unknown: str = "", paid: bool = True) -> Batch:
    """A draw of problems with so many right responses each; problem, length and place are written into the tokens."""
    batch = len(right) * SAMPLES
    group = torch.arange(len(right)).repeat_interleave(SAMPLES)
    names = torch.tensor([ord(name) for name in right])
    mask = torch.ones(batch, length, dtype=torch.bool)
    outcome = [float(i < count) for count in right.values() for i in range(SAMPLES)]
    known = torch.tensor([name not in unknown for name in right]).repeat_interleave(SAMPLES)
    everybody = torch.ones(batch, dtype=torch.bool)
    steps = Steps(end=torch.full((batch, 1), length - 1), mask=torch.ones(batch, 1, dtype=torch.bool))
    return Batch(
        problems=[Problem(name, "1+1", "2") for name in right],
        rollouts=Rollouts(
            prompt=names[group][:, None],
            prompt_mask=torch.ones(batch, 1, dtype=torch.bool),
            tokens=names[group][:, None].expand(batch, length).clone(),
            mask=mask,
            logprobs=torch.zeros(batch, length),
            finished=everybody,
            group=group,
            stale=torch.zeros(batch, dtype=torch.long),
        ),
        steps=steps,
        responses=[name for name in right for _ in range(SAMPLES)],
        verdicts=["correct" if one else "wrong" for one in outcome],
        kept=everybody,
        streams={"process": Stream(names[group][:, None].float(), steps, everybody, 1.0, credited=True)},
        outcomes=Outcomes(torch.tensor(outcome), known) if paid else None,
        metrics={"judge/asked": 1.0},
    )


@pytest.mark.parametrize(
    ("name", "keys", "kept"),
    [
        ("none", {}, [0, 1, 2, 3, 4]),
        ("differing", {}, [1, 2, 3]),
        ("accuracy_band", {"low": 0.2, "high": 0.8}, [1, 2, 3]),
        ("accuracy_band", {"low": 0.25, "high": 0.5}, [1, 2]),
        ("accuracy_band", {"low": 0.0, "high": 1.0}, [0, 1, 2, 3, 4]),
    ],
)
def test_filters_by_hand(name, keys, kept):
    """Groups of four with none to four right, interleaved."""
    outcome = torch.tensor([float(i < right) for i in range(4) for right in range(5)])
    group = torch.tensor([10 * right for _ in range(4) for right in range(5)])
    keep = prompt_filter(name)(outcome, group, **keys)
    assert torch.equal(keep, torch.tensor([right in kept for _ in range(4) for right in range(5)]))


def test_a_problem_without_an_answer_is_not_judged():
    assert passes(draw({"a": 0, "b": 0, "c": 2}, unknown="b"), DIFFERING.filter) == [False, True, True]
    assert passes(draw({"a": 0}, paid=False), config("filter=none").filter) == [True]


@pytest.mark.parametrize(("on_timeout", "stays"), [("wrong", [True, True, True]), ("unknown", [False, True, True])])
def test_a_timeout_keeps_no_prompt_where_its_outcome_is_left_out(on_timeout, stays, tokenizer):
    """Of ``a`` three are right and one is undecided, of ``b`` two and two, and of ``c`` nothing is decided."""
    settings = config("reward.keep_groups=remove_extreme", f"reward.on_timeout={on_timeout}", "filter=differing")
    batch = draw({"a": 3, "b": 2, "c": 0})
    batch = replace(
        batch, verdicts=["correct", "correct", "correct", "timeout", *batch.verdicts[4:8], *["timeout"] * 4]
    )
    batch = Verifiable(Context(settings, ALONE, tokenizer, Path(), Progress(), Clock())).pay(batch)
    undecided = on_timeout == "unknown"
    assert batch.outcomes.known.tolist() == [True] * 3 + [not undecided] + [True] * 4 + [not undecided] * 4
    assert batch.streams["verifiable"].known.tolist() == batch.outcomes.known.tolist()
    assert passes(batch, settings.filter) == [stays[0], stays[1], undecided], "of c nothing says that it is too hard"
    kept = [stays[0], stays[1], False]  # the release's curriculum drops what has no outcome
    assert batch.kept.tolist() == [one for one in kept for _ in range(SAMPLES)]


def test_draws_go_on_until_a_step_is_full_or_may_draw_no_more():
    good, half, bad = draw({"a": 1, "b": 2}), draw({"c": 0, "d": 3}), draw({"e": 4, "f": 0})
    assert needs_more([], DIFFERING)
    assert not needs_more([good], DIFFERING)
    assert needs_more([half], DIFFERING) and not needs_more([half, half], DIFFERING)
    assert needs_more([bad, half], DIFFERING) and not needs_more([bad, half, bad], DIFFERING)
    assert not needs_more([bad], config("filter=none"))


def test_what_passed_fills_the_step_in_order_and_padding_joins_the_lengths():
    made = fill_batch([draw({"a": 0, "b": 2}, length=2), draw({"c": 4, "d": 1}, length=5)], DIFFERING)
    assert [problem.id for problem in made.problems] == ["b", "d"]
    assert made.rollouts.group.tolist() == [0] * 4 + [1] * 4
    assert [chr(row[0]) for row in made.rollouts.tokens.tolist()] == list("bbbbdddd")
    assert made.rollouts.mask.sum(dim=1).tolist() == [2] * 4 + [5] * 4
    assert made.steps.end[:, 0].tolist() == [1] * 4 + [4] * 4
    assert made.streams["process"].rewards[:, 0].tolist() == [ord("b")] * 4 + [ord("d")] * 4
    assert made.outcomes.right.tolist() == [1, 1, 0, 0, 1, 0, 0, 0]
    assert made.responses == list("bbbbdddd") and made.verdicts[:3] == ["correct", "correct", "wrong"]
    drawn = {"drawn/rounds": 2, "drawn/passed": 0.5, "drawn/accuracy": 7 / 16}
    assert made.metrics == drawn | {"judge/asked": 2.0}, "the numbers of draws add up"


def test_where_too_few_pass_the_first_of_the_others_fill_the_step():
    made = fill_batch([draw({"a": 0, "b": 4}), draw({"c": 0, "d": 3}), draw({"e": 0, "f": 0})], DIFFERING)
    assert [problem.id for problem in made.problems] == ["d", "a"]
    assert len(made.rollouts.tokens) == 8


def test_without_a_filter_a_draw_goes_through_untouched():
    one = draw({"a": 0, "b": 4})
    assert fill_batch([one], config("filter=none")) is one


def test_rows_take_all_that_belongs_to_them():
    one = replace(draw({"a": 1, "b": 3}), advantages=torch.arange(8.0)[:, None].expand(8, 3))
    one = replace(one, columns={"critic": {"values": torch.arange(8.0)}})
    for rows in (torch.tensor([1, 4]), torch.arange(8) % 3 == 1, slice(1, 8, 3)):
        some = one.rows(rows)
        numbers = torch.arange(8)[rows]
        assert some.responses == [one.responses[i] for i in numbers] and len(some) == len(numbers)
        assert torch.equal(some.advantages[:, 0], numbers.float())
        assert torch.equal(some.columns["critic"]["values"], numbers.float())
        assert torch.equal(some.outcomes.right, one.outcomes.right[numbers])
        assert torch.equal(some.streams["process"].rewards, one.streams["process"].rewards[numbers])
        assert [problem.id for problem in some.asked] == some.responses
