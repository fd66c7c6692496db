r"""``python -m pure_repro.grading disagree FILE``: where the profiles differ on a file of responses.
``python -m pure_repro.grading check-references FILE``: which references of a data set the checker cannot read.

``disagree`` reads JSON Lines, one object with ``response`` and ``reference`` a line. Printed are the responses that
some profile accepts and another one does not, each with its answer and every verdict, then how often they differ.

``check-references`` reads JSON Lines or a JSON list of objects. The reference stands in ``reference``, ``answer`` or
``final_answer``, whichever comes first, or in the key that ``--column`` names: a text, a number, or a list of these. An
answer of a text that ends in ``#### 7`` or in a box is read from there. Status 1 where one cannot be read.
"""

import argparse
import importlib.util
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pure_repro.grading import PROFILES, Verdict, as_text, extract_answer, grade_many
from pure_repro.grading.compare import Algebra
from pure_repro.grading.strict import unreadable


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


COLUMNS = ("reference", "answer", "final_answer")


def read_references(path: Path, column: str | None = None) -> list[tuple[int, object]]:
    """Every reference of a data set with the number of its line, or of its place in a JSON list.

    Raises ``ValueError`` naming the file and the row that has none.
    """
    text = path.read_text()
    lines: list[str] = text.splitlines()
    try:
        rows = json.loads(text) if text.lstrip().startswith("[") else [json.loads(line) for line in lines]
    except ValueError:
        raise ValueError(f"{path}: a data set is JSON Lines, one object a line, or a JSON list of objects.") from None
    references: list[tuple[int, object]] = []
    for number, row in enumerate(rows, 1):
        keys = [column] if column else [key for key in COLUMNS if isinstance(row, dict) and key in row]
        if not keys or not isinstance(row, dict) or keys[0] not in row:
            raise ValueError(f"{path}:{number}: no {column or ' or '.join(COLUMNS)}; --column names the key.")
        value = row[keys[0]]
        references.extend((number, one) for one in (value if isinstance(value, list) else [value]))
    return references


def fault(reference: object) -> str | None:
    r"""What the checker cannot read of a reference, ``None`` where it can read all of it.

    >>> fault("so 3+4 = 7\n#### 7"), fault(7), fault(r"\sum_{k=1}^n k"), fault(None)
    (None, None, "\\sum is not in an answer's vocabulary", 'no text')
    """
    text = as_text(reference)
    if text is None:
        return "no text"
    return unreadable(extract_answer(text) or text.rpartition("####")[2].strip(), Algebra())


def check_references(options: argparse.Namespace) -> int:
    """Print the references that cannot be read."""
    references = read_references(options.file, options.column)
    faults = [(number, one, reason) for number, one in references if (reason := fault(one)) is not None]
    for number, one, reason in faults:
        print(f"line {number}: {shortened(str(one))} ({reason})")
    print(f"{len(faults)} of {len(references)} references cannot be read.")
    return int(bool(faults))


def disagree(options: argparse.Namespace) -> int:
    """Print the disagreements of a file."""
    installed = [name for name in PROFILES if name != "math_verify" or importlib.util.find_spec("math_verify")]
    responses, references = read_responses(options.file)
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of the two commands; a file that cannot be read is one sentence and status 1."""
    parser = argparse.ArgumentParser(
        prog="python -m pure_repro.grading", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="disagree | check-references")
    command = commands.add_parser("disagree", help="where the profiles differ on a file of responses")
    command.add_argument("file", type=Path)
    command.add_argument("--profiles", nargs="+", choices=PROFILES, default=None, help="default: all installed")
    command.add_argument("--deadline", type=float, default=5.0, help="seconds per answer")
    command.set_defaults(run=disagree)
    command = commands.add_parser("check-references", help="which references of a data set cannot be read")
    command.add_argument("file", type=Path)
    command.add_argument("--column", default=None, help=f"key of the reference; default: {', '.join(COLUMNS)}")
    command.set_defaults(run=check_references)
    options = parser.parse_args(arguments)
    try:
        return int(options.run(options))
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1


def shortened(answer: str | None, width: int = 60) -> str:
    """The end of an answer, on one line.

    >>> shortened("x" * 100, width=5), shortened(None)
    ('…xxxx', '-')
    """
    text = " ".join((answer or "-").split())
    return text if len(text) <= width else "…" + text[1 - width :]


if __name__ == "__main__":
    sys.exit(main())
