"""From rewards to what is still to come, by hand: a stream that the credit form reads, and one that it does not."""

import torch

from pure_repro.launch.compose import composed
from pure_repro.train.advantages import returns_of
from pure_repro.types import Batch, Problem, Rollouts, Steps, Stream

MASK = torch.tensor([[True, True, True, True], [True, True, False, False]])
KNOWN = torch.tensor([True, True])
STEPS = Steps(end=torch.tensor([[1, 3], [1, 0]]), mask=torch.tensor([[True, True], [True, False]]))
SCORES = Stream(torch.tensor([[0.5, -0.2], [0.4, 0.0]]), STEPS, KNOWN, weight=1.0, credited=True)
WHOLE = Steps(end=torch.tensor([[3], [1]]), mask=torch.ones(2, 1, dtype=torch.bool))
BATCH = Batch(
    problems=[Problem("a", "1+1", "2")],
    rollouts=Rollouts(
        prompt=torch.zeros(2, 1, dtype=torch.long),
        prompt_mask=torch.ones(2, 1, dtype=torch.bool),
        tokens=torch.zeros(2, 4, dtype=torch.long),
        mask=MASK,
        logprobs=torch.zeros(2, 4),
        finished=KNOWN,
        group=torch.tensor([0, 0]),
        stale=torch.tensor([0, 0]),
    ),
    steps=STEPS,
    responses=["", ""],
    verdicts=["correct", "timeout"],
    kept=KNOWN,
)
OUTCOMES = Stream(torch.tensor([[1.0], [0.0]]), WHOLE, torch.tensor([True, False]), weight=0.5, credited=False)


def test_the_credit_form_says_what_a_token_sees_of_scores() -> None:
    for credit, expected in (("sum", [[0.3, 0.3, -0.2, -0.2], [0.4, 0.4, 0, 0]]),
                             ("min_strict", [[-0.2, -0.2, -0.2, -0.2], [0.4, 0.4, 0, 0]])):  # fmt: skip
        config = composed(["reward=mixed", "advantage=rloo_return_mean", f"credit={credit}"])
        made = returns_of(SCORES, BATCH, config)
        assert made is not None
        torch.testing.assert_close(made.values, torch.tensor(expected))
        assert (made.weight, made.estimator, made.known.tolist()) == (1.0, "rloo_return_mean", [True, True])


def test_an_outcome_reaches_every_token_whatever_the_credit_form() -> None:
    config = composed(["reward=mixed", "advantage=rloo_return_mean", "advantage.outcome=rloo", "credit=min"])
    made = returns_of(OUTCOMES, BATCH, config)
    assert made is not None
    assert made.values.tolist() == [[1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]]
    assert (made.weight, made.known.tolist()) == (0.5, [True, False])
    assert made.estimator == "rloo"


def test_a_critic_takes_no_baseline_off_and_what_is_not_paid_returns_nothing() -> None:
    made = returns_of(SCORES, BATCH, composed(["reward=mixed", "advantage=gae"]))
    assert made is not None and made.estimator == "none"
    unpaid = Stream(SCORES.rewards, STEPS, KNOWN, weight=None, credited=False)
    assert returns_of(unpaid, BATCH, composed(["reward=mixed"])) is None
