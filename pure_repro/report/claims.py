"""Claims against what was measured, each decided by a rule stated beside it.

Every rule has the same form: a quantity, its 95 % interval over seeds, and a boundary. The claim *holds* where
the interval lies wholly beyond the boundary, *does not hold here* where it lies wholly on the other side, and
*cannot tell* otherwise, so that one seed can never decide.

A rule is a function of the results and of its keys in ``claims.yaml``, which are its keywords.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from pathlib import Path
from statistics import median
from typing import Literal, NamedTuple

from pure_repro.config.base import ConfigError
from pure_repro.report.about import Statement
from pure_repro.report.cells import Training
from pure_repro.report.milestones import level_of, steps_to_level, way_it_broke
from pure_repro.report.results import Results
from pure_repro.score.intervals import Interval, over_seeds, paired_difference, student, wilson
from pure_repro.score.markdown import markdown_table, number_with_interval

ClaimVerdict = Literal["holds", "does not hold here", "cannot tell"]
Leaning = Literal["for it", "against it", "neither"]
Trainings = Mapping[str, Sequence[Training]]

EARLY = 0.5  # of the longest arm's steps
LEVELS = (0.8, 0.9, 1.0)  # of a reference's final accuracy
MOST_SEEDS = 1000  # that are worth naming


class Evidence(NamedTuple):
    """A quantity over seeds held against a boundary, above which the claim is right."""

    interval: Interval
    verdict: ClaimVerdict
    leaning: Leaning  # of these seeds, whether or not they decide
    seeds_needed: int | None  # for a verdict, if all seeds came out as these did; unknown where nothing can be said


class Decision(NamedTuple):
    """What a rule found: the evidence, the rule in words, and the figures."""

    evidence: Evidence
    rule: str
    figures: str

    @property
    def verdict(self) -> ClaimVerdict:
        """Of the claim."""
        return self.evidence.verdict


@dataclass(frozen=True)
class Claim:
    """A statement, where it is made, and what came of it here."""

    statement: str
    paper: str
    decision: Decision


def claim_verdict(interval: Interval, boundary: float) -> ClaimVerdict:
    """``holds`` above the boundary, ``does not hold here`` below it, ``cannot tell`` across it.

    >>> claim_verdict(wilson(5, 5), 0.5), claim_verdict(wilson(0, 5), 0.5), claim_verdict(wilson(3, 3), 0.5)
    ('holds', 'does not hold here', 'cannot tell')
    """
    if interval.low > boundary:
        return "holds"
    return "does not hold here" if interval.high < boundary else "cannot tell"


def share_of_seeds(count: int, seeds: int) -> Evidence:
    """In ``count`` of some seeds it is as the claim says: Wilson's interval of the share against one half.

    >>> share_of_seeds(1, 1).verdict, share_of_seeds(1, 1).leaning, share_of_seeds(1, 1).seeds_needed
    ('cannot tell', 'for it', 4)
    """

    def expected(number: int) -> Interval:
        return wilson(round(share.estimate * number), number)

    share = wilson(count, seeds)
    return _evidence(share, 0.5, first_to_decide(expected, 0.5) if seeds else None)


def mean_of_seeds(values: Sequence[float], boundary: float) -> Evidence:
    """The mean of a quantity of every seed: Student's interval against the boundary.

    >>> mean_of_seeds([0.1, 0.5], 0.0).verdict, mean_of_seeds([0.1, 0.5], 0.0).seeds_needed
    ('cannot tell', 6)
    """

    def expected(number: int) -> Interval:
        half = (mean.high - mean.estimate) * student(number) / student(len(values))
        return Interval(mean.estimate, mean.estimate - half, mean.estimate + half)

    mean = over_seeds(values)
    return _evidence(mean, boundary, first_to_decide(expected, boundary) if len(values) > 1 else None)


def first_to_decide(expected: Callable[[int], Interval], boundary: float) -> int | None:
    """The smallest number of seeds whose expected interval is clear of a boundary."""
    return next((n for n in range(2, MOST_SEEDS) if claim_verdict(expected(n), boundary) != "cannot tell"), None)


def _evidence(interval: Interval, boundary: float, seeds_needed: int | None) -> Evidence:
    leaning: Leaning = "neither"
    if interval.estimate != boundary and interval.estimate == interval.estimate:
        leaning = "for it" if interval.estimate > boundary else "against it"
    return Evidence(interval, claim_verdict(interval, boundary), leaning, seeds_needed)


def claims_of(results: Results) -> list[Claim]:
    """Every claim of the experiment, decided."""
    return [Claim(one.statement, one.paper, RULES[one.rule](results, **one.keywords)) for one in results.about.claims]


def check_claims(statements: Sequence[Statement], rows: Sequence[str]) -> None:
    """See that every claim has its rule's keys and speaks of rows that exist. Raises ``ConfigError``."""
    for one in statements:
        keys = [p.name for p in inspect.signature(RULES[one.rule]).parameters.values() if p.kind is p.KEYWORD_ONLY]
        if set(keys) != set(one.keywords):
            raise ConfigError(
                f"claims: “{one.statement}” is decided by rule {one.rule}, whose keys are {', '.join(keys)}"
            )
        named = [one.keywords.get("row"), one.keywords.get("than"), *one.keywords.get("over", [])]
        for row in named:
            if row is not None and row not in rows:
                raise ConfigError(f"claims: “{one.statement}” speaks of {row}, which is no row: take {', '.join(rows)}")


