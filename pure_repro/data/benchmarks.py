r"""Benchmarks in: rows of the hub, of the web, of a local folder or of a user's file, read into problems and checked.

A published benchmark is known by its problem count and by the digest of its references, wherever it was read from.
"""

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pure_repro.config import Benchmark, Config, ConfigError, Embedded, FileSet, HubSet, Published, TestSet, UrlSet
from pure_repro.data.files import column, file_rows, text_in
from pure_repro.data.world import TEST_SEED, draw_problems
from pure_repro.grading.extract import last_box_alone
from pure_repro.types import Problem

PRINTED_LIST = re.compile(r"\s*\[\s*['\"]")  # as str(["8"]) has it; an interval has no quotes


def problems_of(benchmark: Benchmark, config: Config) -> list[Problem]:
    """The problems of one set, the first ``score.problems_per_set`` of them.

    Raises ``ConfigError`` for a missing file, a malformed line, and a benchmark that is not the one meant.
    """
    score = config.score
    if isinstance(benchmark, TestSet):
        assert score.problems_per_set is not None and isinstance(config.data, Embedded)  # the schema says so
        return draw_problems("test", score.problems_per_set, benchmark.difficulty, config.data.modulus, TEST_SEED)
    problems = read_file(benchmark) if isinstance(benchmark, FileSet) else whole_benchmark(benchmark, score.data_dir)
    return problems[: score.problems_per_set]


def whole_benchmark(benchmark: HubSet | UrlSet, folder: Path | None) -> list[Problem]:
    """All problems of a benchmark, from where it lies or of ``folder / <name>.jsonl``, counted and compared."""
    if folder is None:
        source, arguments = source_of(benchmark)
        rows = downloaded(benchmark.name, source, arguments)
    else:
        path = folder / f"{benchmark.name}.jsonl"
        source, rows = str(path), file_rows(path)
    problems = [
        Problem(f"{benchmark.name}/{i}", *texts_of(row, benchmark, benchmark.reading, benchmark.answer_type, place))
        for i, (place, row) in enumerate(rows)
    ]
    if len(problems) != benchmark.problems:
        raise ConfigError(f"{source} holds {len(problems)} problems, and {benchmark.name} has {benchmark.problems}")
    found = references_digest(problems)
    if benchmark.digest not in (None, found):
        raise ConfigError(
            f"{source} is not the {benchmark.name} meant: its references have the digest {found}, "
            f"conf/benchmark/{benchmark.name}.yaml says {benchmark.digest}"
        )
    return problems


def read_file(benchmark: FileSet) -> list[Problem]:
    """The problems of a user's file; an answer is text or a number, or a list of one or several."""
    problems = [
        Problem(f"{benchmark.name}/{i}", *texts_of(row, benchmark, "text", "list", place))
        for i, (place, row) in enumerate(file_rows(benchmark.path))
    ]
    if not problems:
        raise ConfigError(f"{benchmark.path} holds no problem")
    return problems


def source_of(benchmark: HubSet | UrlSet) -> tuple[str, dict[str, Any]]:
    """Where a benchmark lies, in words, and the arguments of ``load_dataset`` that read it there.

    A file of the web has one split, and the library calls it train.
    """
    if isinstance(benchmark, UrlSet):
        return benchmark.url, {"path": "json", "data_files": benchmark.url, "split": "train"}
    at = {"revision": benchmark.revision, "split": benchmark.split}
    return f"{benchmark.hub} at {benchmark.revision}", {"path": benchmark.hub, "name": benchmark.config} | at


