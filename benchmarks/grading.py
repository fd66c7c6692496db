r"""How fast answers are checked: against Math-Verify on the same responses, and plain integers a second.

    python benchmarks/grading.py [--data FOLDER] [--responses 400] [--rounds 5]

Responses are a few lines of working that end in a box, as a model writes them. Their answers come from the
references of MATH500 and OlympiadBench: the reference itself, the reference typeset another way, and a wrong one (the
reference of another problem). Both checkers see the same responses in one process, on one core, with no worker
process between, one after the other and in the opposite order in the next round. Caches are emptied before each
turn, so both pay for every parse of a round. The ratio is Math-Verify's time over ours; its median over the rounds
counts, because a busy machine slows both.

Math-Verify is not a dependency: ``pip install math-verify --no-deps`` installs it beside Hydra. Without it only our
own figures are printed.
"""

import argparse
import json
import logging
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from pure_repro.grading import grade_many, normalise, parse, strict, sympy_algebra, whitelist
from pure_repro.grading.cheap import rational

WORKING = (
    "Let us think step by step.\n\nFirst we write down what is given and call the unknown $x$. Then "
    r"$2x + 3 = \frac{{7}}{{2}}$, and we get $x = \frac{{1}}{{4}}$ for this part, which we check by substitution."
    "\n\nPutting both parts together, the answer is $\\boxed{{{answer}}}$."
)


def references(folder: Path) -> list[str]:
    """References of MATH500 and OlympiadBench, without dollar signs."""
    rows = [json.loads(line) for line in (folder / "math500.jsonl").read_text().splitlines()]
    texts = [row["answer"] for row in rows]
    rows = [json.loads(line) for line in (folder / "olympiadbench.jsonl").read_text().splitlines()]
    return texts + [row["final_answer"][0].replace("$", "") for row in rows]


def pairs(texts: list[str], count: int) -> list[tuple[str, str]]:
    """Responses and their references: right as written, right in other typesetting, wrong, in turn."""
    chosen = texts[:: max(1, len(texts) // count)][:count]
    made = []
    for i, reference in enumerate(chosen):
        other = chosen[(i + 7) % len(chosen)]
        respelled = (
            reference.replace(r"\frac", r"\dfrac").replace(r"\left", "").replace(r"\right", "").replace("+", " + ")
        )
        made.append((WORKING.format(answer=(reference, respelled, other)[i % 3]), reference))
    return made


def clear_caches() -> None:
    """Empty every cache of ours, and sympy's."""
    from sympy.core.cache import clear_cache

    for cached in (rational, normalise.normalise, parse.parse, whitelist.explicit, sympy_algebra.expression):
        cached.cache_clear()
    clear_cache()


def ours(work: list[tuple[str, str]], algebra: sympy_algebra.SympyAlgebra) -> int:
    """How many we accept."""
    return sum(
        strict.judge(strict.extract(response), reference, algebra=algebra).correct for response, reference in work
    )


def theirs(work: list[tuple[str, str]]) -> int:
    """How many Math-Verify accepts. Its time limits are off: they cost it time, and are signals."""
    from math_verify import parse, verify

    accepted = 0
    for response, reference in work:
        gold = parse(f"${reference}$", parsing_timeout=None)
        accepted += verify(gold, parse(response, parsing_timeout=None), timeout_seconds=None)
    return accepted


def timed(run: Callable[[], int]) -> tuple[float, int]:
    """Processor seconds of this process, and the result."""
    clear_caches()
    start = time.process_time()
    result = run()
    return time.process_time() - start, result


def needs_algebra(work: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The pairs that text and fractions do not decide."""
    return [
        (response, reference) for response, reference in work if not strict.judge(strict.extract(response), reference)
    ]


def compare(name: str, work: list[tuple[str, str]], rounds: int) -> None:
    """Print the ratio."""
    us = partial(ours, work, sympy_algebra.SympyAlgebra())
    them = partial(theirs, work)
    for run in (us, them):
        run()  # imports and parser tables
    ratios = []
    for n in range(rounds):
        order = (us, them) if n % 2 else (them, us)
        seconds = {run: timed(run) for run in order}
        ratios.append(seconds[them][0] / seconds[us][0])
        print(
            f"round {n + 1}: ours {seconds[us][0]:.2f} s ({seconds[us][1]} accepted), "
            f"Math-Verify {seconds[them][0]:.2f} s ({seconds[them][1]} accepted), ratio {ratios[-1]:.1f}"
        )
    print(f"Math-Verify / ours, {len(work)} {name}: median {statistics.median(ratios):.1f}")


def plain_integers(count: int = 256, rounds: int = 40) -> None:
    """Print verdicts a second where every answer is an integer, through the public function."""
    work = [(WORKING.format(answer=7 * n), str(7 * n + n % 2)) for n in range(count)]
    responses, answers = zip(*work, strict=True)
    grade_many(responses, answers)
    rates = []
    for _ in range(rounds):
        clear_caches()
        start = time.process_time()
        grade_many(responses, answers)
        rates.append(count / (time.process_time() - start))
    print(
        f"plain integers: {statistics.median(rates):,.0f} verdicts/s of one core, nothing cached ({rounds} x {count})"
    )


def main() -> None:
    """Run both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(__file__).resolve().parents[2] / "shared" / "data" / "benchmarks"
    parser.add_argument("--data", type=Path, default=default, help="folder with math500.jsonl and olympiadbench.jsonl")
    parser.add_argument("--responses", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    logging.disable(logging.WARNING)  # Math-Verify warns at every call without a time limit
    plain_integers()
    try:
        import math_verify  # noqa: F401
    except ImportError:
        print("Math-Verify is not installed: no ratio (pip install math-verify --no-deps).")
        return
    work = pairs(references(options.data), options.responses)
    compare("responses", work, options.rounds)
    compare("of them that take algebra", needs_algebra(work), options.rounds)


if __name__ == "__main__":
    main()
