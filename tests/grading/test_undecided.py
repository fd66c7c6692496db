"""What an answer teaches that the checker cannot decide in its time: ``reward.on_timeout``."""

from pure_repro.grading import grade_many
from pure_repro.launch.compose import composed
from pure_repro.reward.verifiable import outcomes_of
from pure_repro.types import Problem


def test_a_timeout_is_wrong_or_unknown_as_the_yaml_says() -> None:
    problems = [Problem("a", "?", r"\sqrt{2}x"), Problem("b", "?", "7"), Problem("c", "?", None)]
    responses = [r"\boxed{(10!)!}", r"\boxed{7}", r"\boxed{7}"]
    verdicts = [verdict.status for verdict in grade_many(responses, [r"\sqrt{2}x", "7", "7"], deadline=0.3)]
    assert verdicts == ["timeout", "correct", "correct"]
    for words, known in (
        (["reward=verifiable"], [True, True, False]),
        (["reward.on_timeout=unknown"], [False, True, False]),
    ):
        outcomes = outcomes_of(problems, verdicts, composed(words).reward.on_timeout)
        assert outcomes.known.tolist() == known and outcomes.right.tolist() == [0.0, 1.0, 0.0]
