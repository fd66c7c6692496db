r"""``python -m pure_repro.grading disagree FILE``: where the profiles differ on a file of responses.

FILE is JSON Lines, one object with ``response`` and ``reference`` a line. Printed are the responses that some
profile accepts and another one does not, each with its answer and every verdict, then how often they differ.
"""

import argparse
import importlib.util
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pure_repro.grading import PROFILES, Verdict, grade_many


def read_responses(path: Path) -> tuple[list[str], list[str]]:
    """Responses and references of a file.

    Raises ``ValueError`` naming the file and line that is not such an object.
    """
    responses, references = [], []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        try:
            row = json.loads(line)
            response, reference = row["response"], row["reference"]
        except (ValueError, KeyError, TypeError):
            response = reference = None
        if not (isinstance(response, str) and isinstance(reference, str)):
            raise ValueError(f"{path}:{number}: a line must be a JSON object with strings 'response' and 'reference'.")
        responses.append(response)
        references.append(reference)
    return responses, references


def disagreements(verdicts: dict[str, list[Verdict]]) -> list[int]:
    """Indices at which some profile accepts and another does not.

    >>> yes, no = Verdict("correct", "1", ""), Verdict("wrong", "1", "")
    >>> disagreements({"strict": [yes, yes, no], "published": [yes, no, no]})
    [1]
    """
    return [i for i, row in enumerate(zip(*verdicts.values(), strict=True)) if len({v.correct for v in row}) == 2]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the disagreements of a file."""
    parser = argparse.ArgumentParser(prog="python -m pure_repro.grading", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="disagree")
    command = commands.add_parser("disagree", help="where the profiles differ on a file of responses")
    command.add_argument("file", type=Path)
    command.add_argument("--profiles", nargs="+", choices=PROFILES, default=None, help="default: all installed")
    command.add_argument("--deadline", type=float, default=5.0, help="seconds per answer")
    options = parser.parse_args(arguments)
    installed = [name for name in PROFILES if name != "math_verify" or importlib.util.find_spec("math_verify")]
    try:
        responses, references = read_responses(options.file)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    verdicts = {
        profile: grade_many(responses, references, profile, deadline=options.deadline)
        for profile in options.profiles or installed
    }
    differing = disagreements(verdicts)
    for i in differing:
        print(f"line {i + 1}: reference {references[i]}")
        for profile, row in verdicts.items():
            print(f"  {profile:<12} {row[i].status:<11} {shortened(row[i].answer)} ({row[i].reason})")
    print(f"{len(differing)} of {len(responses)} responses differ.")
    for profile, row in verdicts.items():
        counts = Counter(verdict.status for verdict in row)
        print(f"  {profile:<12} " + ", ".join(f"{count} {status}" for status, count in counts.most_common()))
    return 0


def shortened(answer: str | None, width: int = 60) -> str:
    """The end of an answer, on one line.

    >>> shortened("x" * 100, width=5), shortened(None)
    ('…xxxx', '-')
    """
    text = " ".join((answer or "-").split())
    return text if len(text) <= width else "…" + text[1 - width :]


if __name__ == "__main__":
    sys.exit(main())
