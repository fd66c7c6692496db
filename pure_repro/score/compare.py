"""Two scored runs on the same problems: is one of them better?"""

from math import comb
from pathlib import Path
from typing import Any

from pure_repro.data.files import read_record
from pure_repro.score.intervals import LEVEL, Interval, crossed_bootstrap
from pure_repro.score.markdown import markdown_table, percent
from pure_repro.score.tables import AVERAGE, per_problem

Sets = dict[str, dict[str, Any]]


class Incomparable(Exception):
    """Two runs that were not scored on the same problems, in one sentence."""


def read_sets(words: str) -> Sets:
    """Outcomes per set of ``FOLDER`` or ``FOLDER:CHECKPOINT``.

    Raises ``Incomparable`` where the folder holds no scores, or several checkpoints and none is named.
    """
    name, _, checkpoint = words.partition(":")
    try:
        checkpoints: dict[str, Sets] = read_record(Path(name) / "scores.json", "checkpoints")["checkpoints"]
    except (FileNotFoundError, NotADirectoryError):
        raise Incomparable(f"{name} holds no scores.json: name the folder of a finished stage score") from None
    if not checkpoint and len(checkpoints) == 1:
        return next(iter(checkpoints.values()))
    if checkpoint not in checkpoints:
        raise Incomparable(f"{words}: name one of the checkpoints {', '.join(f'{name}:{one}' for one in checkpoints)}")
    return checkpoints[checkpoint]


def mcnemar(ours: list[int], theirs: list[int]) -> float:
    """The exact two-sided p of McNemar's test: do the problems that one alone solves fall evenly to both?

    With ``b`` problems solved by ours alone, ``c`` by theirs alone, ``n = b + c``:
    ``min(1, 2 Σ_{i ≤ min(b, c)} C(n, i) / 2ⁿ)``.

    >>> mcnemar([1, 1, 1, 1, 1, 1, 0], [0, 0, 0, 0, 0, 0, 0])
    0.03125
    >>> mcnemar([1, 0, 1], [0, 1, 1]), mcnemar([1], [1])
    (1.0, 1.0)
    """
    alone = [a - b for a, b in zip(ours, theirs, strict=True)]
    fewer, discordant = min(alone.count(1), alone.count(-1)), alone.count(1) + alone.count(-1)
    return min(1.0, 2 * sum(comb(discordant, i) for i in range(fewer + 1)) / 2**discordant)


def better_or_worse(difference: Interval) -> str:
    """What an interval of a difference tells.

    >>> [better_or_worse(Interval(*one)) for one in ((0.02, 0.01, 0.03), (-0.02, -0.03, -0.01), (0.0, -0.1, 0.1))]
    ['better', 'worse', 'cannot tell']
    """
    return "better" if difference.low > 0 else "worse" if difference.high < 0 else "cannot tell"


def compare_scores(first: Sets, second: Sets) -> list[dict[str, Any]]:
    """The second run against the first, per set and over the sets both have.

    The difference of each problem's accuracy, averaged, with a bootstrap over the problems. On one set the greedy
    verdict is McNemar's at 5 %, which is exact where few problems differ; elsewhere it is the interval's.

    Raises ``Incomparable`` where they share no set, or a set of one name has other problems.
    """
    shared = [name for name in first if name in second]
    if not shared:
        raise Incomparable(f"they share no set: {', '.join(first)} and {', '.join(second)}")
    for name in shared:
        if first[name]["digest"] != second[name]["digest"]:
            raise Incomparable(f"they were not scored on the same problems of {name}")
    lines = []
    for measure in ("greedy", "mean"):
        if measure == "mean" and not all(run[name]["sampled"] for run in (first, second) for name in shared):
            continue
        differences = {
            name: per_problem({name: second[name]}, measure)[0] - per_problem({name: first[name]}, measure)[0]
            for name in shared
        }
        groups = {name: [one] for name, one in differences.items()}
        if len(shared) > 1:
            groups[AVERAGE] = list(differences.values())
        for name, arrays in groups.items():
            interval = crossed_bootstrap(arrays)
            p, said = None, better_or_worse(interval)
            if measure == "greedy" and name != AVERAGE:
                p = mcnemar(second[name]["greedy"], first[name]["greedy"])
                said = "cannot tell" if p >= 1 - LEVEL else "better" if interval.estimate > 0 else "worse"
            lines.append({"set": name, "measure": measure, "difference": interval, "p": p, "verdict": said})
    return lines


def comparison_markdown(lines: list[dict[str, Any]]) -> str:
    """The comparison as a table."""
    return markdown_table(
        ["set", "measure", "second − first, points", "McNemar's p", "the second is"],
        [
            [
                line["set"],
                line["measure"],
                percent(line["difference"]),
                "–" if line["p"] is None else f"{line['p']:.3f}",
                line["verdict"],
            ]
            for line in lines
        ],
    )
