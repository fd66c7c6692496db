"""An experiment is a folder with ``cells.yaml``: of the checkout, by its name, or a user's own, by its path."""

import json
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from pure_repro.config.base import ConfigError
from pure_repro.report.about import About, Experiment
from pure_repro.report.claims import check_claims


def read_experiment(path: Path) -> Experiment:
    """Read the cells of a folder or a file, and ``claims.yaml`` and ``expected.json`` where they lie beside them.

    Raises ``ConfigError`` for a file that is not what it should be.
    """
    cells = path / "cells.yaml" if path.is_dir() else path
    folder = cells.resolve().parent
    name = folder.name if cells.name == "cells.yaml" else cells.stem
    rows = read_yaml(cells)
    for row, cell in rows.items():
        overrides = cell.get("overrides") if isinstance(cell, dict) else None
        if not isinstance(overrides, list) or not all(isinstance(word, str) for word in overrides):
            raise ConfigError(f"{cells}: {row} needs overrides, a list of key=value, as in [credit=sum, reward=prm]")
    claims, expected = folder / "claims.yaml", folder / "expected.json"
    about = read_about(claims, list(rows)) if claims.exists() else About(title=name)
    return Experiment(name, rows, about, json.loads(expected.read_text()) if expected.exists() else {})


def read_about(path: Path, rows: list[str]) -> About:
    """A ``claims.yaml``, checked against the rows of its experiment."""
    try:
        about = About.model_validate(read_yaml(path))
        check_claims(about.claims, rows)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        allowed = f": take some of {', '.join(About.model_fields)}" if first["type"] == "extra_forbidden" else ""
        raise ConfigError(f"{path}: {where}: {first['msg']}{allowed}") from error
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    if about.reference is not None and about.reference not in rows:
        raise ConfigError(f"{path}: reference: {about.reference} is no row: take one of {', '.join(rows)}")
    return about


def read_yaml(path: Path) -> dict[str, Any]:
    """The keys of a yaml file. Raises ``ConfigError`` where it is missing or holds none."""
    try:
        values = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is no yaml: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds no keys: write name: {{overrides: [credit=sum]}} a row")
    return values
