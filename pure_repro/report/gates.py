"""What reward models and judges knew before any reinforcement."""

from collections.abc import Mapping
from pathlib import Path

from pure_repro.data.files import read_record
from pure_repro.report.cells import Record
from pure_repro.score.markdown import markdown_table

MEASURES = ("accuracy", "bad_found", "false_alarms", "calibration_error")
PROBES = ("empty", "thanks", "box_only", "half_a_step", "wait", "nine_waits", "repeated")


def what_they_knew(folders: Mapping[str, Path]) -> list[str]:
    """Sections on the gates of reward models and the examinations of judges, from their stage folders by label."""
    judges = {label: exam for label, exam in read_gates(folders).items() if "passed" not in exam}  # they have no bar
    prms = {label: folder for label, folder in folders.items() if label not in judges}
    return [
        *(["## The reward models, before any reinforcement", gate_table(prms)] if prms else []),
        *(["## The judges, before any reinforcement", judge_table(judges)] if judges else []),
    ]


def read_gates(folders: Mapping[str, Path]) -> dict[str, Record]:
    """The figures in stage folders by label."""
    return {label: read_record(folder / "gate.json") for label, folder in folders.items()}


def judge_table(judges: Mapping[str, Record]) -> str:
    """What the examinations of judges found, one a line."""
    lines = [
        [
            label,
            *(f"{100 * examined[measure]:.1f} %" for measure in ("precision", "recall", "f1")),
            f"{examined['steps']:.0f}",
            f"{examined['judge/malformed']:.0f} of {examined['judge/asked']:.0f}",
        ]
        for label, examined in judges.items()
    ]
    return "\n\n".join(
        [
            markdown_table(["judge", "precision", "recall", "F1", "labelled steps", "malformed replies"], lines),
            "On labelled steps: of the subgoals that it says a step achieves, those that it does; and of those that a "
            "step does achieve, those that it says.",
        ]
    )


def gate_table(prms: Mapping[str, Path]) -> str:
    """The gate figures of reward models, one a line, from their stage folders by label."""
    gates = read_gates(prms)
    header = [
        "reward model",
        "gate",
        *(m.replace("_", " ") for m in MEASURES),
        *(f"“{p.replace('_', ' ')}”" for p in PROBES),
    ]
    lines = [
        [label, "passed" if gate["passed"] else "**failed**"]
        + [f"{100 * gate[m]:.1f} %" for m in MEASURES]
        + [f"{gate['probes'][p]:+.2f}" if p in gate["probes"] else "–" for p in PROBES]
        for label, gate in gates.items()
    ]
    kinds = sorted({kind for gate in gates.values() for kind in gate["by_kind"]})
    by_kind = [
        [label]
        + [f"{100 * k['found']:.0f} % of {k['count']}" if (k := gate["by_kind"].get(kind)) else "–" for kind in kinds]
        for label, gate in gates.items()
    ]
    return "\n\n".join(
        [
            markdown_table(header, lines),
            "On steps of fresh samples of the base model, or on whole samples where outcomes were learned. In quotes: "
            "the score of the worst step, from −1 (wrong) to +1 (right), of answers that say nothing, say thanks, only "
            "box a number, break off inside their first step, wait once, wait nine times or repeat a step; a mean over "
            "problems.",
            "Bad steps found, by kind:",
            markdown_table(["reward model", *(kind.replace("_", " ") for kind in kinds)], by_kind),
        ]
    )
