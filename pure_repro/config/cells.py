"""The rows of an experiment, ``cells.yaml``: a label and overrides each. Read before anything that takes a second."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pure_repro.config.base import ConfigError

CellRows = Mapping[str, Mapping[str, Any]]  # row → label and overrides, and whatever a grid crosses


def cells_file(path: Path) -> Path:
    """The file of cells that a path names: itself, or the one in a folder."""
    return path / "cells.yaml" if path.is_dir() else path


def experiment_name(path: Path) -> str:
    """What an experiment is called: its folder, or a file of cells that has a name of its own.

    >>> experiment_name(Path("mine/grid.yaml")), experiment_name(Path("experiments/table1/cells.yaml"))
    ('grid', 'table1')
    """
    file = cells_file(path)
    return file.stem if file.name != "cells.yaml" else file.resolve().parent.name


def read_cells(path: Path) -> CellRows:
    """The rows of a file of cells. Raises ``ConfigError`` for one that is not what it should be."""
    rows = read_yaml(cells_file(path))
    for row, cell in rows.items():
        overrides = cell.get("overrides") if isinstance(cell, dict) else None
        if not isinstance(overrides, list) or not all(isinstance(word, str) for word in overrides):
            raise ConfigError(
                f"{cells_file(path)}: {row} needs overrides, a list of key=value, as in [credit=sum, reward=prm]"
            )
    return rows


def read_yaml(path: Path) -> dict[str, Any]:
    """The keys of a yaml file. Raises ``ConfigError`` where it is missing or holds none."""
    try:
        values = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no yaml: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds no keys: write name: {{overrides: [credit=sum]}} a row")
    return values
