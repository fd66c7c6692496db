"""The metrics that PURE's verl release logs, by its own keys (final branch, commit 0628af60)."""

from collections.abc import Sequence
from itertools import groupby

from pure_repro.types import Batch
from pure_repro.watch.signals import mean_or_zero, repetition

HIGH_REPETITION = 0.2
REFLECTIONS = (  # counted in lower case
    "wait,",
    "recheck",
    "retry",
    "try again",
    "alternatively,",
    "however,",
    "rethink",
    "let's check",
    "let's verify",
)


def paper_metrics(batch: Batch, outcome_rewards: Sequence[float]) -> dict[str, float]:
    """All of them for one step; of process rewards nothing where none are paid (``outcome_rewards`` is empty)."""
    correct = [verdict == "correct" for verdict in batch.verdicts]
    rollouts, repetitions = batch.rollouts, [repetition(response) for response in batch.responses]
    return {
        **length_metrics(rollouts.mask.sum(dim=1).tolist(), rollouts.finished.tolist(), correct),
        **range_metrics("num_of_steps", [float(count) for count in batch.steps.mask.sum(dim=1).tolist()]),
        **pattern_metrics(batch.responses, repetitions, correct),
        **group_metrics(rollouts.group.tolist(), correct),
        **range_metrics("instant_rewards/verifiable_reward", [float(right) for right in correct]),
        **(reward_metrics(outcome_rewards, correct) if outcome_rewards else {}),
    }


def reflections(response: str) -> int:
    """How often a response says one of nine phrases of somebody who thinks again.

    >>> reflections("Wait, let's check: 2+2=4. However, wait for it.")
    3
    """
    return sum(response.lower().count(phrase) for phrase in REFLECTIONS)


def range_metrics(key: str, values: Sequence[float]) -> dict[str, float]:
    """Mean, largest and smallest of some values under a key; nothing of none.

    >>> range_metrics("steps", [1.0, 3.0])
    {'steps/mean': 2.0, 'steps/max': 3.0, 'steps/min': 1.0}
    """
    if not values:
        return {}
    return {f"{key}/mean": mean_or_zero(values), f"{key}/max": float(max(values)), f"{key}/min": float(min(values))}


def by_verdict(values: Sequence[float], correct: Sequence[bool]) -> dict[str, list[float]]:
    """The values of all responses, of the right and of the wrong ones.

    >>> by_verdict([1.0, 2.0], [True, False])
    {'whole': [1.0, 2.0], 'correct': [1.0], 'incorrect': [2.0]}
    """
    pairs = list(zip(values, correct, strict=True))
    return {
        "whole": list(values),
        "correct": [value for value, right in pairs if right],
        "incorrect": [value for value, right in pairs if not right],
    }


def length_metrics(tokens: Sequence[int], finished: Sequence[bool], correct: Sequence[bool]) -> dict[str, float]:
    """Lengths, and the share cut off by the limit, of all, right and wrong responses.

    Right responses that are cut off come before the collapse by pseudo-positives (PURE §5.2).

    >>> metrics = length_metrics([4, 9, 9], [True, False, True], [True, True, False])
    >>> metrics["response_length/correct/clip_ratio"], metrics["response_length/incorrect/clip_ratio"]
    (0.5, 0.0)
    """
    lengths = by_verdict([float(count) for count in tokens], correct)
    clipped = by_verdict([float(not ended) for ended in finished], correct)
    return {
        key: value
        for part, values in lengths.items()
        if values
        for key, value in {
            **range_metrics(f"response_length/{part}", values),
            f"response_length/{part}/clip_ratio": mean_or_zero(clipped[part]),
        }.items()
    }


def pattern_metrics(
    responses: Sequence[str], repetitions: Sequence[float], correct: Sequence[bool]
) -> dict[str, float]:
    """Repetition and reflection scores, and the share of high repetition among all, right and wrong responses.

    >>> pattern_metrics(["Wait, 4", "4"], [0.3, 0.0], [True, False])["high_level_scores/high_repeatness_ratio/correct"]
    1.0
    """
    high = by_verdict([float(score > HIGH_REPETITION) for score in repetitions], correct)
    return {
        **range_metrics("high_level_scores/repeat_score", repetitions),
        **range_metrics("high_level_scores/reflection_pattern_score", [float(reflections(r)) for r in responses]),
        **{
            f"high_level_scores/high_repeatness_ratio/{part}": mean_or_zero(values)
            for part, values in high.items()
            if values
        },
    }


def group_metrics(group: Sequence[int], correct: Sequence[bool]) -> dict[str, float]:
    """pass@n and the mean accuracy of prompts; ``group`` numbers the prompt of each response, in order.

    >>> metrics = group_metrics([0, 0, 1, 1], [True, False, False, False])
    >>> metrics["group_info/pass_at_n/whole_batch/mean"], metrics["group_info/avg_n/whole_batch/mean"]
    (0.5, 0.25)
    """
    pairs = zip(group, correct, strict=True)
    groups = [[right for _, right in rows] for _, rows in groupby(pairs, key=lambda pair: pair[0])]
    return {
        **range_metrics("group_info/pass_at_n/whole_batch", [float(any(rights)) for rights in groups]),
        **range_metrics("group_info/avg_n/whole_batch", [mean_or_zero(rights) for rights in groups]),
    }


def reward_metrics(outcome_rewards: Sequence[float], correct: Sequence[bool]) -> dict[str, float]:
    """Process rewards as one number per response, and how often its sign says what the verifier says.

    ``outcome_rewards`` are what the credit form makes of a response's step rewards: the return of its first step.

    >>> reward_metrics([0.9, 0.8], [True, False])["instant_rewards/orm_match_vr"]
    0.5
    """
    agreed = [(reward > 0) == right for reward, right in zip(outcome_rewards, correct, strict=True)]
    return {
        **range_metrics("instant_rewards/outcome_reward", outcome_rewards),
        "instant_rewards/orm_match_vr": mean_or_zero(agreed),
    }
