"""From command-line words to a checked configuration. Every mistake becomes one sentence. Imports no torch."""

import difflib
import re
from collections.abc import Sequence
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError

from pure_repro.config import Config

CONF = Path(__file__).resolve().parents[2] / "conf"


class ConfigError(Exception):
    """A mistake in the configuration, in one sentence that names the key, the value and what is allowed."""


def composed(overrides: Sequence[str]) -> Config:
    """The checked configuration for some overrides, as ``composed(["credit=sum", "seed=3"])``."""
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            tree = compose("config", overrides=list(overrides))
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(one_sentence(error, overrides)) from error
    return checked(tree)


def checked(tree: DictConfig) -> Config:
    """The composed tree as a typed configuration."""
    try:
        values = OmegaConf.to_container(tree, resolve=True)
    except OmegaConfBaseException as error:
        raise ConfigError(str(error).splitlines()[0]) from error
    assert isinstance(values, dict)
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"] if not _is_choice(part, first["loc"]))
        message = first["msg"].removeprefix("Value error, ")
        value = "" if isinstance(first["input"], dict) else f"={first['input']}"
        raise ConfigError(f"{key}{value}: {message[0].lower()}{message[1:]}" if key else message) from error


def _is_choice(part: str | int, location: tuple) -> bool:
    """Whether a part of an error's location is the name of a credit form and no key."""
    return len(location) > 1 and location[0] == "credit" and location[1] == part


def one_sentence(error: Exception, overrides: Sequence[str]) -> str:
    """What Hydra says over several lines, with the nearest allowed word."""
    text = str(error)
    if match := re.search(r"Could not find '([^']+)/([^'/]+)'", text):
        group, choice = match.groups()
        allowed = sorted(str(p.relative_to(CONF / group).with_suffix("")) for p in (CONF / group).rglob("*.yaml"))
        return f"{group}={choice} is no choice: take one of {', '.join(allowed)}{nearest(choice, allowed)}"
    if match := re.search(r"Could not override '([^']+)'", text):
        key = match[1]
        return f"{key} is no key{nearest(key, all_keys())}; see python -m pure_repro --cfg job"
    if match := re.search(r"Could not append to config.*'([^']+)'", text):
        return f"{match[1]} cannot be added: it exists, or its group has no such key"
    words = " ".join(overrides)
    return f"{text.splitlines()[0]} (in: {words})"


def nearest(word: str, allowed: Sequence[str]) -> str:
    """``; did you mean …?`` where something is near."""
    close = difflib.get_close_matches(word, allowed, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def all_keys() -> list[str]:
    """Every key of the default configuration, dotted, groups included."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        tree = OmegaConf.to_container(compose("config"))
    keys: list[str] = []

    def walk(prefix: str, value: object) -> None:
        if isinstance(value, dict):
            for name, inner in value.items():
                keys.append(f"{prefix}{name}")
                walk(f"{prefix}{name}.", inner)

    walk("", tree)
    return keys