def write_claims(claims: Sequence[Claim], results: Results, path: Path) -> None:
    """Write decided claims: all verdicts first, then each with its figures and its rule."""
    seeds = results.seeds
    sections = [
        "# The claims against these runs",
        "A claim *holds* where the 95 % interval of the quantity in its rule lies wholly on the claim's side of a "
        "boundary, *does not hold here* where it lies wholly on the other side, and *cannot tell* otherwise. "
        f"Arms are compared within a seed. Seeds: {', '.join(map(str, seeds))}"
        + (" (one seed decides nothing)." if len(seeds) == 1 else "."),
        markdown_table(["claim", "verdict"], [[one.statement, f"**{one.decision.verdict}**"] for one in claims]),
        *(
            f"## {one.statement}\n\n**{one.decision.verdict.capitalize()}.** {one.decision.figures}\n\n"
            f"*Rule:* {one.decision.rule}\n\n*Paper:* {one.paper}"
            for one in claims
        ),
    ]
    path.write_text("\n\n".join(sections) + "\n")


def compare(results: Results, *, measure: str, row: str, than: str, side: str, by: int | float) -> Decision:
    """``row`` against ``than`` in a measure, within a seed: is it on that side of it, by so much?"""
    values = results.measure(measure)
    ours, theirs = values.get(row, {}), values.get(than, {})
    seeds = sorted(ours.keys() & theirs.keys())
    sign = 1.0 if side == "higher" else -1.0
    pairs = [(sign * ours[seed], sign * theirs[seed]) for seed in seeds]
    if all(isfinite(a) and isfinite(b) for a, b in pairs):
        evidence = mean_of_seeds([a - b for a, b in pairs], float(by))
        figure = f"{side.capitalize()} by {number_with_interval(evidence.interval, digits=3)} on average."
        rule = f"mean difference within a seed, Student interval over seeds against {by:g}."
    else:  # a level that was never reached has no mean
        beyond = sum(a > b for a, b in pairs)
        evidence, figure = share_of_seeds(beyond, len(pairs)), f"{side.capitalize()} in {beyond} of {len(pairs)} seeds."
        rule = f"share of seeds in which it is {side}, Wilson interval against one half: some seed has no number."
    by_seed = [
        [results.labels[one], *(measure_text(values.get(one, {}).get(seed, nan)) for seed in seeds)]
        for one in (row, than)
    ]
    return Decision(
        evidence,
        f"`{measure}` of *{results.labels[row]}* against *{results.labels[than]}*: {rule}",
        f"{figure}\n\n" + markdown_table(["arm", *(f"seed {seed}" for seed in seeds)], by_seed),
    )


def collapses_early(results: Results, *, row: str) -> Decision:
    """The share of seeds whose run collapsed in the first half of the training, against one half."""
    group = results.trainings.get(row, ())
    horizon = max((run.summary["last_step"] for arm in results.trainings.values() for run in arm), default=0)
    early = sum(run.collapsed_at <= EARLY * horizon for run in group)
    evidence = share_of_seeds(early, len(group))
    return Decision(
        evidence,
        f"share of seeds whose run collapsed by step {EARLY * horizon:g}, half of the longest arm's {horizon}; "
        "Wilson interval against one half.",
        f"Collapsed by then in {early} of {len(group)} seeds, {_share(evidence.interval)}. Step of collapse by seed: "
        f"{_collapses(group)}. How they broke: {_ways(group)}.",
    )


