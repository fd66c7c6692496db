"""The jobs of a sweep before any of them runs, by Hydra's own parser, configuration sources and sweeper."""

from collections.abc import Sequence

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from hydra.utils import get_class
from omegaconf import DictConfig, OmegaConf, open_dict

from pure_repro.config import Config, ConfigError
from pure_repro.launch.compose import Refused, config_of
from pure_repro.launch.mistakes import require_one_choice_each
from pure_repro.launch.sweep import Job

Words = list[str]


def sweep_overrides(config: DictConfig, loader: ConfigLoader) -> list[Override]:
    """The words of a sweep as Hydra reads them; those of ``hydra.sweeper.params`` come first, and typed ones win."""
    params = OmegaConf.select(config, "hydra.sweeper.params") or {}
    words = [*(f"{key}={value}" for key, value in params.items()), *config.hydra.overrides.task]
    return OverridesParser.create(config_loader=loader).parse_overrides(words)


def sweep_keys(overrides: Sequence[Override]) -> list[str]:
    """The keys that have several values, in the order in which they were typed."""
    return [override.get_key_element() for override in overrides if override.is_sweep_override()]


def jobs_of(config: DictConfig, overrides: list[Override]) -> list[Words] | None:
    """Every combination, where Hydra's basic sweeper makes them; ``None`` where a sweeper decides as it goes."""
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper  # Hydra has imported its plugins anew by now

    sweeper = get_class(config.hydra.sweeper._target_)
    if not issubclass(sweeper, BasicSweeper):
        return None
    return [list(job) for batch in sweeper.split_arguments(overrides, None) for job in batch]


def refusals(config: DictConfig, loader: ConfigLoader, jobs: Sequence[Words]) -> dict[int, str]:
    """Compose and check every job: by number those that the rules refuse, with the reason.

    Raises ``ConfigError`` for a value that its key does not take, and what Hydra raises for a word without meaning.
    """
    reasons = {}
    for number, words in enumerate(jobs, start=1):
        try:
            job_config(config, loader, words)
        except Refused as error:
            reasons[number] = str(error)
    return reasons


def job_config(config: DictConfig, loader: ConfigLoader, words: Words) -> Config:
    """The checked configuration of a job."""
    require_one_choice_each(words)
    tree = loader.load_sweep_config(config, words)
    with open_dict(tree):
        del tree["hydra"]
    return config_of(tree)


def require_composable(config: DictConfig, loader: ConfigLoader, overrides: Sequence[Override]) -> None:
    """Compose what a sweeper that decides as it goes may choose: every value of every choice, one after the other.

    What the rules say of a combination is known when it is drawn.
    """
    first = [f"{override.get_key_element()}={some_values(override)[0]}" for override in overrides]
    probes = [first]
    for i, override in enumerate(overrides):
        probes += [
            [*first[:i], f"{override.get_key_element()}={v}", *first[i + 1 :]] for v in some_values(override)[1:]
        ]
    refusals(config, loader, probes)


def some_values(override: Override) -> list[str]:
    """The values of a choice; of a range or an interval, and of a word that has one value, the first."""
    value = override.value()
    if isinstance(value, RangeSweep | IntervalSweep):
        return [str(value.start)]
    return (
        list(override.sweep_string_iterator())
        if override.is_sweep_override()
        else [override.get_value_element_as_str()]
    )


def require_accepted(jobs: Sequence[Job], skip: bool) -> None:
    """Stop where the rules refuse a combination, unless those are to be left out and there are others."""
    refused = [job for job in jobs if job.status == "refused"]
    if not refused or (skip and len(refused) < len(jobs)):
        return
    if len(refused) == len(jobs) and len({job.reason for job in refused}) == 1:
        raise ConfigError(refused[0].reason)
    others = "; sweep.refused=skip runs the others" if len(refused) < len(jobs) else ""
    raise ConfigError(f"{len(refused)} of {len(jobs)} combinations are refused{others}\n{refusal_list(jobs)}")


def refusal_list(jobs: Sequence[Job]) -> str:
    """The refused combinations, with each reason above them.

    >>> words = [Job(1, {"reward": "orm"}, []), Job(2, {"reward": "prm"}, [], "refused", reason="it has no answers")]
    >>> print(refusal_list(words))
      it has no answers
        reward=prm
    """
    by_reason: dict[str, list[str]] = {}
    for job in jobs:
        if job.status == "refused":
            by_reason.setdefault(job.reason, []).append(f"    {job.label}")
    return "\n".join(line for reason, group in by_reason.items() for line in (f"  {reason}", *group))
