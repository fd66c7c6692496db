"""Solutions whose steps somebody has judged, read from published sets or from a file of one's own."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pure_repro.config import ConfigError, Examined, Split, StepSet
from pure_repro.data.files import column, list_or_lines, text_in
from pure_repro.prm.labels import verdicts_of

Row = Mapping[str, Any]
Verdicts = tuple[bool | None, ...]  # of every step whether it is right; None: nobody says


@dataclass(frozen=True)
class Solution:
    """A problem, the steps of a solution, and what is known of them.

    ``problem`` names what solutions share where they are of one problem: they are no independent evidence.
    """

    problem: str
    group: str  # the split, or the kind of its errors
    question: str
    steps: tuple[str, ...]
    right: Verdicts

    @property
    def first_wrong(self) -> int | None:
        """The number of the first wrong step, from 0; ``None`` where there is none.

        >>> Solution("a", "math", "1+1?", ("1+1=3", "so 3"), (False, None)).first_wrong
        0
        """
        return self.right.index(False) if False in self.right else None


def solutions_of(examined: Examined) -> list[Solution]:
    """Every solution of a set, ``examined.problems`` of each split at most.

    Raises ``ConfigError`` for a file that cannot be read, a row that is not laid out as the set says, and a set that
    is not the one meant.
    """
    chosen, found = examined.on, list[Solution]()
    sources: dict[str, tuple[str, list[tuple[str, Row]], Split | None]] = {}
    if chosen.path is not None:
        sources[chosen.path.stem] = (str(chosen.path), list_or_lines(chosen.path), None)
    else:
        sources |= {name: open_split(chosen, name, examined.data_dir) for name in chosen.splits}
    for name, (source, rows, split) in sources.items():
        one = [solution for place, row in rows for solution in LAYOUTS[chosen.layout](row, chosen, name, place)]
        if not one:
            raise ConfigError(f"{source} holds no solution")
        if split is not None:
            require_the_one(chosen, name, source, len(rows), one, split)
        problems = list(dict.fromkeys(solution.problem for solution in one))[: examined.problems]
        found += [solution for solution in one if solution.problem in set(problems)]
    return found


def open_split(chosen: StepSet, split: str, folder: Path | None) -> tuple[str, list[tuple[str, Row]], Split]:
    """Where a split lies, its rows, and what proves that it is the one meant."""
    if folder is not None:
        path = next((p for p in (folder / f"{split}.json", folder / f"{split}.jsonl") if p.exists()), None)
        if path is None:
            raise ConfigError(f"{folder} holds no {split}.jsonl of on={chosen.name}: name the folder in data_dir")
        return str(path), list_or_lines(path), chosen.splits[split]
    from datasets import load_dataset  # takes seconds to import

    source = f"{chosen.hub} at {chosen.revision}"
    try:
        rows = load_dataset(chosen.hub, revision=chosen.revision, split=split)
    except Exception as error:  # hub, network and library fail in many ways
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise ConfigError(
            f"on={chosen.name} cannot be read from {source} ({type(error).__name__}: {reason}); data_dir=folder reads "
            f"{split}.jsonl instead"
        ) from error
    return source, [(f"{source}, {split}, row {i}", row) for i, row in enumerate(rows)], chosen.splits[split]


def require_the_one(
    chosen: StepSet, name: str, source: str, rows: int, found: Sequence[Solution], split: Split
) -> None:
    """Raises ``ConfigError`` where a split has other rows or verdicts than ``conf/on/`` says."""
    if split.rows not in (None, rows):
        raise ConfigError(
            f"{source} holds {rows} rows of {name}, and on={chosen.name} has {split.rows}: on.path=file reads a part"
        )
    if split.digest not in (None, digest := verdicts_digest(found)):
        raise ConfigError(
            f"{source} is not the {name} of on={chosen.name}: its verdicts have the digest {digest}, "
            f"conf/on/{chosen.name}.yaml says {split.digest}"
        )


def verdicts_digest(solutions: Sequence[Solution]) -> str:
    """A short hash of questions, steps and verdicts, in order.

    >>> verdicts_digest([Solution("a", "math", "1+1?", ("2",), (True,))])
    '7697f2c1293a'
    """
    text = json.dumps([(one.question, one.steps, one.right) for one in solutions], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def first_wrong(row: Row, columns: StepSet, name: str, place: str) -> list[Solution]:
    """A row that names its first wrong step, as ProcessBench's do: nobody has judged what comes after it.

    >>> from pure_repro.config import StepSet
    >>> columns = StepSet(name="file", hub=None, revision=None, splits={}, path="mine.jsonl", layout="first_wrong",
    ...                   question="q", steps="s", verdicts="v", group=None, measure="first_error")
    >>> first_wrong({"q": "1+1+1?", "s": ["1+1=2", "2+1=4", "so 4"], "v": 1}, columns, "mine", "row 0")[0].right
    (True, False, None)
    """
    question, steps = said(row, columns, place)
    at = column(row, columns.verdicts, place)
    if type(at) is not int or not -1 <= at < len(steps):
        raise ConfigError(f"{place}: {columns.verdicts!r} must be the number of a step from 0, or -1: {at!r}")
    right = (True,) * len(steps) if at == -1 else (True,) * at + (False,) + (None,) * (len(steps) - at - 1)
    return [Solution(known(question), row_group(row, columns, name, place), question, steps, right)]


def labels(row: Row, columns: StepSet, name: str, place: str) -> list[Solution]:
    """A row with a verdict for every step, or for the first so many; after the first wrong one they mean nothing.

    >>> from pure_repro.config import StepSet
    >>> columns = StepSet(name="file", hub=None, revision=None, splits={}, path="mine.jsonl", layout="labels",
    ...                   question="q", steps="s", verdicts="v", group=None, measure="steps")
    >>> labels({"q": "1+1+1?", "s": ["1+1=2", "2+1=4"], "v": [True, False]}, columns, "mine", "row 0")[0].right
    (True, False)
    """
    question, steps = said(row, columns, place)
    verdicts = column(row, columns.verdicts, place)
    if not isinstance(verdicts, list) or len(verdicts) > len(steps):
        raise ConfigError(f"{place}: {columns.verdicts!r} must have true or false for every step: {verdicts!r}")
    kept = verdicts_of(verdicts, -1 in verdicts, place)
    kept = kept[: kept.index(False) + 1] if False in kept else kept
    right = (*kept, *[None] * (len(steps) - len(kept)))
    return [Solution(known(question), row_group(row, columns, name, place), question, steps, right)]


ORIGINAL, ORIGINALS_OF = "correct", "redundency"  # PRMBench scores the solutions that its redundant ones were made of


def prmbench(row: Row, columns: StepSet, name: str, place: str) -> list[Solution]:
    """A solution that was made wrong, with the numbers of its wrong steps, and what it was made of.

    Of right solutions PRMBench takes those behind one kind of rows, so that each is there once. A few of its rows name
    a step beyond their last, which nobody can be asked about.
    """
    question, steps = said(row, columns, place)
    wrong = column(row, columns.verdicts, place)
    if not isinstance(wrong, list) or not all(type(at) is int and at > 0 for at in wrong):
        raise ConfigError(f"{place}: {columns.verdicts!r} must be numbers of steps from 1: {wrong!r}")
    problem = str(column(row, "idx", place))
    kind = row_group(row, columns, name, place)
    found = [Solution(problem, kind, question, steps, tuple(at + 1 not in wrong for at in range(len(steps))))]
    if kind == ORIGINALS_OF:
        before = steps_in(row, "original_process", place)
        right = (True,) * len(before)
        found.append(Solution(problem, ORIGINAL, question_in(row, "original_question", place), before, right))
    return found


LAYOUTS: dict[str, Callable[[Row, StepSet, str, str], list[Solution]]] = {
    "first_wrong": first_wrong,
    "labels": labels,
    "prmbench": prmbench,
}


def said(row: Row, columns: StepSet, place: str) -> tuple[str, tuple[str, ...]]:
    """Question and steps of a row."""
    return question_in(row, columns.question, place), steps_in(row, columns.steps, place)


def question_in(row: Row, name: str, place: str) -> str:
    """The text of a column, to the letter: digests of sets are of it."""
    text_in(row, name, place)
    question: str = row[name]
    return question


def steps_in(row: Row, name: str, place: str) -> tuple[str, ...]:
    """The steps of a column, of which there is one at least."""
    steps = column(row, name, place)
    if not isinstance(steps, list) or not steps or not all(isinstance(step, str) for step in steps):
        raise ConfigError(f"{place}: {name!r} must be a list of texts, at least one")
    return tuple(steps)


def known(question: str) -> str:
    """What tells a problem from others: solutions of one question are of one problem."""
    return hashlib.sha256(question.encode()).hexdigest()[:12]


def row_group(row: Row, columns: StepSet, name: str, place: str) -> str:
    """The kind of a row, or the split that it is of."""
    return name if columns.group is None else str(column(row, columns.group, place))
