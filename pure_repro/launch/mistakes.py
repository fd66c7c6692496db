"""What Hydra, OmegaConf and pydantic say of a mistake, as one sentence with the allowed words and the nearest."""

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from hydra.core.config_loader import ConfigLoader
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from pure_repro.config import ConfigError
from pure_repro.launch import CONF

WANTED = {
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": "must be text",
    "tuple_type": "must be a list, as in [a,b]",
    "too_short": "must name at least one",
    "missing": "is missing",
    "path_type": "must be a path",
    "finite_number": "must be a finite number",
    "model_type": "must be a group of keys, as in {name: mine}",
    "dict_type": "must be a group of keys, as in {name: mine}",
}


def of_validation(error: Mapping[str, Any], values: Any) -> str:
    """What pydantic says of one value, as ``key=value must be …``.

    >>> error = {"loc": ("train", "steps"), "type": "int_parsing", "input": "ten", "msg": "Input should be an integer"}
    >>> of_validation(error, {"train": {"steps": "ten"}})
    'train.steps=ten must be a whole number'
    """
    key = ".".join(without_forms(error, values))
    if error["type"] == "extra_forbidden":
        return no_key(key, values)
    if error["type"] == "value_error":  # a rule between keys, which names them itself
        sentence = str(error["ctx"]["error"])
        return f"{key}.{sentence}" if key else sentence
    if error["type"] == "union_tag_invalid":
        name, tag, allowed = (
            str(error["ctx"][part]).replace("'", "") for part in ("discriminator", "tag", "expected_tags")
        )
        return f"{key}.{name}={on_one_line(tag)} is none of {allowed}"
    wanted = WANTED.get(error["type"], error["msg"].replace("Input should", "must"))
    given = "" if isinstance(error["input"], dict) else f"={on_one_line(error['input'])}"
    return f"{key}{given} {wanted}"


def on_one_line(value: Any) -> str:
    """A value as a sentence shows it: on one line, and not longer than that.

    >>> on_one_line("one\\nline"), len(on_one_line("long" * 100))
    ('one line', 80)
    """
    text = " ".join(str(value).split())
    return text if len(text) <= 80 else text[:79] + "…"


def without_forms(error: Mapping[str, Any], values: Any) -> list[str]:
    """Where a mistake is, without the parts that name a form of a union and are no key.

    >>> without_forms({"loc": ("credit", "sum", "gamma"), "type": "missing"}, {"credit": {"name": "sum"}})
    ['credit', 'gamma']
    """
    keys: list[str] = []
    for i, part in enumerate(error["loc"]):
        is_key = isinstance(part, int) or (isinstance(values, dict) and part in values)
        if is_key:
            values = values[part] if isinstance(values, dict | list) else None
        elif not isinstance(values, dict) or i + 1 < len(error["loc"]) or error["type"] == "value_error":
            continue
        keys.append(str(part))
    return keys


PLUGINS = {  # what brings a launcher or a sweeper
    "joblib": "hydra-joblib-launcher",
    "submitit_local": "hydra-submitit-launcher",
    "submitit_slurm": "hydra-submitit-launcher",
    "optuna": "hydra-optuna-sweeper",
}


def require_one_choice_each(overrides: Sequence[str]) -> None:
    """See that every group is given one choice, by name: of a list Hydra would lay one over the other.

    >>> require_one_choice_each(["credit=[min,sum]"])
    Traceback (most recent call last):
    pure_repro.config.base.ConfigError: credit=[min,sum] is a list: name one choice, or several after -m without []
    >>> require_one_choice_each(["credit={gamma:1}"])
    Traceback (most recent call last):
    pure_repro.config.base.ConfigError: credit={gamma:1} are keys: name a choice, and write its keys as credit.gamma=1
    """
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        if override.is_sweep_override():  # of one run, which has one value: Hydra says so
            continue
        group, value, shown = override.key_or_group, override.value(), override.get_value_element_as_str()
        if override.is_delete() or not (CONF / group).is_dir():
            continue
        if isinstance(value, list):
            raise ConfigError(f"{group}={shown} is a list: name one choice, or several after -m without []")
        if isinstance(value, dict):
            key, inner = next(iter(value.items()), ("key", "…"))
            raise ConfigError(f"{group}={shown} are keys: name a choice, and write its keys as {group}.{key}={inner}")
        if value in (None, ""):
            raise ConfigError(f"{group}={shown} is no choice: name one, or leave the word out")


