"""A report on one screen: the table at a glance, what each claim did, what more seeds would decide, where to look."""

from collections.abc import Sequence
from pathlib import Path
from shutil import get_terminal_size
from textwrap import wrap

from pure_repro.report.cells import Record
from pure_repro.report.claims import Claim
from pure_repro.report.sections import at
from pure_repro.report.write import Report

GAP = "  "


def screen(report: Report, out: Path) -> str:
    """The last screen of a table that was made; everything else is in the files that it names."""
    seeds = report.results.seeds
    parts = [
        f"{report.results.about.title}, in percent with 95 % intervals over {over(len(seeds))}:",
        aligned(report.table),
        *(f"missing: {report.results.labels[one.row]}{at(one.seed)}: {one.reason}" for one in report.results.missing),
        *(["", *claims(report.claims, len(seeds))] if report.claims else []),
        "",
        f"All tables: {out / 'table.md'}" + (f"    claims: {out / 'claims.md'}" if report.claims else ""),
        f"Figures: {', '.join(str(path) for path in sorted(out.glob('*.png')))}    numbers: {out / 'table.csv'}",
    ]
    return "\n".join(parts)


def over(seeds: int) -> str:
    """What an interval is over.

    >>> over(1), over(3)
    ('problems alone (one seed says nothing about other seeds)', '3 seeds and problems')
    """
    return f"{seeds} seeds and problems" if seeds > 1 else "problems alone (one seed says nothing about other seeds)"


def aligned(table: Sequence[Record], width: int | None = None) -> str:
    """Records as columns that stand below each other, the last ones left to the file where a screen is too narrow.

    >>> print(aligned([{"arm": "base", "sampled, last": "1.0"}, {"arm": "PRM, sum", "sampled, last": "0.5"}]))
    arm       sampled, last
    base                1.0
    PRM, sum            0.5
    """
    room = width or get_terminal_size((120, 40)).columns
    columns = list(table[0])
    sizes = {name: max(len(name), *(len(str(one[name])) for one in table)) for name in columns}
    while len(columns) > 2 and sum(sizes[name] + len(GAP) for name in columns) > room + len(GAP):
        columns.pop()
    lines = [dict(zip(columns, columns, strict=True)), *table]
    first, *others = columns
    return "\n".join(
        GAP.join([str(one[first]).ljust(sizes[first]), *(str(one[name]).rjust(sizes[name]) for name in others)])
        for one in lines
    )


def claims(decided: Sequence[Claim], seeds: int) -> list[str]:
    """What every claim did in these seeds, one a line, and what more of them would decide."""
    which = "this seed" if seeds == 1 else f"these {seeds} seeds"
    lines = [f"The claims, and what {which} said of each:"]
    for one in decided:
        evidence = one.decision.evidence
        said = evidence.verdict if evidence.verdict != "cannot tell" else f"cannot tell; {evidence.leaning}"
        lines += wrap(f"{one.statement}: {said}", 116, initial_indent="  ", subsequent_indent="    ")
    open_ones = [one.decision.evidence.seeds_needed for one in decided if one.decision.verdict == "cannot tell"]
    needed = [number for number in open_ones if number is not None]
    if needed:
        lines.append(
            f"If other seeds come out as {which} did, {min(needed)} in all decide the first of the open claims and "
            f"{max(needed)} decide {len(needed)} of {len(open_ones)}; a mean over seeds needs at least 2 to say."
        )
    elif open_ones:
        lines.append("Where a claim cannot be told, at least 2 seeds are needed to say how many would decide it.")
    return lines
