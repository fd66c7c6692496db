"""Where a run's problems come from: drawn from the embedded world, or read from a file in the layout of PURE."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pure_repro.config import Config, ConfigError, Embedded, Mathematics, Published, TestSet, Tiny
from pure_repro.data.benchmarks import problems_of, references_digest
from pure_repro.data.world import digest, draw_problems
from pure_repro.types import Problem

NOTHING = (None, "", "null")  # how PURE's file says that there is no answer


@dataclass(frozen=True)
class Training:
    """All training problems with their true answers, and which of them the file answers for the mixed arm."""

    problems: list[Problem]
    answered: frozenset[str] | None  # ids; None: a draw decides


def training(data: Embedded | Mathematics, seed: int) -> Training:
    """The training problems of a run.

    Raises ``ConfigError`` for a file that is missing, is no such list, or is not the one that is meant.
    """
    if isinstance(data, Embedded):
        difficulty = data.train_difficulty or data.difficulty
        return Training(draw_problems("rl", data.train_problems, difficulty, data.modulus, seed), None)
    path = local(data)
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"data.path={path} cannot be read ({getattr(error, 'strerror', None) or error}): name the file "
            "8k_math_879_answers.json of github.com/CJReinforce/PURE"
        ) from error
    except ValueError as error:
        raise ConfigError(f"data.path={path} is no JSON list ({error})") from error
    return of_rows(rows, data)


def of_rows(rows: Sequence[dict], data: Mathematics) -> Training:
    """Rows of PURE's layout as problems, counted.

    An answered row holds its answer under ``answer``; any other has ``"null"`` there and its true answer under
    ``hidden_answer``, which the file's authors kept for measuring alone.
    """
    problems, answered = [], set()
    for i, row in enumerate(rows):
        absent = [column for column in (data.question, data.answer) if column not in row]
        if absent:
            raise ConfigError(f"data.path={data.path}, row {i}: there is no {absent[0]!r}")
        told = row[data.answer] if row[data.answer] not in NOTHING else None
        hidden = row.get(data.hidden_answer) if data.hidden_answer else None
        problem = Problem(
            f"{data.name}/{i}", row[data.question].strip(), told or (hidden if hidden not in NOTHING else None)
        )
        problems.append(problem)
        if told:
            answered.add(problem.id)
    found = (len(problems), len(answered))
    if found != (data.train_problems, data.answered_problems):
        raise ConfigError(
            f"data.path={data.path} holds {found[0]} problems and answers {found[1]} of them: data.train_problems="
            f"{data.train_problems} and data.answered_problems={data.answered_problems} are meant"
        )
    return Training(problems, frozenset(answered) if data.answered_by == "file" else None)


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
        problems = {"train": training(config.data, config.seed).problems, "validation": validation(config)}
        own = {name: digest(some) for name, some in problems.items()}
    return own | {
        one.name: one.digest
        if isinstance(one, Published)
        else (digest if isinstance(one, TestSet) else references_digest)(problems_of(one, config))
        for one in config.score.benchmarks
    }
