"""Which choices go together: the schema's own rules, asked about every combination. Imports no torch.

``python -m pure_repro.launch.compatibility`` prints the page that stands in ``docs/compatibility.md``.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import combinations, product
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from pure_repro.config import Config, PolicyGradient, TregWeights
from pure_repro.launch import CONF
from pure_repro.launch.compose import composed, composed_tree
from pure_repro.launch.mistakes import of_validation
from pure_repro.launch.recipe_estimators import estimator_sections

GROUPS = ("reward", "credit", "advantage", "objective", "filter")

BASE = ("model=tiny_asked",)  # it reads every prompt that a choice has need of

Combination = tuple[str, ...]  # a choice of each group, in their order
ChoicePair = tuple[tuple[str, str], tuple[str, str]]  # two choices, each with its group


def choice_values(words: Sequence[str]) -> dict[str, dict[str, dict[str, Any]]]:
    """The choices of every group and what each sets, beside some words; a tree is composed for several groups at once.

    >>> choice_values(["model=tiny_asked"])["filter"]["differing"]["max_rounds"]
    10
    """
    names = {group: sorted(path.stem for path in (CONF / group).glob("*.yaml")) for group in GROUPS}
    trees = [
        composed_tree([*words, *(f"{group}={ours[i % len(ours)]}" for group, ours in names.items())])
        for i in range(max(map(len, names.values())))
    ]
    return {group: {choice: trees[i][group] for i, choice in enumerate(ours)} for group, ours in names.items()}


def verdicts() -> dict[Combination, Config | str]:
    """Every combination of choices with its configuration or, where it is refused, the reason."""
    base = composed(BASE)
    keys = choice_values(BASE)
    schema: dict[str, TypeAdapter[Any]] = {
        group: TypeAdapter(get_type_hints(Config, include_extras=True)[group]) for group in GROUPS
    }
    parsed = {  # every choice by itself, once: what is left to ask of a combination are the rules between groups
        group: {choice: schema[group].validate_python(values) for choice, values in one.items()}
        for group, one in keys.items()
    }

    def verdict(combination: Combination) -> Config | str:
        """One of them."""
        named = list(zip(GROUPS, combination, strict=True))
        try:
            return Config.model_validate(dict(base) | {group: parsed[group][choice] for group, choice in named})
        except ValidationError as error:
            values = base.model_dump(mode="json") | {group: keys[group][choice] for group, choice in named}
            return of_validation(error.errors()[0], values)

    return {combination: verdict(combination) for combination in product(*keys.values())}


def choice_pairs(combination: Combination) -> Iterator[ChoicePair]:
    """The choices of a combination, two at a time.

    >>> len([*choice_pairs(("prm", "min", "rloo", "ppo_clip", "none"))])
    10
    """
    yield from combinations(zip(GROUPS, combination, strict=True), 2)


def refused_pairs(found: dict[Combination, Config | str]) -> dict[ChoicePair, str]:
    """Pairs that no combination can hold, each with its reason: that of a combination where nothing else is wrong."""
    runs = {
        pair
        for combination, verdict in found.items()
        if isinstance(verdict, Config)
        for pair in choice_pairs(combination)
    }
    reasons: dict[ChoicePair, str] = {}
    for combination, verdict in found.items():
        wrong = [pair for pair in choice_pairs(combination) if pair not in runs]
        if isinstance(verdict, str) and len(wrong) == 1:
            reasons.setdefault(wrong[0], verdict)
    return reasons


def covering(found: dict[Combination, Config | str]) -> list[Combination]:
    """Few combinations that run and hold between them every pair that any of them holds; greedy, always the same."""
    allowed = [combination for combination, verdict in found.items() if isinstance(verdict, Config)]
    left = {pair for combination in allowed for pair in choice_pairs(combination)}
    chosen = []
    while left:
        best = max(allowed, key=lambda combination: len(left.intersection(choice_pairs(combination))))
        left.difference_update(choice_pairs(best))
        chosen.append(best)
    return chosen


def page(found: dict[Combination, Config | str]) -> str:
    """The compatibility page."""
    reasons = refused_pairs(found)
    running = {combination: verdict for combination, verdict in found.items() if isinstance(verdict, Config)}
    lines = [
        "# Which choices go together",
        "",
        "Written by `make compatibility` from the rules of `pure_repro/config/rules.py`; a test compares the two.",
        "",
        f"There are {len(found)} combinations of {', '.join(f'`{group}`' for group in GROUPS)} as their yamls stand: "
        f"{len(running)} run and {len(found) - len(running)} are refused before anything is computed. A combination is "
        f"refused exactly when it holds one of the {len(reasons)} pairs below. `make test` trains "
        f"{len(covering(found))} combinations, in which every pair that runs occurs; `make combinations` trains all.",
        "",
        "Macro actions (`macro`) join what a critic says of tokens: each of them goes with `advantage=gae`, whatever "
        "the other choices are, and with no other estimator.",
        "",
        "## Refused, and why",
        *(line for reason, alike in by_reason(reasons).items() for line in ("", f"{reason}:", "", *bullets(alike))),
    ]
    for one, other in combinations(GROUPS, 2):
        lines += pair_table(one, other, running)
    return "\n".join(lines) + "\n"


def by_reason(refused: dict[ChoicePair, str]) -> dict[str, list[ChoicePair]]:
    """The refused pairs by what is said of them, with the group in the place of each choice.

    >>> pair = (("reward", "orm"), ("credit", "min"))
    >>> by_reason({pair: "credit=min weighs steps, and reward=orm has none"})
    {'*credit* weighs steps, and *reward* has none': [(('reward', 'orm'), ('credit', 'min'))]}
    """
    alike: dict[str, list[ChoicePair]] = {}
    for pair, reason in refused.items():
        for group, choice in pair:
            reason = re.sub(rf"\b{group}(\.name)?={choice}\b|(?<![\w=.]){choice}(?![\w=])", f"*{group}*", reason)
        alike.setdefault(reason, []).append(pair)
    return alike


def bullets(refused: list[ChoicePair]) -> list[str]:
    """Pairs as a list, those together that have the same partners.

    >>> low, high = ("credit", "min"), ("credit", "sum")
    >>> bullets([(one, other) for one in (("reward", "orm"), ("reward", "prm")) for other in (low, high)])
    ['- `reward=orm`, `prm` with `credit=min`, `sum`']
    """
    partners: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for one, other in refused:
        partners.setdefault(one, []).append(other)
    together: dict[tuple[tuple[str, str], ...], list[tuple[str, str]]] = {}
    for one, others in partners.items():
        together.setdefault(tuple(others), []).append(one)
    return [f"- {_named(ones)} with {_named(others)}" for others, ones in together.items()]


def _named(choices: Sequence[tuple[str, str]]) -> str:
    """Choices of one group, which is named once."""
    return ", ".join([f"`{'='.join(choices[0])}`", *(f"`{choice}`" for _, choice in choices[1:])])


def pair_table(one: str, other: str, running: dict[Combination, Config]) -> list[str]:
    """Two groups against each other, if there is anything to say about them."""
    i, j = GROUPS.index(one), GROUPS.index(other)
    rows, columns = (sorted(path.stem for path in (CONF / group).glob("*.yaml")) for group in (one, other))

    def mark(row: str, column: str) -> str:
        """Whether a pair runs in any combination, and whether both of its choices act there."""
        configs = [
            config for combination, config in running.items() if (combination[i], combination[j]) == (row, column)
        ]
        if not configs:
            return "–"
        return "runs" if all(any(acts(group, config) for config in configs) for group in (one, other)) else "no effect"

    marks = [[mark(row, column) for column in columns] for row in rows]
    if all(word == "runs" for row in marks for word in row):
        return []
    body = [(f"`{row}`", *words) for row, words in zip(rows, marks, strict=True)]
    return ["", f"## {one} × {other}", "", *table((f"{one} \\ {other}", *(f"`{c}`" for c in columns)), body)]


def acts(group: str, config: Config) -> bool:
    """Whether the choice of a group moves a run: pairs have no advantages, and credit is of what is credited."""
    follows = isinstance(config.objective, PolicyGradient)
    weighed = isinstance(config.credit, TregWeights)
    if group == "credit":
        return follows and (weighed or config.reward.process_weight > 0)
    return group != "advantage" or follows


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Markdown.

    >>> table(("a", "b"), [("1", "2")])
    ['| a | b |', '|---|---|', '| 1 | 2 |']
    """
    return [f"| {' | '.join(row)} |" if row else "|---" * len(head) + "|" for row in (head, (), *rows)]


if __name__ == "__main__":
    print(page(verdicts()) + estimator_sections(), end="")
