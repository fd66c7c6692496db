"""Problems that are trained on and tested on: a score on them says what was remembered."""

import re
from collections.abc import Mapping, Sequence

from pure_repro.config import Config, ConfigError, Mathematics
from pure_repro.data.benchmarks import problems_of
from pure_repro.types import Problem

SHOWN = 3  # problems that a sentence names


def bare_question(question: str) -> str:
    r"""A question without what writing it down adds: blanks, dollars, braces, punctuation, and the size of brackets.

    >>> print(bare_question(r"Find $\left(\frac{1}{2}\right)$ of 8 ."), bare_question(r"find $ (\frac12) $ of 8"))
    find(\frac12)of8 find(\frac12)of8
    """
    return re.sub(r"\\(?:left|right|displaystyle|[,;! ])|[\s${}.,;:?!~]", "", question.lower())


def overlaps(problems: Sequence[Problem], sets: Mapping[str, Sequence[Problem]]) -> dict[str, str]:
    """The set that holds a training problem too, by the problem's id; the first one where there are several.

    >>> overlaps([Problem("a", "1 + 1?", "2"), Problem("b", "1+2?", "3")], {"mine": [Problem("m", "1+1 ?", "2")]})
    {'a': 'mine'}
    """
    known = {bare_question(one.question): name for name in reversed([*sets]) for one in sets[name]}
    return {one.id: known[bare_question(one.question)] for one in problems if bare_question(one.question) in known}


def without_overlap(problems: list[Problem], config: Config) -> tuple[list[Problem], str | None]:
    """The problems to train on, and what is to be said of those that the run is validated or scored on as well.

    Problems of the embedded world lie in splits that share none. ``data.on_overlap`` says what happens to the others:
    with ``warn`` they stay, with ``drop`` they go. Raises ``ConfigError`` with ``stop``.
    """
    data = config.data
    if not isinstance(data, Mathematics):
        return problems, None
    benchmarks = [*data.validation, *(config.score.benchmarks if "score" in config.stages else ())]
    shared = overlaps(problems, {one.name: problems_of(one, config) for one in benchmarks})
    if not shared:
        return problems, None
    named = ", ".join(f"{number} is in {name}" for number, name in [*shared.items()][:SHOWN])
    found = f"{len(shared)} of {len(problems)} training problems are those of a benchmark ({named})"
    if data.on_overlap == "stop":
        raise ConfigError(f"{found}: take others, or data.on_overlap=drop")
    if data.on_overlap == "warn":
        return problems, f"{found}: data.on_overlap=drop leaves them out"
    left = [one for one in problems if one.id not in shared]
    if len(left) < config.train.prompts_per_step:
        raise ConfigError(
            f"{found}, and without them a step has no train.prompts_per_step={config.train.prompts_per_step} problems"
        )
    return left, f"{found} and are left out"
