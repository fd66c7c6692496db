"""What a reward model is worth, before or without training against it.

``python -m pure_repro.prm examine prm=local prm.path=folder on=processbench``: scores of solutions with verdicts.
``python -m pure_repro.prm compare A B`` compares two examinations of the same solutions.
"""

import argparse
import sys
from collections.abc import Sequence
from math import isfinite
from pathlib import Path

from pure_repro.config import ConfigError, Examined
from pure_repro.launch import CONF
from pure_repro.launch.commands import composed_for
from pure_repro.launch.weights import folder_of_reader, identity_of_reader
from pure_repro.models.finite import NotFinite

PUBLISHED = CONF.parent / "experiments" / "reward_models" / "expected.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command."""
    parser = argparse.ArgumentParser(
        prog="python -m pure_repro.prm", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, dest="command")
    one = commands.add_parser("examine", help="figures of one reward model on one set")
    one.add_argument("words", nargs="*", metavar="key=value", help="of conf/examine.yaml: prm=…, on=…, threshold=…")
    both = commands.add_parser("compare", help="is the second better than the first?")
    for name in ("first", "second"):
        both.add_argument(name, type=Path, help="the folder that an examination printed")
    both.add_argument("--measure", default="first_error", choices=("first_error", "prm_score", "steps"))
    both.add_argument("--threshold", default=0.0, type=a_threshold, help="a step is wrong at or below it")
    options = parser.parse_args(arguments)
    try:
        if options.command == "examine":
            examine_by(options.words)
        else:
            from pure_repro.examine.compare import compare_prms, prm_comparison_markdown

            print(
                prm_comparison_markdown(compare_prms(options.first, options.second, options.measure, options.threshold))
            )
    except OSError as error:
        print(f"pure-repro: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    except (ConfigError, NotFinite) as error:
        print(f"pure-repro: {error}", file=sys.stderr)
        return 2
    return 0


def a_threshold(word: str) -> float:
    """A number that scores can be compared with; ``argparse`` tells of what is none.

    >>> a_threshold("0.5")
    0.5
    """
    if not isfinite(number := float(word)):
        raise argparse.ArgumentTypeError(f"{word} is no number to compare with")
    return number


def examine_by(words: Sequence[str]) -> None:
    """Examine as some words say; prints the table and where it lies."""
    examined = composed_for("examine", Examined, words)
    identity = identity_of_reader(examined.prm)

    from pure_repro.examine.run import examine  # imports torch, which a mistake in the words does not need

    folder = examine(examined, identity, folder_of_reader, PUBLISHED)
    print((folder / "table.md").read_text())
    print(f"Written to {folder}")


if __name__ == "__main__":
    sys.exit(main())
