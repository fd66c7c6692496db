"""Every response that was scored, one JSON object a line, and the verdicts on them, line by line beside it."""

import gzip
import json
import zlib
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from pure_repro.config import ConfigError, Grading
from pure_repro.grading import Verdict, grade_many

GENERATIONS, VERDICTS = "generations.jsonl.gz", "verdicts.jsonl.gz"
# Of both what is read again; a response has prompt_sha, seed, tokens and finish beside them.
SAID = ("checkpoint", "set", "plan", "problem", "question", "answer", "sample", "response")
JUDGED = ("status", "answer")

Generation = Mapping[str, Any]


def write_lines(path: Path, rows: Sequence[Generation]) -> None:
    """Write compressed JSON Lines, whole or not at all; without a time stamp, so that equal rows give equal bytes."""
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    beside = path.with_name(f"{path.name}.new")
    beside.write_bytes(gzip.compress(lines.encode(), mtime=0))
    beside.replace(path)


def read_lines(path: Path, *columns: str) -> list[dict[str, Any]]:
    """The rows of compressed JSON Lines, which must have these columns.

    Raises ``ConfigError`` where they are other than they were written, ``FileNotFoundError`` where there are none.
    """
    try:
        lines = gzip.decompress(path.read_bytes()).decode().split("\n")
        rows: list[dict[str, Any]] = [json.loads(line) for line in lines[:-1]]
    except (gzip.BadGzipFile, EOFError, zlib.error, ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not as it was written: {error}") from error
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict) or not row.keys() >= set(columns):
            raise ConfigError(f"{path} is not as it was written: row {number} has no {', '.join(columns)}")
    return rows


def tolerances(benchmarks: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The relative tolerance of every set that has one.

    >>> tolerances([{"name": "minerva_math", "rel_tol": 0.01}, {"name": "mine"}])
    {'minerva_math': 0.01}
    """
    return {one["name"]: one["rel_tol"] for one in benchmarks if "rel_tol" in one}


def grade_generations(rows: Sequence[Generation], tolerance: Mapping[str, float], grading: Grading) -> list[Verdict]:
    """The verdict on every response.

    ``tolerance`` maps a set of measured numbers to the relative error that counts as right there. It is of the strict
    rules: the others are to judge as they judged published numbers, by the tolerance that they have themselves.
    """
    verdicts: list[Verdict] = []
    for name, group in groupby(rows, key=lambda row: row["set"]):
        asked = list(group)
        rel_tol = tolerance.get(name, 0.0) if grading.profile == "strict" else 0.0
        verdicts += grade_many(
            [row["response"] for row in asked],
            [row["answer"] for row in asked],
            rel_tol=rel_tol,
            **grading.model_dump(),
        )
    return verdicts


def write_verdicts(path: Path, verdicts: Sequence[Verdict]) -> None:
    """Write what was decided on every response, and by which rule."""
    write_lines(path, [{"status": v.status, "answer": v.answer, "reason": v.reason} for v in verdicts])
