"""From responses and verdicts to the numbers of a score: per problem, per set, and over the sets.

The same responses and verdicts give the same bytes.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from pure_repro.config import Grading
from pure_repro.grading import Verdict, answers_match, extract_answer
from pure_repro.score.estimators import majority, pass_at, powers_of_two
from pure_repro.score.generations import Generation
from pure_repro.score.intervals import Interval, mean_accuracy
from pure_repro.score.markdown import markdown_table, percent

ScoreRecord = dict[str, Any]
FORM = ("unboxed", "cut_off", "mean_tokens")
AVERAGE = "average"


def outcomes(rows: Sequence[Generation], verdicts: Sequence[Verdict], grading: Grading) -> ScoreRecord:
    """What happened to every problem of one set: right or wrong, greedy, in each sample, and by majority.

    ``digest`` identifies problems and references. The shares are of the sampled responses where there are any.
    """
    judged = list(zip(rows, verdicts, strict=True))
    greedy = [(row, verdict) for row, verdict in judged if row["plan"] == "greedy"]
    sampled = [
        list(group)
        for _, group in groupby(
            (pair for pair in judged if pair[0]["plan"] == "sampled"), lambda pair: pair[0]["problem"]
        )
    ]
    asked = [(row["question"], row["answer"]) for row, _ in greedy]
    shown = [row for row, _ in (pair for group in sampled for pair in group)] or [row for row, _ in greedy]
    return {
        "greedy": [int(verdict.correct) for _, verdict in greedy],
        "sampled": [[int(verdict.correct) for _, verdict in group] for group in sampled],
        "majority": [int(right_by_majority([verdict for _, verdict in group], grading)) for group in sampled],
        "unboxed": sum(extract_answer(row["response"]) is None for row in shown) / len(shown),
        "cut_off": sum(row["finish"] == "length" for row in shown) / len(shown),
        "mean_tokens": sum(row["tokens"] for row in shown) / len(shown),
        "digest": hashlib.sha256(json.dumps(asked, ensure_ascii=False).encode()).hexdigest()[:12],
    }


def right_by_majority(verdicts: Sequence[Verdict], grading: Grading) -> bool:
    """Whether the most frequent answer of some samples is right; samples without an answer do not vote."""
    match = partial(answers_match, **grading.model_dump())
    chosen = majority([verdict.answer for verdict in verdicts], match)
    return chosen is not None and verdicts[chosen].correct


def per_problem(sets: dict[str, ScoreRecord], measure: str) -> list[np.ndarray]:
    """Per set the value of every problem, one row: ``greedy``, ``mean``, ``majority`` or ``pass@<k>``."""
    values = []
    for one in sets.values():
        if measure == "mean":
            of_problems = [sum(right) / len(right) for right in one["sampled"]]
        elif measure.startswith("pass@"):
            of_problems = [pass_at(int(measure[5:]), sum(right), len(right)) for right in one["sampled"]]
        else:
            of_problems = one[measure]
        values.append(np.array([of_problems], float))
    return values


def estimates(sets: dict[str, ScoreRecord]) -> ScoreRecord:
    """Every measure of some sets that each of them has, averaged over the sets, with its 95 % interval.

    The intervals are those of ``mean_accuracy``. Nothing is rounded before it is averaged.
    """
    fewest = min(min(map(len, one["sampled"]), default=0) for one in sets.values())
    measures = ["greedy"]
    if fewest:
        measures += ["mean", "majority", *(f"pass@{k}" for k in powers_of_two(fewest))]
    intervals = {measure: mean_accuracy(per_problem(sets, measure)) for measure in measures}
    form = {key: sum(one[key] for one in sets.values()) / len(sets) for key in FORM}
    return {"problems": sum(len(one["greedy"]) for one in sets.values()), "samples": fewest} | intervals | form


def tables(checkpoints: dict[str, dict[str, ScoreRecord]]) -> list[ScoreRecord]:
    """A record per checkpoint and set, and one over the sets of a checkpoint where there are several."""
    rows = []
    for checkpoint, sets in checkpoints.items():
        groups = {name: {name: one} for name, one in sets.items()} | ({AVERAGE: sets} if len(sets) > 1 else {})
        rows += [{"checkpoint": checkpoint, "set": name} | estimates(group) for name, group in groups.items()]
    return rows


def scores_markdown(records: Sequence[ScoreRecord], grading: Grading, scored: Mapping[str, str]) -> str:
    """The table as a reader wants it, a section per checkpoint."""
    sections = [
        f"# Scores, graded by the {grading.profile} rules",
        "In percent, with 95 % intervals over problems: Wilson's, with as many trials as the variance is worth, and "
        "of the average no narrower than those of its sets together. "
        "*mean*: accuracy averaged over the samples of a problem; *pass*: the chance that one of that many is right; "
        "*majority*: the most frequent answer is right. Unboxed and cut off are shares of the sampled responses.",
    ]
    for checkpoint, group in groupby(records, lambda record: record["checkpoint"]):
        lines = []
        for one in group:
            has_samples = one["samples"] > 0
            lines.append(
                [
                    one["set"],
                    str(one["problems"]),
                    percent(one["greedy"]),
                    str(one["samples"]) if has_samples else "–",
                    *(
                        percent(one[measure]) if has_samples else "–"
                        for measure in ("mean", f"pass@{one['samples']}", "majority")
                    ),
                    *(f"{100 * one[key]:.1f}" for key in ("unboxed", "cut_off")),
                    f"{one['mean_tokens']:.0f}",
                ]
            )
        header = ["set", "problems", "greedy", "samples", "mean", "pass", "majority", "unboxed", "cut off", "tokens"]
        what = [f"`{scored[checkpoint]}`"] if checkpoint in scored else []
        sections += [f"## Checkpoint {checkpoint}", *what, markdown_table(header, lines)]
    return "\n\n".join(sections) + "\n"


def write_scores(
    rows: Sequence[Generation], verdicts: Sequence[Verdict], grading: Grading, scored: Mapping[str, str], out: Path
) -> None:
    """Write ``scores.json`` (per problem, so that any interval can be computed later), ``table.json``, ``table.md``.

    ``scored`` says what each checkpoint is: hub id and revision, folder and digest, or the stage that made it.
    """
    checkpoints: dict[str, dict[str, ScoreRecord]] = {}
    judged = zip(rows, verdicts, strict=True)
    for (checkpoint, name), group in groupby(judged, key=lambda pair: (pair[0]["checkpoint"], pair[0]["set"])):
        asked, decided = zip(*group, strict=True)
        checkpoints.setdefault(checkpoint, {})[name] = outcomes(asked, decided, grading)
    records = tables(checkpoints)
    (out / "table.md").write_text(scores_markdown(records, grading, scored))
    rounded = [{key: round_for_file(value) for key, value in record.items()} for record in records]
    (out / "table.json").write_text(
        json.dumps({"grading": grading.profile, "scored": scored, "rows": rounded}, indent=1) + "\n"
    )
    (out / "scores.json").write_text(json.dumps({"checkpoints": checkpoints}, indent=1) + "\n")


def round_for_file(value: Any) -> Any:
    """A number for a file, with as many digits as every machine agrees on.

    >>> round_for_file(1 / 3), round_for_file(Interval(0.5, 0.1, 2 / 3)), round_for_file("math500"), round_for_file(30)
    (0.333333, [0.5, 0.1, 0.666667], 'math500', 30)
    """
    if isinstance(value, Interval):
        return [round(x, 6) for x in value]
    return round(value, 6) if isinstance(value, float) else value