def printable(text: str) -> str:
    r"""The text with its line breaks, and what else cannot be printed, as one would type them.

    >>> printable("credit=\n is no choice")
    'credit=\\n is no choice'
    """
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def one_sentence(error: Exception, overrides: Sequence[str], loader: ConfigLoader, name: str = "config") -> str:
    """What Hydra says over several lines of the configuration ``name`` with some overrides."""
    text = str(error) or str(error.__cause__)
    if isinstance(error, OverrideParseException):
        key, sign, value = str(error.override).partition("=")
        if not key.lstrip("+~").isascii():
            return f"{key} is no key: keys are in ASCII"
        if sign and value:
            return f"{key}={value} cannot be read: a value with signs or spaces needs quotes, as in '{key}=\"{value}\"'"
        return f"{error.override} cannot be read: write key=value, as in credit=sum"
    if bare := [word for word in overrides if word.startswith("=")]:
        return f"{bare[0]} cannot be read: write key=value, as in credit=sum"
    if match := re.search(r"Ambiguous value for argument '([^']+)'", text):
        return f"{match[1]} has several values: add -m for a run of each"
    if match := re.search(r"Sweep parameters '([^']+)' requires", text):
        return f"{match[1]} is a sweep: add -m for a run of each value"
    if match := re.search(r"Sweeping over Hydra's configuration is not supported : '([^']+)'", text):
        return f"{match[1]} has several values: a sweep has one launcher and one sweeper"
    if match := re.search(r"does not support sweep type : INTERVAL", text):
        interval = next(word for word in overrides if "interval(" in word)
        return f"{interval} is for a sweeper that optimises (hydra/sweeper=…): name values, as in key=1,2 or range(1,5)"
    if match := re.match(r"Error merging override (\S+)", text):
        return f"{match[1]} must be a group of keys, as in {{name: mine}}"
    if match := re.search(r"Cannot find primary config '([^']+)'", text):
        return f"--config-name={match[1]} is no file {match[1]}.yaml of conf/ or of --config-dir"
    if match := re.search(r"Multiple values for ([^ ]+)\.", text):
        return f"{match[1]} has a choice already: write {match[1]}=… without +, and once"
    if match := re.search(r"Could not (?:find|load) '([^']+)/([^'/]+)'", text):
        group, choice = match.groups()
        top = group.split("/")[0] if group.split("/")[0] != "hydra" else group
        choice = f"{group.removeprefix(top)}/{choice}".lstrip("/")
        return no_choice(top, choice, sorted({*choices(loader, top), *(getattr(error, "options", None) or [])}))
    if match := re.search(r"Could not (?:override|delete from config\.) '([^']+)'", text):
        key = match[1]
        chosen = [word for word in overrides if (group := word.partition("=")[0]) != key and choices(loader, group)]
        return no_key(key, without_hydra(loader.load_configuration(name, chosen, RunMode.RUN)))
    return f"{(text.splitlines() or ['no reason given'])[0]} (in: {on_one_line(' '.join(overrides))})"


def no_choice(group: str, choice: str, allowed: Sequence[str]) -> str:
    """A choice that its group does not have; launchers and sweepers come with packages.

    >>> no_choice("reward", "orn", ["orm", "prm"])
    'reward=orn is no choice: take one of orm, prm; did you mean orm?'
    """
    package = f"; or pip install {PLUGINS[choice]}" if group.startswith("hydra/") and choice in PLUGINS else ""
    return f"{group}={choice} is no choice: take one of {', '.join(allowed)}{package or nearest(choice, allowed)}"


def choices(loader: ConfigLoader, group: str) -> list[str]:
    """Every choice of a group in every source, those of its subgroups included."""
    own = loader.get_group_options(group, ObjectType.CONFIG)
    subgroups = loader.get_group_options(group, ObjectType.GROUP)
    return sorted([*own, *(f"{sub}/{choice}" for sub in subgroups for choice in choices(loader, f"{group}/{sub}"))])


def without_hydra(tree: DictConfig) -> dict[str, Any]:
    """The keys of a run, without those of Hydra."""
    names = [str(name) for name in tree if name != "hydra"]
    values: dict[str, Any] = OmegaConf.to_container(OmegaConf.masked_copy(tree, names))  # type: ignore[assignment]
    return values


def no_key(key: str, values: Any) -> str:
    """A key that does not exist, with those that its group has and the nearest, or the choices that have it.

    >>> no_key("credit.gama", {"seed": 1, "credit": {"name": "sum", "gamma": 1.0}})
    'credit.gama is no key: credit has name, gamma; did you mean gamma?'
    >>> no_key("macro.low", {"macro": {"name": "fixed", "length": 5}})
    'macro.low is no key: macro has name, length'
    >>> no_key("credit.temperature", {"credit": {"name": "sum", "gamma": 1.0}})
    'credit.temperature is no key: credit has name, gamma; credit=min has one'
    """
    *path, last = key.split(".")
    group, siblings = [], values
    for part in path:
        if isinstance(siblings.get(part), dict):
            siblings = siblings[part]
            group.append(part)
    names = [name for name in siblings if name != last]
    if others := choices_with(key):
        hint = f"; {path[0]}={', '.join(others)} {'have' if others[1:] else 'has'} one"
    else:
        hint = nearest(last, names) if group == path else nearest(key, dotted_keys(values))
    return f"{key} is no key: {'.'.join(group) or 'a run'} has {', '.join(names)}{hint}"


def choices_with(key: str) -> list[str]:
    """The choices of a key's group whose yaml names it.

    >>> choices_with("prm.gate.on_fail"), choices_with("seed")
    (['embedded', 'fit_prm800k', 'implicit'], [])
    """
    group, *path = key.split(".")
    found = []
    for file in sorted((CONF / group).glob("*.yaml")) if path else []:
        if ".".join(path) in dotted_keys(yaml.safe_load(file.read_text())):
            found.append(file.stem)
    return found


def nearest(word: str, allowed: Sequence[str]) -> str:
    """``; did you mean …?`` where something is near."""
    close = difflib.get_close_matches(word, allowed, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def dotted_keys(values: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Every key of nested mappings, groups included.

    >>> dotted_keys({"seed": 1, "credit": {"gamma": 1.0}})
    ['seed', 'credit', 'credit.gamma']
    """
    keys: list[str] = []
    for name, value in values.items():
        keys.append(f"{prefix}{name}")
        if isinstance(value, dict):
            keys += dotted_keys(value, f"{prefix}{name}.")
    return keys
