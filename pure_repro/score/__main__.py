"""What can be done with a finished score, without a model.

``python -m pure_repro.score regrade DIR grading=published`` grades the kept responses again, by other rules.
``python -m pure_repro.score compare A B`` compares two runs on the same problems.
``python -m pure_repro.score choose DIR prm=local prm.path=folder`` lets a reward model choose among the kept responses.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pure_repro.config import Chosen, ConfigError
from pure_repro.data.files import read_record
from pure_repro.launch.commands import composed_for
from pure_repro.launch.compose import composed, require_grader
from pure_repro.launch.weights import folder_of_reader, identity_of_reader
from pure_repro.models.finite import NotFinite
from pure_repro.models.served import key_of
from pure_repro.score.compare import Incomparable, compare_scores, comparison_markdown, read_sets
from pure_repro.score.generations import (
    GENERATIONS,
    SAID,
    VERDICTS,
    grade_generations,
    read_lines,
    tolerances,
    write_verdicts,
)
from pure_repro.score.tables import write_scores


def regrade(folder: Path, words: Sequence[str]) -> Path:
    """Grade the responses of a score folder, by its own rules or those that ``words`` choose; returns where.

    Raises ``ConfigError`` for a mistake in the words, ``FileNotFoundError`` where the folder is no score's.
    """
    if strange := [word for word in words if word.split("=")[0].split(".")[0] != "grading"]:
        raise ConfigError(f"{strange[0]} is nothing to grade by: take grading=published, or grading.deadline=10")
    config = read_record(folder / "config.yaml", "grading", "score")
    own = [f"grading={config['grading']['profile']}"] if not any(w.startswith("grading=") for w in words) else []
    grading = composed([*own, *words]).grading
    require_grader(grading)
    rows = read_lines(folder / GENERATIONS, *SAID, "tokens", "finish")
    if not rows:
        raise ConfigError(f"{folder / GENERATIONS} holds no response: score again")
    scored = read_record(folder / "table.json").get("scored", {})
    out = folder / "regraded" / grading.profile
    out.mkdir(parents=True, exist_ok=True)
    verdicts = grade_generations(rows, tolerances(config["score"]["benchmarks"]), grading)
    write_verdicts(out / VERDICTS, verdicts)
    write_scores(rows, verdicts, grading, scored, out)
    return out


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command."""
    parser = argparse.ArgumentParser(
        prog="python -m pure_repro.score", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, dest="command")
    again = commands.add_parser("regrade", help="grade the kept responses again")
    again.add_argument("folder", type=Path, help="the folder of a finished stage score")
    again.add_argument("words", nargs="*", metavar="grading=…", help="the rules; default: those of the score itself")
    both = commands.add_parser("compare", help="is the second run better than the first?")
    for name in ("first", "second"):
        both.add_argument(name, help="FOLDER, or FOLDER:CHECKPOINT where it scored several")
    best = commands.add_parser("choose", help="the best of n by a reward model, beside votes")
    best.add_argument("folder", type=Path, help="the folder of a finished stage score")
    best.add_argument("words", nargs="*", metavar="key=value", help="of conf/choose.yaml: prm=…, aggregates=[min]")
    options = parser.parse_args(arguments)
    try:
        if options.command == "regrade":
            out = regrade(options.folder, options.words)
            print((out / "table.md").read_text())
            print(f"Written to {out}")
        elif options.command == "choose":
            out = choose_by(options.folder, options.words)
            print((out / "table.md").read_text())
            print(f"Written to {out}")
        else:
            print(comparison_markdown(compare_scores(read_sets(options.first), read_sets(options.second))))
    except (FileNotFoundError, NotADirectoryError) as error:
        return refuse(f"{error.filename} is missing: name the folder of a finished stage score")
    except OSError as error:
        return refuse(f"{error.filename}: {error.strerror}")
    except (ConfigError, Incomparable, NotFinite) as error:
        return refuse(str(error))
    return 0


def choose_by(folder: Path, words: Sequence[str]) -> Path:
    """Let a reward model choose as some words say; returns where its table lies."""
    chosen = composed_for("choose", Chosen, words)
    address = key_of(identity_of_reader(chosen.prm))[:12]

    from pure_repro.score.choose import choose_responses  # imports torch, which a mistake in the words does not need

    return choose_responses(folder, chosen, address, folder_of_reader)


def refuse(sentence: str) -> int:
    """Say what is wrong with the request; the exit status for that."""
    print(f"pure-repro: {sentence}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
