"""When a run has collapsed (``conf/watch/``)."""

from typing import Literal

from pure_repro.config.base import Count, Rate, Strict


class Watch(Strict):
    """When a run counts as collapsed, and what happens then."""

    name: Literal["default"]
    collapse_below: Rate  # of the run's best validated sampled accuracy so far ...
    collapse_validations: Count  # ... in so many validations in a row
    on_collapse: Literal["stop", "warn"]
