"""Files of a judge: the subgoals of problems, and steps of which somebody has said what they achieve."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pure_repro.config import ConfigError
from pure_repro.data.files import column, file_rows, text_in

Labelled = tuple[str, list[str], list[str], list[tuple[int, int]]]  # question, subgoals, steps, what is achieved


def subgoals_by_question(path: Path) -> dict[str, list[str]]:
    """What is to be achieved on the way to each answer, of lines ``{"question", "subgoals": [text, …]}``.

    Raises ``ConfigError`` for a line that does not say it.
    """
    return {text_in(row, "question", place): texts_in(row, "subgoals", place) for place, row in file_rows(path)}


def labelled_rows(path: Path) -> list[Labelled]:
    """Lines ``{"question", "subgoals", "steps", "achieved": [[step, subgoal], …]}``, which count from 1.

    Raises ``ConfigError`` for a line that is none, and for a pair that names no step or no subgoal of its line.
    """
    rows = [of_row(row, place) for place, row in file_rows(path)]
    if not rows:
        raise ConfigError(f"{path} holds no labelled steps")
    return rows


def of_row(row: Mapping[str, Any], place: str) -> Labelled:
    """One labelled response.

    >>> of_row({"question": "1+1", "subgoals": ["2"], "steps": ["1+1=2"], "achieved": [[1, 1]]}, "row 1")
    ('1+1', ['2'], ['1+1=2'], [(0, 0)])
    >>> of_row({"question": "1+1", "subgoals": ["2"], "steps": ["1+1=2"], "achieved": [[1, 2]]}, "mine.jsonl:1")
    Traceback (most recent call last):
    pure_repro.config.base.ConfigError: mine.jsonl:1: [1, 2] in 'achieved' is no pair of a step (1 to 1) and a subgoal \
(1 to 1)
    """
    question, subgoals, steps = (
        text_in(row, "question", place),
        texts_in(row, "subgoals", place),
        texts_in(row, "steps", place),
    )
    achieved = column(row, "achieved", place)
    for pair in achieved if isinstance(achieved, list) else [achieved]:
        numbers = isinstance(pair, list) and [type(number) for number in pair] == [int, int]
        if not numbers or not (1 <= pair[0] <= len(steps) and 1 <= pair[1] <= len(subgoals)):
            raise ConfigError(
                f"{place}: {pair!r} in 'achieved' is no pair of a step (1 to {len(steps)}) and a subgoal "
                f"(1 to {len(subgoals)})"
            )
    return question, subgoals, steps, [(step - 1, goal - 1) for step, goal in achieved]


def texts_in(row: Mapping[str, Any], name: str, place: str) -> list[str]:
    """The texts of a column, one at least."""
    value = column(row, name, place)
    if not isinstance(value, list) or not value or not all(isinstance(one, str) for one in value):
        raise ConfigError(f"{place}: {name!r} must be a list of texts, one at least")
    return value