def outlives(results: Results, *, row: str, than: str) -> Decision:
    """The share of seeds in which ``row`` outlived ``than``, where one outlived the other, against one half."""
    pairs = _pairs(results.trainings, row, than)
    longer = sum(_outlives(a, b) for a, b in pairs)
    shorter = sum(_outlives(b, a) for a, b in pairs)
    evidence = share_of_seeds(longer, longer + shorter)
    lasted = [
        min(a.collapsed_at, a.summary["last_step"]) / b.collapsed_at for a, b in pairs if isfinite(b.collapsed_at)
    ]
    how_long = (
        f" It lasted at least {median(lasted):.1f} times as long in the median seed; a run without collapse counts "
        "up to its last step."
        if lasted
        else ""
    )
    ours, theirs = (f"*{results.labels[one]}*" for one in (row, than))
    return Decision(
        evidence,
        f"share of seeds in which {ours} was still sound when {theirs} collapsed, among seeds in which one of the two "
        "outlived the other; Wilson interval against one half.",
        f"{ours} outlived {theirs} in {longer} of {len(pairs)} seeds, the other way round in {shorter}, "
        f"{_share(evidence.interval)}.{how_long} Step of collapse by seed: {ours} {_collapses([a for a, _ in pairs])}; "
        f"{theirs} {_collapses([b for _, b in pairs])}.",
    )


def fewer_steps(results: Results, *, row: str, than: str) -> Decision:
    """The ratio of the steps that two arms need to the final sampled accuracy of ``than``, against 1."""
    pairs = _pairs(results.trainings, row, than)
    ratios = [_ratio(ours, theirs, 1.0) for ours, theirs in pairs]
    fewer = sum(ratio < 1 for ratio in ratios)
    evidence = share = share_of_seeds(fewer, len(pairs))
    if pairs and all(map(isfinite, ratios)):
        evidence = mean_of_seeds([1 - ratio for ratio in ratios], 0.0)  # the share of its steps that was not needed
    lines = []
    for level in LEVELS:
        at_level = [_ratio(ours, theirs, level) for ours, theirs in pairs]
        steps = [[steps_to_level(run, level * level_of(pair[1])) for run in pair] for pair in pairs]
        came = [ratio for ratio in at_level if isfinite(ratio)]
        lines.append(
            [f"{100 * level:.0f} %"]
            + [", ".join(_or_not_reached(pair[i]) for pair in steps) for i in (0, 1)]
            + [
                number_with_interval(over_seeds(came))
                if len(came) == len(pairs) and pairs
                else "not reached in every seed"
            ]
        )
    label = results.labels[than]
    return Decision(
        evidence,
        f"mean ratio of the steps until this arm and until *{label}* itself first reach the final sampled validation "
        f"accuracy of *{label}*, Student interval over seeds against 1. Where a seed never reaches it there is no mean "
        "ratio: then the share of seeds that needed fewer steps, Wilson interval against one half.",
        f"Fewer steps in {fewer} of {len(pairs)} seeds, {_share(share.interval)}.\n\n"
        + markdown_table([f"of the final accuracy of {label}", "steps by seed", "its own", "ratio"], lines),
    )


