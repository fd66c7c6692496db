"""From a configuration to finished stages."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

PACKAGE = Path(__file__).resolve().parents[1]
CONF = PACKAGE / "conf"  # in a wheel; in a checkout it stands at the top
if not CONF.is_dir():
    CONF = PACKAGE.parent / "conf"
EXPERIMENTS = CONF.parent / "experiments"


def choose(choice: str, table: Mapping[str, Any]) -> Any:
    """``${choose:${reward.name}, {prm: 5e-7, others: 1e-6}}``: a value that depends on another choice.

    Raises ``ValueError`` for a choice that has no value, where there is none for ``others``.
    """
    if choice not in table and "others" not in table:
        raise ValueError(f"nobody has published a value for {choice}, only for {', '.join(map(str, table))}: name one")
    return table.get(choice, table.get("others"))


def scaled(factor: int | float, value: int | float) -> int | float:
    """``${scaled:0.2, ${rollout.max_new_tokens}}``: a value in proportion to another; of a whole number a whole one.

    >>> scaled(0.2, 64), scaled(0.2, 8192), scaled(2, 5e-7)
    (13, 1638, 1e-06)
    """
    return round(factor * value) if isinstance(value, int) else factor * value


def embedded(recipe: str, value: Any, source: str) -> Any:
    """``${embedded:${recipe}, 40, "2410.15115"}``: a size of an experiment that is of the embedded world alone.

    Raises ``ValueError`` with another recipe: what the experiment is after was published for other models and problems.
    """
    if recipe not in ("embedded", "smoke"):
        raise ValueError(
            f"this experiment is of the embedded world: {source} trains other models on other problems and has no "
            f"values for recipe={recipe}; choose its groups by themselves and name train.steps and train.learning_rate"
        )
    return value


OmegaConf.register_new_resolver("choose", choose, replace=True)
OmegaConf.register_new_resolver("scaled", scaled, replace=True)
OmegaConf.register_new_resolver("embedded", embedded, replace=True)
