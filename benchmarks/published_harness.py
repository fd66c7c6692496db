"""The ``published`` rules beside the harness that they follow, on the same responses.

    python benchmarks/published_harness.py --harness Qwen2.5-Math/evaluation --python .venv-harness/bin/python \
        [--outputs math_cot_100.jsonl] [--variants 2000]

``--harness`` is the folder ``evaluation`` of a checkout of QwenLM/Qwen2.5-Math; ``--python`` an interpreter that has
what it imports (sympy==1.12, antlr4-python3-runtime==4.11.1, its own latex2sympy, regex). Two kinds of pairs: the kept
outputs of a released run (``code`` and ``gt`` of every line), and variants of real references and rows of the table of
verdicts (``tests/grading``), drawn with a seed. Each pair on which the two differ is printed, and the counts at the
end.
"""

import argparse
import json
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]

from pure_repro.grading import grade_many  # noqa: E402
from tests.grading.conftest import all_references, table  # noqa: E402
from tests.grading.variants import EQUAL, NEAR  # noqa: E402

SEED = 3
HARNESS = r"""
import contextlib, io, json, signal, sys, types
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/latex2sympy"]
sys.modules["utils"] = types.ModuleType("utils")  # of its data sets: not needed
from grader import math_equal
from parser import extract_answer, strip_string

class Late(BaseException): pass
def late(*_): raise Late
signal.signal(signal.SIGALRM, late)
for line in sys.stdin:
    pair = json.loads(line)
    signal.alarm(60)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            prediction = strip_string(extract_answer(pair["response"], "math"))
            right = bool(math_equal(prediction, strip_string(pair["reference"])))
    except (Late, Exception):
        right = False
    signal.alarm(0)
    print(json.dumps(right), flush=True)
"""

Pair = dict[str, str]


def outputs(path: Path) -> list[Pair]:
    """The kept outputs of a released run."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [{"kind": "output", "response": said, "reference": row["gt"]} for row in rows for said in row["code"]]


def variants(count: int) -> list[Pair]:
    """As many of every transformation, and rows of the table for what is left."""
    texts = all_references()
    random.Random(SEED).shuffle(texts)
    tables = {f"equal {name}": f for name, f in EQUAL.items()} | {f"near {name}": f for name, f in NEAR.items()}
    most = count // len(tables) + 1
    pairs = []
    for kind, transformation in tables.items():
        of_kind = [pair for text in texts for pair in transformation(text)][:most]
        pairs += [(kind, answer, reference) for answer, reference in of_kind]
    rows = table("verdicts.tsv")
    random.Random(SEED).shuffle(rows)
    pairs += [("row of the table", row["answer"], row["reference"]) for row in rows]
    return [
        {"kind": kind, "response": rf"The answer is \boxed{{{answer}}}.", "reference": reference}
        for kind, answer, reference in pairs[:count]
    ]


def of_the_harness(pairs: list[Pair], folder: Path, python: str) -> list[bool]:
    """Its verdicts."""
    lines = "".join(json.dumps(pair) + "\n" for pair in pairs)
    run = subprocess.run(
        [python, "-c", HARNESS, str(folder)], input=lines, stdout=subprocess.PIPE, text=True, check=True
    )
    return [json.loads(line) for line in run.stdout.splitlines()]


def main() -> None:
    """Run both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--harness", type=Path, required=True)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--outputs", type=Path)
    parser.add_argument("--variants", type=int, default=2000)
    options = parser.parse_args()
    pairs = (outputs(options.outputs) if options.outputs else []) + variants(options.variants)
    ours = grade_many([p["response"] for p in pairs], [p["reference"] for p in pairs], "published", deadline=10.0)
    theirs = of_the_harness(pairs, options.harness.resolve(), options.python)
    tried, differing = Counter[str](), Counter[str]()
    for pair, verdict, right in zip(pairs, ours, theirs, strict=True):
        kind = pair["kind"] if pair["kind"] == "output" else "variant"
        tried[kind] += 1
        if verdict.correct != right:
            differing[kind] += 1
            said = pair["response"][-120:].replace("\n", " ")
            print(f"{pair['kind']}: {said} against {pair['reference']}: harness {right}, here {verdict.status}")
    for kind, count in tried.items():
        print(f"{kind}: {count} pairs, {differing[kind]} on which the two differ")


if __name__ == "__main__":
    main()