def leads(results: Results, *, row: str, over: Sequence[str], by: int | float) -> Decision:
    """The lead of ``row`` over each of some rows in sampled accuracy at the chosen checkpoint, paired over seeds.

    It holds where every lead is above 0, and does not where one lies below ``by``, the smallest lead that counts.
    """

    def lead(rival: str, measure: str) -> Interval:
        values = results.measure(measure)
        ours, theirs = values.get(row, {}), values.get(rival, {})
        seeds = sorted(ours.keys() & theirs.keys())
        return paired_difference([ours[s] for s in seeds], [theirs[s] for s in seeds])

    rivals = [rival for rival in over if rival in results.cells]
    smallest = min((lead(rival, "sampled_chosen") for rival in rivals), default=wilson(0, 0), key=lambda gap: gap.low)
    lowest = min((lead(rival, "sampled_chosen").high for rival in rivals), default=1.0)
    verdict: ClaimVerdict = "holds" if smallest.low > 0 else "does not hold here" if lowest < by else "cannot tell"
    order: tuple[str, ...] = ("sampled_chosen", "sampled_last", "greedy_chosen", "greedy_last")
    return Decision(
        _evidence(smallest, 0.0, None)._replace(verdict=verdict),
        f"lead over {' and over '.join(f'*{results.labels[one]}*' for one in over)} in sampled accuracy, averaged over "
        "the sets, at the chosen checkpoint: holds where every interval lies above 0; does not hold here where one "
        f"lies below {100 * by:g} point. Student interval over seeds, on these problems.",
        "Lead in points:\n\n"
        + markdown_table(
            ["over", *(measure.replace("_", ", ") for measure in order)],
            [
                [results.labels[rival]]
                + [
                    number_with_interval(Interval(*(100 * x for x in lead(rival, measure))), digits=1)
                    for measure in order
                ]
                for rival in rivals
            ],
        ),
    )


def saves(results: Results, *, row: str, than: str, ways: Sequence[str]) -> Decision:
    """The share of seeds broken in one of some ways under ``than`` that are not so under ``row``, against one half."""
    pairs = _pairs(results.trainings, row, than)
    broken = [ours for ours, theirs in pairs if way_it_broke(theirs.validation) in ways]
    also = sum(way_it_broke(ours.validation) in ways for ours, _ in pairs)
    saved = sum(way_it_broke(ours.validation) not in ways for ours in broken)
    evidence = share_of_seeds(saved, len(broken))
    ours, theirs = (f"*{results.labels[one]}*" for one in (row, than))
    nothing = "" if broken else " Nothing was there to be prevented."
    return Decision(
        evidence,
        f"share of seeds not broken so under {ours} among those that are under {theirs}, that is, by "
        f"{', '.join(ways)}. Wilson interval against one half.",
        f"So broken under {theirs}: {len(broken)} of {len(pairs)} seeds; under {ours}: {also}; saved: {saved} of "
        f"{len(broken)}, {_share(evidence.interval)}.{nothing} How they ended: {theirs} "
        f"{_ways([b for _, b in pairs])}; {ours} {_ways([a for a, _ in pairs])}.",
    )


RULES: Mapping[str, Callable[..., Decision]] = {
    "compare": compare,
    "collapses_early": collapses_early,
    "outlives": outlives,
    "fewer_steps": fewer_steps,
    "leads": leads,
    "saves": saves,
}


def measure_text(value: float) -> str:
    """A measure in a table.

    >>> measure_text(0.25), measure_text(float("inf")), measure_text(float("nan"))
    ('0.250', 'never', '–')
    """
    return f"{value:.3f}" if isfinite(value) else "never" if value > 0 else "–"


def _pairs(trainings: Trainings, first: str, second: str) -> list[tuple[Training, Training]]:
    """The runs of two rows at the seeds that both have."""
    of_second = {run.seed: run for run in trainings.get(second, [])}
    return [(run, of_second[run.seed]) for run in trainings.get(first, []) if run.seed in of_second]


def _outlives(a: Training, b: Training) -> bool:
    """Whether ``a`` was sound, and seen to be, when ``b`` collapsed."""
    return b.collapsed_at < a.collapsed_at and b.collapsed_at <= a.summary["last_step"]


def _ratio(ours: Training, theirs: Training, share: float) -> float:
    """Steps to a share of their level over their own; 1 where they start at it, so that nobody gains."""
    level = share * level_of(theirs)
    own = steps_to_level(theirs, level)
    return steps_to_level(ours, level) / own if own > 0 else 1.0


def _or_not_reached(step: float) -> str:
    return f"{step:.1f}" if isfinite(step) else "not reached"


def _share(share: Interval) -> str:
    if share.estimate != share.estimate:
        return "no seed to count"
    return f"a share of {number_with_interval(share)}"


def _collapses(group: Sequence[Training]) -> str:
    return ", ".join(
        f"{run.collapsed_at:g}" if isfinite(run.collapsed_at) else f"none by {run.summary['last_step']}"
        for run in group
    )


def _ways(group: Sequence[Training]) -> str:
    return ", ".join(way_it_broke(run.validation) for run in group)
