"""Where the real benchmark files lie, and the two tables of verdicts."""

import csv
import json
import os
from pathlib import Path

import pytest

from pure_repro.grading import extract_answer

HERE = Path(__file__).parent
DATA = Path(os.environ.get("PURE_REPRO_DATA", HERE.parents[2] / "shared" / "data"))


def table(name: str) -> list[dict[str, str]]:
    """Rows of a tab-separated table; a line that begins with ``# `` is a heading."""
    lines = [line for line in (HERE / name).read_text().splitlines() if not line.startswith("# ")]
    return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def references() -> dict[str, list[tuple[str, str | None]]]:
    """Every reference of the six benchmarks, with its boxed solution where the file has one."""
    folder = DATA / "benchmarks"
    if not folder.is_dir():
        pytest.skip(f"no benchmark files in {folder}: set PURE_REPRO_DATA to the folder that holds benchmarks/")

    def rows(name: str) -> list[dict]:
        return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]

    def boxed(solution: str) -> str:
        return solution[solution.rindex("\\boxed") :]

    return {
        "math500": [(row["answer"], row["solution"]) for row in rows("math500")],
        "aime24": [(row["answer"], row["solution"]) for row in rows("aime24")],
        "amc23": [(str(row["answer"]), None) for row in rows("amc23")],
        "minerva_math": [(boxed(row["solution"]), row["solution"]) for row in rows("minerva_math")],
        "olympiadbench": [(row["final_answer"][0], None) for row in rows("olympiadbench")],
        "gsm8k": [(row["answer"].split("####")[1].strip(), None) for row in rows("gsm8k")],
    }


def all_references() -> list[str]:
    """The distinct references of six benchmarks and of a training set, without dollars, sorted."""
    answers = [extract_answer(text) or text for rows in references().values() for text, _ in rows]
    texts = {text.replace("$", "") for text in answers}
    training = DATA / "math8k_879_answers.json"
    if training.exists():
        texts |= {row["ref_answer"] for row in json.loads(training.read_text())}
    return sorted(texts - {""})  # which is no answer
