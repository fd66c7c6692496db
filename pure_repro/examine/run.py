"""Examine a reward model: score every step of a set once, keep the scores, make figures of them as often as asked."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from tqdm import tqdm

from pure_repro.config import ConfigError, Examined, Reading
from pure_repro.data.files import read_record
from pure_repro.examine.tables import chosen_on, examination_markdown, records
from pure_repro.models.served import key_of
from pure_repro.prm.probes import SAYS_NOTHING, SAYS_THE_SAME
from pure_repro.prm.readers import Reader, open_reader
from pure_repro.prm.solutions import Solution, solutions_of, verdicts_digest
from pure_repro.score.generations import read_lines, write_lines
from pure_repro.score.tables import round_for_file

SCORES = "scores.jsonl.gz"
SCORED = ("problem", "group", "right", "scores")  # its columns
UNREACHED = "no reply"  # in effort.json: why, where there was none
FolderOf = Callable[[Reading], Path]
AT_ONCE = 64  # solutions between two looks at the progress


def examine(examined: Examined, identity: Mapping[str, Any], folder_of: FolderOf, published: Path) -> Path:
    """Figures of one reward model on one set, in ``store/examined/<address>``; returns the folder.

    ``identity`` says what the model is, ``folder_of`` fetches it, ``published`` holds figures of others. Scores that
    are kept from before are not made again: another threshold or measure costs nothing.

    Where a served model did not reply, the same command asks it again.

    Raises ``ConfigError`` for a set that cannot be read or is not the one meant, a threshold that names nothing, and a
    model that gave no scores at all.
    """
    solutions = solutions_of(examined)
    if isinstance(examined.threshold, str):  # before a model is asked for hours
        chosen_on([{"problem": one.problem, "group": one.group} for one in solutions], examined.threshold)
    made_of = {
        **identity,
        "solutions": verdicts_digest(solutions),
        "probes": examined.probes,
    }
    folder = examined.store / "examined" / key_of(made_of)[:12]
    folder.mkdir(parents=True, exist_ok=True)
    if not all_scored(folder):
        reader = open_reader(examined.prm, folder_of, folder / "replies.sqlite", examined.packed_tokens)
        score_solutions(reader, solutions, examined, folder)
        (folder / "config.yaml").write_text(yaml.safe_dump(made_of, sort_keys=False))
    rows, effort = read_lines(folder / SCORES, *SCORED), read_record(folder / "effort.json", "steps", "seconds")
    if not any(row["scores"] for row in rows):
        trouble = ", ".join(f"{name}: {said}" for name, said in effort.items() if name not in ("steps", "seconds"))
        raise ConfigError(f"prm={examined.prm.name} gave no scores ({trouble})")
    found = records(rows, examined)
    probes = json.loads((folder / "probes.json").read_text())
    table = examination_markdown(found, probes, effort, examined, json.loads(published.read_text()))
    (folder / "table.md").write_text(table)
    kept = [{name: round_for_file(value) for name, value in record.items()} for record in found]
    (folder / "figures.json").write_text(json.dumps(kept, indent=1) + "\n")
    return folder


def all_scored(folder: Path) -> bool:
    """Whether an examination is there to which nothing is missing."""
    return (folder / SCORES).exists() and UNREACHED not in read_record(folder / "effort.json")


def score_solutions(reader: Reader, solutions: Sequence[Solution], examined: Examined, folder: Path) -> None:
    """Score the steps of all solutions, then of what is made of some right ones; the scores are written last."""
    start, rows = time.perf_counter(), []
    steps = sum(len(one.steps) for one in solutions)
    with tqdm(total=steps, desc="examine", unit="step") as bar:
        for first in range(0, len(solutions), AT_ONCE):
            some = solutions[first : first + AT_ONCE]
            scores = reader([(one.question, one.steps) for one in some])
            rows += [
                {"problem": one.problem, "group": one.group, "right": one.right, "scores": said}
                for one, said in zip(some, scores, strict=True)
            ]
            bar.update(sum(len(one.steps) for one in some))
    seconds = time.perf_counter() - start
    trouble = {name: n for name, n in reader.counts.items() if n} | (
        {UNREACHED: reader.reason} if reader.reason else {}
    )
    effort = {"steps": steps, "seconds": round(seconds, 2), **trouble}
    (folder / "effort.json").write_text(json.dumps(effort))
    faultless = [one for one in solutions if None not in one.right and all(one.right)][: examined.probes]
    (folder / "probes.json").write_text(json.dumps(probe_reader(reader, faultless), indent=1))
    write_lines(folder / SCORES, rows)


def probe_reader(reader: Reader, solutions: Sequence[Solution]) -> list[dict[str, Any]]:
    """What a reward model makes of right solutions that were spoilt or restyled (:mod:`pure_repro.prm.probes`).

    A response is worth its lowest step score: of those that say nothing its mean; of those that say the same how much
    it moves.
    """
    if not solutions:
        return []
    before = lowest(reader, [(one.question, list(one.steps)) for one in solutions])
    found = []
    for kind, answers in (("says nothing", SAYS_NOTHING), ("says the same", SAYS_THE_SAME)):
        for name, made in answers.items():
            after = lowest(reader, [(one.question, made(one.steps)) for one in solutions])
            pairs = [(a, b) for a, b in zip(before, after, strict=True) if a is not None and b is not None]
            count = max(len(pairs), 1)
            moved = [abs(a - b) if kind == "says the same" else b for a, b in pairs]
            found.append({"kind": kind, "probe": name, "answers": len(pairs), "score": sum(moved) / count})
    return found


def lowest(reader: Reader, asked: Sequence[tuple[str, Sequence[str]]]) -> list[float | None]:
    """The lowest step score of every solution."""
    return [min(scores) if scores else None for scores in reader(asked)]
