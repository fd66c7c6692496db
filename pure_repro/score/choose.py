"""``choose``: what a reward model makes of kept responses, the best of n beside votes and what was there to be found.

Step scores are kept beside the responses, so that another aggregate or another vote needs no model again.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from pure_repro.config import Chosen, ConfigError, Grading, Reading
from pure_repro.data.files import read_record
from pure_repro.grading import answers_match
from pure_repro.prm.readers import open_reader
from pure_repro.score.choosing import aggregated, best_of, groups_of, vote
from pure_repro.score.estimators import pass_at, powers_of_two
from pure_repro.score.generations import GENERATIONS, JUDGED, SAID, VERDICTS, Generation, read_lines, write_lines
from pure_repro.score.intervals import Interval, crossed_bootstrap
from pure_repro.score.markdown import markdown_table, percent
from pure_repro.score.tables import AVERAGE, round_for_file

AT_ONCE = 64  # responses between two looks at the progress
Judged = Mapping[str, Any]  # a response with its verdict and the scores of its steps


def choose_responses(folder: Path, chosen: Chosen, address: str, folder_of: Callable[[Reading], Path]) -> Path:
    """Best-of-n curves of the sampled responses of a score, in ``choose/<address>`` inside its folder.

    Raises ``ConfigError`` where no response was sampled or none got a score, ``FileNotFoundError`` where the folder is
    no score's.
    """
    rows, verdicts = read_lines(folder / GENERATIONS, *SAID), read_lines(folder / VERDICTS, *JUDGED)
    if len(verdicts) != len(rows):
        raise ConfigError(f"{folder / VERDICTS} judges {len(verdicts)} of {len(rows)} responses: score again")
    if not any(row["plan"] == "sampled" for row in rows):
        raise ConfigError(f"{folder} holds no sampled responses: score with score.samples above 1")
    grading = Grading.model_validate(read_record(folder / "config.yaml", "grading")["grading"] | WORKERS)
    out = folder / "choose" / address
    out.mkdir(parents=True, exist_ok=True)
    scores = sampled_step_scores(rows, chosen, folder_of, out)
    judged = [
        {**row, "verdict": verdict["status"] == "correct", "said": verdict["answer"], "scores": said}
        for row, verdict, said in zip(rows, verdicts, scores, strict=True)
        if row["plan"] == "sampled"
    ]
    match = partial(answers_match, **grading.model_dump()) if chosen.same == "checker" else letter_by_letter
    records = curves(judged, chosen, match)
    (out / "curves.json").write_text(json.dumps(records, indent=1) + "\n")
    (out / "table.md").write_text(curves_markdown(records, chosen))
    return out


WORKERS = {"workers": 2}  # how many grade is no part of a score's address, and changes no verdict


def letter_by_letter(answer: str, other: str) -> bool:
    """Whether two answers are one text, as votes of published harnesses count them."""
    return answer.strip() == other.strip()


def sampled_step_scores(
    rows: Sequence[Generation], chosen: Chosen, folder_of: Callable[[Reading], Path], out: Path
) -> list[list[float] | None]:
    """The scores of the steps of every sampled response, line by line as the responses; none of the greedy ones.

    They are kept, but where a served model did not reply: the same command asks it again. Raises ``ConfigError`` where
    no response got a score.
    """
    kept = out / "step_scores.jsonl.gz"
    if kept.exists():
        return [line["scores"] for line in read_lines(kept, "scores")]
    reader = open_reader(chosen.prm, folder_of, out / "replies.sqlite", chosen.packed_tokens)
    sampled = [i for i, row in enumerate(rows) if row["plan"] == "sampled"]
    found: list[list[float] | None] = [None] * len(rows)
    for first in tqdm(range(0, len(sampled), AT_ONCE), desc="step scores", unit="batch"):
        some = sampled[first : first + AT_ONCE]
        said = reader([(rows[i]["question"], rows[i]["response"].split("\n\n")) for i in some])
        for i, scores in zip(some, said, strict=True):
            found[i] = scores
    missing = sum(not found[i] for i in sampled)
    why = reader.reason or ", ".join(f"{name}: {count}" for name, count in reader.counts.items() if count)
    if missing == len(sampled):
        raise ConfigError(f"prm={chosen.prm.name} gave no scores ({why})")
    if missing:
        print(f"warning: {missing} of {len(sampled)} responses have no scores ({why})", file=sys.stderr)
    if not reader.reason:
        write_lines(kept, [{"scores": scores} for scores in found])
    return found


def curves(judged: Sequence[Judged], chosen: Chosen, match: Callable[[str, str], bool]) -> list[dict[str, Any]]:
    """A record per checkpoint, set and way to choose: the accuracy at every n, with its interval over problems."""
    found = []
    for checkpoint, of_checkpoint in groupby(judged, key=lambda row: row["checkpoint"]):
        sets = {name: by_problem(list(some)) for name, some in groupby(of_checkpoint, key=lambda row: row["set"])}
        samples = min(len(one) for problems in sets.values() for one in problems)
        values = {name: ways(problems, chosen, match, samples) for name, problems in sets.items()}
        for name in [*sets, *([AVERAGE] if len(sets) > 1 else [])]:
            parts = [values[name]] if name in values else list(values.values())
            for way in parts[0]:
                at = {n: crossed_bootstrap([part[way][n] for part in parts]) for n in powers_of_two(samples)}
                found.append(
                    {
                        "checkpoint": checkpoint,
                        "set": name,
                        "way": way,
                        "at": {n: round_for_file(x) for n, x in at.items()},
                    }
                )
    return found


def by_problem(rows: Sequence[Judged]) -> list[list[Judged]]:
    """The responses to each problem."""
    return [list(some) for _, some in groupby(rows, key=lambda row: row["problem"])]


def ways(
    problems: Sequence[Sequence[Judged]], chosen: Chosen, match: Callable[[str, str], bool], samples: int
) -> dict[str, dict[int, np.ndarray]]:
    """Per way to choose and n the value of every problem, one row."""
    found: dict[str, list[dict[int, float]]] = {}
    for responses in problems:
        right = [one["verdict"] for one in responses]
        groups = groups_of([one["said"] for one in responses], match)
        ballot: dict[str, Any] = {"groups": groups, "right": right, "orders": chosen.orders}
        scores = {
            name: [aggregated(one["scores"], name, chosen.softmin.temperature) for one in responses]
            for name in chosen.aggregates
        }
        shares = [min(max((1 + score) / 2, 0.0), 1.0) for score in scores[chosen.aggregates[0]]]
        of_problem: dict[str, Callable[[int], float]] = {
            **{f"best by {name}": partial(best_of, scores=said, right=right) for name, said in scores.items()},
            "majority": partial(vote, weights=[1.0] * len(right), **ballot),
            f"majority, weighed by {chosen.aggregates[0]}": partial(vote, weights=shares, **ballot),
            "pass": partial(pass_at, right=sum(right), samples=len(right)),
        }
        for way, value in of_problem.items():
            found.setdefault(way, []).append({n: value(n) for n in powers_of_two(samples)})
    return {
        way: {n: np.array([[one[n] for one in values]]) for n in powers_of_two(samples)}
        for way, values in found.items()
    }


def curves_markdown(records: Sequence[Mapping[str, Any]], chosen: Chosen) -> str:
    """The curves as tables, one per checkpoint and set."""
    said = {"checker": "by the rules of the score", "string": "letter by letter"}[chosen.same]
    sections = [
        f"# Chosen by prm={chosen.prm.name}",
        "Accuracy in percent of the response that is taken among n, with 95 % intervals over problems; every n is the "
        f"mean over ways to draw n of the kept responses. Answers are one {said}.",
    ]
    for (checkpoint, name), some in groupby(records, key=lambda one: (one["checkpoint"], one["set"])):
        lines = list(some)
        header = ["way", *(f"n = {n}" for n in lines[0]["at"])]
        rows = [[one["way"], *(percent(Interval(*x)) for x in one["at"].values())] for one in lines]
        sections += [f"## Checkpoint {checkpoint}, {name}", markdown_table(header, rows)]
    return "\n\n".join(sections) + "\n"
