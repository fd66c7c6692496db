"""Which aggregate of step scores chooses best? The embedded base's responses, chosen by the reward model fitted to it.

``python experiments/best_of_n/best_of_n.py seeds=5 samples=64 out=results/best_of_n`` makes what is missing of base,
reward model and scores, lets each reward model choose, and writes the table, the figure and the claims.
"""

import json
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np

from pure_repro.launch.compose import composed
from pure_repro.launch.plan import plan
from pure_repro.score.estimators import powers_of_two
from pure_repro.score.intervals import Interval, over_seeds, paired_difference
from pure_repro.score.markdown import markdown_table, percent

matplotlib.use("Agg")
import matplotlib.pyplot as plt

# Written before the runs: a statement, the way that is to be ahead, and of which; at the largest n, by seeds.
CLAIMS = [
    ("The best by the softmin-weighted sum is ahead of the majority", "best by min", "majority"),
    ("The form that trains best (min) chooses better than the sum", "best by min", "best by sum"),
    ("The softmin-weighted sum chooses better than the mean", "best by min", "best by mean"),
    ("The softmin-weighted sum chooses better than the last step alone", "best by min", "best by last"),
    ("The exact minimum chooses better than the softmin-weighted sum", "best by min_strict", "best by min"),
    ("A vote weighed by scores is ahead of the plain one", "majority, weighed by min", "majority"),
]


def run(*words: str) -> None:
    """One command of the suite, to its end."""
    subprocess.run([sys.executable, "-m", *words], check=True, stdout=subprocess.DEVNULL)


def curves(seed: int, samples: int, overrides: list[str]) -> dict[str, dict[int, float]]:
    """Accuracy by way and n of one seed, averaged over the test sets."""
    words = [f"seed={seed}", f"score.samples={samples}", "track=none", *overrides]
    fitted, scored = ([*words, f"stages=[{stages}]"] for stages in ("base,prm", "base,score"))
    for stages in (fitted, scored):
        run("pure_repro", *stages)
    model = plan(composed(fitted))["prm"].folder / "model"
    score = plan(composed(scored))["score"].folder
    prompt = composed(scored).score.prompt
    run("pure_repro.score", "choose", str(score), f"prm.path={model}", f"prm.prompt='{prompt}'")
    newest = max((score / "choose").iterdir(), key=lambda folder: folder.stat().st_mtime)
    rows = json.loads((newest / "curves.json").read_text())
    return {one["way"]: {int(n): x[0] for n, x in one["at"].items()} for one in rows if one["set"] == "average"}


def claims(found: list[dict[str, dict[int, float]]], most: int) -> list[list[str]]:
    """How the claims fall: the difference at the largest n, by seeds."""
    lines = []
    for statement, way, than in CLAIMS:
        gap = paired_difference([one[way][most] for one in found], [one[than][most] for one in found])
        verdict = "holds" if gap.low > 0 else "does not hold" if gap.high < 0 else "cannot tell"
        lines.append([statement, percent(gap) if len(found) > 1 else f"{100 * gap.estimate:+.1f} (one seed)", verdict])
    return lines


def draw(found: list[dict[str, dict[int, float]]], ns: list[int], out: Path) -> None:
    """Accuracy by n, the mean over seeds, a line for each way to choose."""
    figure, axes = plt.subplots(figsize=(7, 4.5))
    for way in found[0]:
        style = "--" if way in ("pass", "majority") else "-"
        axes.plot(ns, [100 * np.mean([one[way][n] for one in found]) for n in ns], style, marker=".", label=way)
    axes.set(xscale="log", xlabel="responses n", ylabel="accuracy, percent", xticks=ns, xticklabels=ns)
    axes.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(out / "curves.png", dpi=150)


def main() -> None:
    """The table, the figure and the claims."""
    told = dict(word.split("=", 1) for word in sys.argv[1:] if word.split("=")[0] in ("seeds", "samples", "out"))
    overrides = [word for word in sys.argv[1:] if word.split("=")[0] not in told]
    seeds, samples, out = int(told["seeds"]), int(told["samples"]), Path(told["out"])
    found = [curves(seed, samples, overrides) for seed in range(1, seeds + 1)]
    ns = powers_of_two(samples)

    def cell(way: str, n: int) -> str:
        values: Interval = over_seeds([one[way][n] for one in found])
        return percent(values) if seeds > 1 else f"{100 * values.estimate:.1f}"

    rows = [[way, *(cell(way, n) for n in ns)] for way in found[0]]
    expected = json.loads((Path(__file__).parent / "expected.json").read_text())
    published = [[row["label"], *(f"{value:.1f}" for value in row["values"])] for row in expected["rows"]]
    out.mkdir(parents=True, exist_ok=True)
    (out / "table.md").write_text(
        f"Accuracy in percent of the response taken among n, averaged over the embedded test sets; {seeds} seeds, "
        f"95 % intervals over seeds.\n\n{markdown_table(['way', *(f'n = {n}' for n in ns)], rows)}\n\n"
        f"## Published: {expected['source']}\n\n{expected['protocol']}.\n\n"
        f"{markdown_table(['way', *expected['columns']], published)}\n"
    )
    header = ["claim, written before the runs", f"difference at n = {samples}, points", "here"]
    (out / "claims.md").write_text(markdown_table(header, claims(found, samples)) + "\n")
    (out / "curves.json").write_text(json.dumps(found, indent=1) + "\n")
    draw(found, ns, out)


if __name__ == "__main__":
    main()
