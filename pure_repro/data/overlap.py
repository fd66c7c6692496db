"""Problems that are trained on and tested on: a score on them says what was remembered."""

import re
from collections.abc import Mapping, Sequence

from pure_repro.config import Benchmark, Config, ConfigError, FileSet, Mathematics
from pure_repro.data.benchmarks import problems_of
from pure_repro.data.source import training_set
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


def overlap_here(config: Config) -> str | None:
    """What is to be said, before anything is loaded, of training problems that the run is tested on as well.

    Only files of this machine are compared: a plan needs no network. Problems of the embedded world lie in splits that
    share none. Raises ``ConfigError`` with ``data.on_overlap=stop``.
    """
    data, sets = config.data, compared_before(config)
    if not isinstance(data, Mathematics) or not sets:
        return None
    return treated(training_set(data, config.seed).problems, config, sets)[1]


def without_overlap(problems: list[Problem], config: Config) -> tuple[list[Problem], str | None]:
    """The problems to train on, and what is to be said of those that the run is validated or scored on as well.

    What the plan has compared and told is not told again. Raises ``ConfigError`` with ``data.on_overlap=stop``.
    """
    data = config.data
    if not isinstance(data, Mathematics):
        return problems, None
    told = compared_before(config)
    new = tuple(one for one in tested_on(config) if one not in told)
    left, said = treated(problems, config, tested_on(config) if data.on_overlap == "drop" else new)
    return left, said if new else None


def tested_on(config: Config) -> tuple[Benchmark, ...]:
    """The sets that a run is validated and scored on."""
    validation = config.data.validation if isinstance(config.data, Mathematics) else ()
    return (*validation, *(config.score.benchmarks if "score" in config.stages else ()))


def compared_before(config: Config) -> tuple[Benchmark, ...]:
    """Those of them that lie here, where the training problems do."""
    if not isinstance(config.data, Mathematics) or config.data.file is not None:
        return ()
    here = config.score.data_dir is not None
    return tuple(one for one in tested_on(config) if here or isinstance(one, FileSet))


def treated(problems: list[Problem], config: Config, sets: Sequence[Benchmark]) -> tuple[list[Problem], str | None]:
    """What ``data.on_overlap`` makes of problems that these sets hold too: with ``warn`` they stay, with ``drop`` not.

    Raises ``ConfigError`` with ``stop``, and where those that are left are too few for a step.
    """
    assert isinstance(config.data, Mathematics)
    shared = overlaps(problems, {one.name: problems_of(one, config) for one in sets})
    if not shared:
        return problems, None
    named = ", ".join(f"{number} is in {name}" for number, name in [*shared.items()][:SHOWN])
    found = f"{len(shared)} of {len(problems)} training problems are those of a benchmark ({named})"
    if config.data.on_overlap == "stop":
        raise ConfigError(f"{found}: take others, or data.on_overlap=drop")
    if config.data.on_overlap == "warn":
        return problems, f"{found}: data.on_overlap=drop leaves them out"
    left = [one for one in problems if one.id not in shared]
    if len(left) < config.train.prompts_per_step:
        raise ConfigError(
            f"{found}, and without them a step has no train.prompts_per_step={config.train.prompts_per_step} problems"
        )
    return left, f"{found} and are left out"
