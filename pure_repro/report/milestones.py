"""When a run got somewhere and how it broke, from its validations alone."""

from collections.abc import Sequence
from math import inf

from pure_repro.report.cells import Record, Training

BROKEN_BELOW = 0.5  # of the run's best sampled accuracy
SIGNATURE = 0.5  # a way of breaking is named where it marks at least so large a share

HOW_IT_BROKE = (
    "*How it broke*: a run is broken where its last sampled accuracy on the validation problems is below half of its "
    "best. Its way is then the largest of four shares at that validation, if at least one half: responses that say "
    "nothing (*empty answers*); filler steps or responses cut off at the length limit (*endless fillers*, or *nothing "
    "but fillers* where responses did not grow); responses that end by themselves before an answer (*early "
    "ends*); answers that leave operations out (*skipped steps*); and else *wrong answers*."
)


def steps_to_reach(steps: Sequence[int], accuracy: Sequence[float], target: float) -> float:
    """The step at which a curve first reaches ``target``, linear between validations; infinite: it never does.

    With ``aᵢ ≥ target > aᵢ₋₁``: ``sᵢ₋₁ + (sᵢ − sᵢ₋₁)(target − aᵢ₋₁)/(aᵢ − aᵢ₋₁)``.

    >>> steps_to_reach([0, 10, 20], [0.2, 0.4, 0.8], 0.5)
    12.5
    >>> steps_to_reach([0, 10], [0.2, 0.4], 0.5)
    inf
    """
    first = next((i for i, reached in enumerate(accuracy) if reached >= target), None)
    if first is None:
        return inf
    if first == 0:
        return float(steps[0])
    share = (target - accuracy[first - 1]) / (accuracy[first] - accuracy[first - 1])
    return steps[first - 1] + share * (steps[first] - steps[first - 1])


def steps_to_level(run: Training, level: float) -> float:
    """Steps until the sampled accuracy of ``run`` on the validation problems reaches ``level``; infinite: never."""
    return steps_to_reach(*run.curve("sampled"), level)


def level_of(run: Training) -> float:
    """The level that a run ends at: its final sampled accuracy on the validation problems."""
    level: float = run.validation[-1]["sampled"]
    return level


def way_it_broke(validation: Sequence[Record]) -> str:
    """How a run broke: ``unbroken``, or what its answers are at the last validation.

    A run is broken where its last sampled accuracy is below half of its best. The way is then the largest of
    four shares, if it is at least one half, and else ``wrong answers``:

    - ``empty answers``: responses that say nothing;
    - ``endless fillers``: steps that are fillers or responses cut off at the length limit, whichever share is
      larger; ``nothing but fillers`` where responses neither grew in steps nor are mostly cut off;
    - ``early ends``: responses that say something and end by themselves, without an answer;
    - ``skipped steps``: responses whose answer leaves operations out (logged as a share of the answered ones).

    >>> base = {"sampled": 0.4, "steps": 6.0, "empty": 0.0, "filler": 0.1, "truncated": 0.0, "skipped": 0.02,
    ...         "no_answer": 0.05}
    >>> way_it_broke([base, base | {"sampled": 0.1, "empty": 0.9}])
    'empty answers'
    >>> way_it_broke([base, base | {"sampled": 0.3}])
    'unbroken'
    """
    first, last = validation[0], validation[-1]
    if last["sampled"] >= BROKEN_BELOW * max(v["sampled"] for v in validation):
        return "unbroken"
    endless = last["steps"] > first["steps"] or last["truncated"] >= SIGNATURE
    shares = {
        "empty answers": last["empty"],
        "endless fillers" if endless else "nothing but fillers": max(last["filler"], last["truncated"]),
        "early ends": last["no_answer"] - last["truncated"] - last["empty"],
        "skipped steps": last["skipped"] * (1 - last["no_answer"]),
    }
    way = max(shares, key=lambda w: shares[w])
    return way if shares[way] >= SIGNATURE else "wrong answers"
