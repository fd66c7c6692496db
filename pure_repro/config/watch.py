"""When a run has collapsed, and what goes off before (``conf/watch/``)."""

from typing import Literal

from pure_repro.config.base import Count, Rate, Strict


class Alarm(Strict):
    """A logged metric beyond a threshold: its own mean, or the mean's ratio to where it started or to its best."""

    metric: str
    of: Literal["itself", "start", "best"]
    side: Literal["above", "below"]
    threshold: float


class Watch(Strict):
    """When a run counts as collapsed, which alarms come before, and what happens then."""

    name: Literal["default"]
    collapse_below: Rate  # of the run's best validated sampled accuracy so far ...
    collapse_validations: Count  # ... in so many validations in a row
    on_collapse: Literal["stop", "warn"]
    alarms: dict[str, Alarm]
    window: Count  # updates that an alarm looks at together
    on_alarm: Literal["warn", "stop", "rollback"]
