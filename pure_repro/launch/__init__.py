"""From a configuration to finished stages."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

CONF = Path(__file__).resolve().parents[2] / "conf"


def choose(choice: str, table: Mapping[str, Any]) -> Any:
    """``${choose:${reward.name}, {prm: 5e-7, …}}``: a value of a recipe that depends on another choice.

    Raises ``ValueError`` for a choice that the recipe has no value for.
    """
    if choice not in table:
        raise ValueError(f"the recipe has no value for {choice}, only for {', '.join(map(str, table))}")
    return table[choice]


OmegaConf.register_new_resolver("choose", choose, replace=True)
