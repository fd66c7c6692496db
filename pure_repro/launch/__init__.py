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
    """``${choose:${reward.name}, {prm: 5e-7, …}}``: a value of a recipe that depends on another choice.

    Raises ``ValueError`` for a choice that the recipe has no value for.
    """
    if choice not in table:
        raise ValueError(f"the recipe has no value for {choice}, only for {', '.join(map(str, table))}")
    return table[choice]


OmegaConf.register_new_resolver("choose", choose, replace=True)
