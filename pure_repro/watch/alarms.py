"""Alarms on logged metrics: which have gone off by a step, and how they would have done on runs that are over."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pure_repro.config import Alarm
from pure_repro.watch.signals import mean_or_zero

JournalRows = Sequence[Mapping[str, Any]]  # a journal: each row has its ``step``
Runs = Sequence[tuple[JournalRows, JournalRows]]  # of each the metrics of its updates and its validations
LOST = 0.1  # of sampled accuracy: what alarms are to come before


def smoothed(values: Sequence[float], window: int) -> list[float]:
    """At each place from the first full window on, the mean of the last ``window`` values.

    >>> smoothed([1.0, 3.0, 5.0], 2)
    [2.0, 4.0]
    """
    return [mean_or_zero(values[end - window : end]) for end in range(window, len(values) + 1)]


def levels(values: Sequence[float], alarm: Alarm, window: int) -> list[float]:
    """What the alarm compares with its threshold, from the first full window on.

    The smoothed metric; over its first value where ``of`` is ``start``; over its largest so far where it is ``best``.
    A ratio to 0 is 1.

    >>> alarm = Alarm(metric="accuracy", of="best", side="below", threshold=0.8)
    >>> levels([0.5, 1.0, 0.75], alarm, 1)
    [1.0, 1.0, 0.75]
    """
    means = smoothed(values, window)
    if alarm.of == "itself":
        return means
    against = [means[0] if alarm.of == "start" else max(means[: i + 1]) for i in range(len(means))]
    return [value / base if base else 1.0 for value, base in zip(means, against, strict=True)]


def crosses(level: float, alarm: Alarm) -> bool:
    """Whether a level lies beyond the threshold."""
    return level > alarm.threshold if alarm.side == "above" else level < alarm.threshold


def went_off(rows: JournalRows, alarm: Alarm, window: int) -> int | None:
    """The first step at which an alarm goes off; ``None``: it never does, or the metric is not logged.

    >>> rows = [{"step": i, "steps": float(s)} for i, s in enumerate([6, 6, 6, 9, 12], start=1)]
    >>> went_off(rows, Alarm(metric="steps", of="start", side="above", threshold=1.4), 2)
    5
    >>> went_off(rows, Alarm(metric="tokens", of="itself", side="above", threshold=10), 2) is None
    True
    """
    logged = [(int(row["step"]), float(row[alarm.metric])) for row in rows if alarm.metric in row]
    heights = levels([value for _, value in logged], alarm, window)
    after = [step for step, _ in logged[window - 1 :]]
    return next((step for step, height in zip(after, heights, strict=True) if crosses(height, alarm)), None)


def all_that_went_off(rows: JournalRows, alarms: Mapping[str, Alarm], window: int) -> dict[str, int]:
    """The alarms that have gone off, each with its first step."""
    steps = {name: went_off(rows, alarm, window) for name, alarm in alarms.items()}
    return {name: step for name, step in steps.items() if step is not None}


def lost(validations: JournalRows) -> int | None:
    """The first validation at which sampled accuracy lies ``LOST`` below its best so far, for good.

    A dip that the run climbs out of is none.

    >>> lost([{"step": 0, "sampled": 0.9}, {"step": 10, "sampled": 0.7}, {"step": 20, "sampled": 0.1}])
    10
    >>> lost([{"step": 0, "sampled": 0.9}, {"step": 10, "sampled": 0.7}, {"step": 20, "sampled": 0.9}]) is None
    True
    """
    best, since = 0.0, None
    for row in validations:
        best = max(best, row["sampled"])
        below = row["sampled"] <= best - LOST
        since = (int(row["step"]) if since is None else since) if below else None
    return since


class Trial(NamedTuple):
    """How alarms did on runs that are over: the lead of each broken run's first one, and sound runs with any."""

    leads: list[int | None]  # in steps before the accuracy was lost; negative: too late; ``None``: never
    false_alarms: int
    sound: int


def tried(runs: Runs, alarms: Mapping[str, Alarm], window: int) -> Trial:
    """Hold alarms against the journals of runs that are over.

    >>> metrics = [{"step": i, "steps": float(i)} for i in range(1, 31)]
    >>> broken = metrics, [{"step": 0, "sampled": 0.5}, {"step": 30, "sampled": 0.1}]
    >>> sound = metrics[:5], [{"step": 0, "sampled": 0.5}, {"step": 5, "sampled": 0.6}]
    >>> longer = Alarm(metric="steps", of="itself", side="above", threshold=9.5)
    >>> tried([broken, sound], {"longer": longer}, window=1)
    Trial(leads=[20], false_alarms=0, sound=1)
    """
    leads: list[int | None] = []
    false_alarms = 0
    for metrics, validations in runs:
        first = min(all_that_went_off(metrics, alarms, window).values(), default=None)
        until = lost(validations)
        if until is None:
            false_alarms += first is not None
        else:
            leads.append(None if first is None else until - first)
    return Trial(leads, false_alarms, len(runs) - len(leads))


def calibrated(runs: Runs, alarm: Alarm, window: int, room: float) -> Alarm:
    """The alarm with the tightest threshold that no sound run crosses, moved away from it by ``room`` of its size.

    Broken runs set nothing. Without a sound run that logs the metric the alarm stays as it is.

    >>> sound = [{"step": i, "steps": 2.0} for i in range(1, 5)], [{"step": 0, "sampled": 0.5}]
    >>> longer = Alarm(metric="steps", of="itself", side="above", threshold=9.0)
    >>> calibrated([sound], longer, window=1, room=0.5).threshold
    3.0
    """
    sound = [metrics for metrics, validations in runs if lost(validations) is None]
    logged = [[float(row[alarm.metric]) for row in metrics if alarm.metric in row] for metrics in sound]
    heights = [height for values in logged if len(values) >= window for height in levels(values, alarm, window)]
    if not heights:
        return alarm
    tightest = max(heights) * (1 + room) if alarm.side == "above" else min(heights) * (1 - room)
    return alarm.model_copy(update={"threshold": tightest})
