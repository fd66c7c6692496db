"""An experiment is a folder with ``cells.yaml``, or a yaml of cells: of the checkout or a user's own."""

import json
from pathlib import Path

from pydantic import ValidationError

from pure_repro.config.base import ConfigError
from pure_repro.config.cells import cells_file, experiment_name, read_cells, read_yaml
from pure_repro.report.about import About, Experiment
from pure_repro.report.claims import check_claims


def read_experiment(path: Path) -> Experiment:
    """Read the cells of a folder or a file, and ``claims.yaml`` and ``expected.json`` where they lie beside them.

    Raises ``ConfigError`` for a file that is not what it should be.
    """
    name, rows, folder = experiment_name(path), read_cells(path), cells_file(path).parent
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
