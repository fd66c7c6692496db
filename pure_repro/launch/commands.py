"""Configurations of commands beside a run: a file of ``conf/`` of their own, the same sentences. Imports no torch."""

from collections.abc import Sequence
from typing import TypeVar

from hydra import compose
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel, ValidationError

from pure_repro.config import ConfigError
from pure_repro.launch.compose import opened
from pure_repro.launch.mistakes import of_validation, one_sentence

CommandSchema = TypeVar("CommandSchema", bound=BaseModel)


def composed_for(command: str, schema: type[CommandSchema], overrides: Sequence[str]) -> CommandSchema:
    """The checked configuration of ``conf/<command>.yaml`` for some overrides.

    Raises ``ConfigError`` for a mistake in them, in one sentence.

    >>> from pure_repro.config import Examined
    >>> composed_for("examine", Examined, ["prm.path=folder", "on=prmbench"]).on.measure
    'prm_score'
    """
    with opened() as loader:
        try:
            values = OmegaConf.to_container(compose(command, overrides=list(overrides)), resolve=True)
        except (HydraException, OmegaConfBaseException) as error:
            raise ConfigError(one_sentence(error, overrides, loader, command)) from error
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        raise ConfigError(of_validation(error.errors()[0], values)) from error
