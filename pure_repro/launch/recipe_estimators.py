"""Which estimator runs where a recipe meets a method, or an estimator that is named: composed and said. No torch.

``make compatibility`` puts the tables behind the pairs of ``docs/compatibility.md``; ``tests/test_recipes.py`` computes
on arrays what they name.
"""

from collections.abc import Sequence

from pure_repro.config import Config, ConfigError, Gae
from pure_repro.launch import CONF
from pure_repro.launch.compose import choices_of, composed

RECIPES = tuple(name for name in choices_of("recipe") if name != "smoke")  # which is embedded, shorter
NEEDED = {"calm": ["reward.judge.model=some"]}  # what a method cannot know: the judge behind its endpoint
HEAD = (
    "Composed with each recipe's own reward (a method brings its own). `a` stands for the estimator of step rewards, "
    "`a / b` for one of step rewards and one of outcomes; *sum*: of the sum of both instead of each by itself; "
    "*white*: whitened; *masked*: no gradient on step ends."
)


def estimator_words(config: Config) -> str:
    """The estimator of a run, and what is done to it, in the words of the page.

    >>> estimator_words(composed(["recipe=paper"])), estimator_words(composed(["recipe=paper", "method=dapo"]))
    ('`rloo_paper / rloo` white', '`grpo` sum')
    """
    choice = config.advantage
    switches = ["white"] * choice.whiten + ["masked"] * choice.mask_step_ends
    if isinstance(choice, Gae):
        return " ".join(["`gae`, a critic", *switches])
    names = choice.name if choice.outcome == choice.name else f"{choice.name} / {choice.outcome}"
    return " ".join([f"`{names}`", *["sum"] * (choice.streams == "sum"), *switches])


def answer(words: Sequence[str]) -> str:
    """The estimator that some words come to, or why they are refused."""
    try:
        return estimator_words(composed(words))
    except ConfigError as error:
        return f"refused: {error}"


def method_words(method: str) -> list[str]:
    """How a method is chosen.

    >>> method_words("calm")
    ['method=calm', 'reward.judge.model=some']
    """
    return [f"method={method}", *NEEDED.get(method, [])]


def estimator_sections() -> str:
    """The tables of recipe and method, and of recipe and estimator, with a numbered reason for each refusal."""
    methods = {"–": [], **{f"`method={name}`": method_words(name) for name in choices_of("method")}}
    named = {f"`advantage={path.stem}`": [f"advantage={path.stem}"] for path in sorted((CONF / "advantage").glob("*"))}
    reasons: list[str] = []
    lines: list[str] = []
    for title, rows in (("recipe × method", methods), ("recipe × estimator", named)):
        lines += ["", f"## The estimator that runs: {title}", "", *([HEAD, ""] if not lines else [])]
        lines += [f"| | {' | '.join(f'`{recipe}`' for recipe in RECIPES)} |", "|---" * (len(RECIPES) + 1) + "|"]
        for label, words in rows.items():
            cells = [noted(answer([f"recipe={recipe}", *words]), reasons) for recipe in RECIPES]
            lines.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", *(f"{i + 1}. {reason}" for i, reason in enumerate(reasons))]) + "\n"


def noted(said: str, reasons: list[str]) -> str:
    """What stands in the table: the estimator, or the number of a reason, which is added where it is new.

    >>> noted("refused: it is wrong", ["another", "it is wrong"])
    'refused (2)'
    """
    reason = said.removeprefix("refused: ")
    if reason == said:
        return said
    if reason not in reasons:
        reasons.append(reason)
    return f"refused ({reasons.index(reason) + 1})"


if __name__ == "__main__":
    print(estimator_sections(), end="")