def downloaded(name: str, source: str, arguments: dict[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Rows that do not lie here, each with the words that name it in an error."""
    from datasets import DownloadConfig, load_dataset  # takes seconds to import

    try:
        # what lies behind an address now is read, and no copy of what lay there before
        rows = load_dataset(**arguments, download_config=DownloadConfig(use_etag=True))
    except Exception as error:  # hub, network and library fail in many ways
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise ConfigError(
            f"{name} cannot be read from {source} ({type(error).__name__}: {reason}); "
            f"score.data_dir=folder reads {name}.jsonl instead"
        ) from error
    return [(f"{source}, row {i}", row) for i, row in enumerate(rows)]


def texts_of(
    row: Mapping[str, Any], columns: Published | FileSet, reading: str, answer_type: str, place: str
) -> tuple[str, str]:
    r"""Question and reference of one row.

    >>> columns = FileSet(name="mine", path="mine.jsonl", question="q", answer="a")
    >>> texts_of({"q": " 1+1? ", "a": "1+1\n#### 2"}, columns, "after_hashes", "integer", "row 0")
    ('1+1?', '2')
    """
    question, answer = text_in(row, columns.question, place), column(row, columns.answer, place)
    found = READINGS[reading](answer)
    if found is None:
        raise ConfigError(f"{place}: {columns.answer!r} holds no answer of the kind {reading!r}")
    reference = TYPES[answer_type](found)
    if reference is None:
        raise ConfigError(f"{place}: {columns.answer!r} holds no answer of the type {answer_type!r}: {found!r}")
    return question, reference


def after_hashes(value: Any) -> str | None:
    """What follows the last ``####`` of a GSM8K answer."""
    return str(value).rpartition("####")[2] if "####" in str(value) else None


def boxed(value: Any) -> str | None:
    r"""What the last box of a solution holds, nothing around it; some solutions of MATH box a word without braces.

    >>> boxed(r"so \boxed{\frac{1}{2}}."), boxed(r"so $\boxed 7$."), boxed("none")
    ('\\frac{1}{2}', '7', None)
    """
    bare = re.findall(r"\\boxed\s+([^\s${}]+)", str(value))
    return last_box_alone(str(value)) or (bare[-1] if bare else None)


READINGS: dict[str, Callable[[Any], Any]] = {"text": lambda value: value, "boxed": boxed, "after_hashes": after_hashes}


def integer(value: Any) -> str | None:
    """A whole number by its digits alone, so that it is one number, whether written 025, 25.0 or 2,125.

    A plain comma would also be read as a list of two numbers, in any order.

    >>> integer("025"), integer(27.0), integer("2,125"), integer("-10"), integer(0.5), integer("1,2")
    ('25', '27', '2125', '-10', None, None)
    """
    text = expression_text(value) or ""
    return str(int(text.replace(",", ""))) if re.fullmatch(r"-?(?:\d+|\d{1,3}(?:,\d{3})+)", text) else None


def expression_text(value: Any) -> str | None:
    """An answer as text; a number that is whole without its point. A list that was printed is no answer.

    >>> [expression_text(value) for value in (27.0, " 025 ", 0.5, True, "", ["2"], "['2']", "[2, 3)")]
    ['27', '025', '0.5', None, None, None, None, '[2, 3)']
    """
    match value:
        case bool():
            return None
        case int():
            return str(value)
        case float():
            return (str(int(value)) if value.is_integer() else str(value)) if math.isfinite(value) else None
        case str():
            return None if PRINTED_LIST.match(value) else value.strip() or None
    return None


def one_or_several(value: Any) -> str | None:
    """One answer, or a list of them with commas between.

    >>> one_or_several(["$2$", "$3$"]), one_or_several(2), one_or_several([])
    ('$2$, $3$', '2', None)
    """
    texts = [expression_text(one) for one in (value if isinstance(value, list) else [value])]
    return ", ".join(text for text in texts if text) if texts and all(texts) else None


TYPES = {"integer": integer, "measured": expression_text, "expression": expression_text, "list": one_or_several}


def references_digest(problems: Sequence[Problem]) -> str:
    """A short hash of the references, in order.

    >>> references_digest([Problem("a", "1+1", "2")])
    '68a90152c045'
    """
    text = json.dumps([problem.answer for problem in problems], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
