"""Where a run's problems come from: drawn from the embedded world, or read from a file in the layout of PURE."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pure_repro.config import Config, ConfigError, Embedded, Mathematics, Published, TestSet, Tiny
from pure_repro.data.benchmarks import one_or_several, problems_of, references_digest
from pure_repro.data.files import Rows, column, list_or_lines, text_in
from pure_repro.data.world import digest, draw_problems
from pure_repro.types import Problem

NOTHING = ("", "null")  # how PURE's file says that there is no answer


@dataclass(frozen=True)
class TrainingSet:
    """All training problems with their true answers, and which of them the file answers for the mixed arm."""

    problems: list[Problem]
    answered: frozenset[str] | None  # ids; None: a draw decides


def training_set(data: Embedded | Mathematics, seed: int) -> TrainingSet:
    """The training problems of a run.

    Raises ``ConfigError`` for a file that is missing, is no such list, or is not the one that is meant.
    """
    if isinstance(data, Embedded):
        difficulty = data.train_difficulty or data.difficulty
        return TrainingSet(draw_problems("rl", data.train_problems, difficulty, data.modulus, seed), None)
    path = local(data)
    if not path.exists():
        raise ConfigError(
            f"data.path={path} cannot be read, as it is not there: name a file of problems, as is "
            "8k_math_879_answers.json of github.com/CJReinforce/PURE"
        )
    try:
        return of_rows(list_or_lines(path), data)
    except ConfigError as error:
        raise ConfigError(f"data.path={error}") from error


def of_rows(rows: Rows, data: Mathematics) -> TrainingSet:
    """Rows of PURE's layout as problems, counted.

    An answered row holds its answer under ``answer``; any other has ``"null"`` there and its true answer under
    ``hidden_answer``, which the file's authors kept for measuring alone.
    """
    problems, answered = [], set()
    for i, (place, row) in enumerate(rows):
        told = answer_of(column(row, data.answer, place), data.answer, place)
        hidden = answer_of(row.get(data.hidden_answer), data.hidden_answer, place) if data.hidden_answer else None
        problem = Problem(f"{data.name}/{i}", text_in(row, data.question, place), told or hidden)
        problems.append(problem)
        if told is not None:
            answered.add(problem.id)
    found, meant = (len(problems), len(answered)), (data.train_problems, data.answered_problems)
    if any(count is not None and count != there for there, count in zip(found, meant, strict=True)):
        raise ConfigError(
            f"{data.path} holds {found[0]} problems and answers {found[1]} of them: data.train_problems="
            f"{data.train_problems} and data.answered_problems={data.answered_problems} are meant"
        )
    return TrainingSet(problems, frozenset(answered) if data.answered_by == "file" else None)


def answer_of(value: Any, name: str, place: str) -> str | None:
    """The answer that a column holds, a number as text; ``None`` where it says that there is none.

    >>> answer_of(0, "answer", "row 1"), answer_of(" 1/2 ", "answer", "row 1"), answer_of("null", "answer", "row 1")
    ('0', '1/2', None)
    >>> answer_of(True, "answer", "mine.json, row 1")
    Traceback (most recent call last):
    pure_repro.config.base.ConfigError: mine.json, row 1: 'answer' must be text, a number or a list of them, not True
    """
    if value is None or (isinstance(value, str) and value.strip() in NOTHING):
        return None
    answer = one_or_several(value)
    if answer is None:
        raise ConfigError(f"{place}: {name!r} must be text, a number or a list of them, not {value!r}")
    return answer


def local(data: Mathematics) -> Path:
    """The file, fetched from the hub where it is not here."""
    if data.file is None:
        return Path(data.path)
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(data.path, data.file, repo_type="dataset", revision=data.revision))


def validation(config: Config) -> list[Problem]:
    """The problems that a run is validated on while it trains; none where none are named."""
    data = config.data
    if isinstance(data, Embedded):
        difficulty = data.train_difficulty or data.difficulty
        return draw_problems("validation", data.validation_problems, difficulty, data.modulus, config.seed)
    return [problem for one in data.validation for problem in problems_of(one, config)]


def digests(config: Config) -> dict[str, str | None]:
    """The digest of every set that a run reads: what it trains and is validated on, and its benchmarks as pinned."""
    own = {}
    if isinstance(config.model, Tiny) or "train" in config.stages:
        problems = {"train": training_set(config.data, config.seed).problems, "validation": validation(config)}
        own = {name: digest(some) for name, some in problems.items()}
    return own | {
        one.name: one.digest
        if isinstance(one, Published)
        else (digest if isinstance(one, TestSet) else references_digest)(problems_of(one, config))
        for one in config.score.benchmarks
    }
