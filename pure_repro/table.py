"""A table of any finished runs, in seconds: rows are what varied, seeds are aggregated. Imports no torch.

``python -m pure_repro.table sweep=<name>``: the runs of a sweep (``store/sweeps/<name>/sweep.json``).
``python -m pure_repro.table where='reward=prm credit=min,sum' by=credit,advantage``: runs by their configuration.

Other keys: ``store=store,elsewhere`` (where to look), ``level=0.8`` (the sampled validation accuracy whose steps are
counted; else nine tenths of the best at the end), ``out=folder``.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan
from pathlib import Path
from typing import Any

from pure_repro.config import STAGES, ConfigError
from pure_repro.data.files import read_record
from pure_repro.report import About, Cell, Experiment, Missing, Report, screen, write_report
from pure_repro.report.cells import read_trainings
from pure_repro.report.milestones import level_of

SHARE = 0.9  # of the best final validated accuracy: the level whose steps are counted where none is named
COLUMNS = ("sampled_chosen", "sampled_last", "collapsed_at", "steps_to_level", "greedy_last", "figures")
EXAMPLE = "sweep=<name>, or where='reward=prm' by=credit,advantage"


@dataclass(frozen=True)
class TableRequest:
    """What the command line asks for."""

    stores: tuple[Path, ...]
    sweep: str | None
    where: dict[str, list[str]]  # key → the values that it may have
    by: tuple[str, ...]  # none: whatever varies
    level: float | None
    out: Path | None


@dataclass(frozen=True)
class Finished:
    """A run whose last stage is finished: its stage folders, and the keys that made them."""

    stages: Mapping[str, Path]
    keys: Mapping[str, Any]  # dotted

    @property
    def seed(self) -> int:
        """Of base, reward model and training; a pretrained model that was only scored has none."""
        return int(self.keys.get("seed", 0))

    def value(self, key: str) -> str:
        """What a key is; of a group, its choice. Empty where the run has no such key.

        >>> run = Finished({}, {"credit.name": "sum", "train.steps": 60})
        >>> run.value("credit"), run.value("train.steps"), run.value("macro")
        ('sum', '60', '')
        """
        known = next((name for name in (key, f"{key}.name", f"{key}.profile") if name in self.keys), None)
        return "" if known is None else str(self.keys[known])


def table_request(words: Sequence[str]) -> TableRequest:
    """The request in some words. Raises ``ConfigError`` for one that asks for nothing.

    >>> table_request(["where=reward=prm credit=min,sum", "by=credit"]).where
    {'reward': ['prm'], 'credit': ['min', 'sum']}
    """
    own = {"store": "store", "sweep": "", "where": "", "by": "", "level": "", "out": ""}
    for word in words:
        key, sign, value = word.partition("=")
        if key not in own or not sign:
            raise ConfigError(f"{word} is nothing to make a table of: write {EXAMPLE}; other keys: store, level, out")
        own[key] = value
    if bool(own["sweep"]) == bool(own["where"] or own["by"]):
        raise ConfigError(f"name the runs by {EXAMPLE}")
    conditions = [word.partition("=") for word in own["where"].split()]
    if wrong := next((key for key, sign, _ in conditions if not sign), None):
        raise ConfigError(f"where={wrong} says nothing of what {wrong} is: write where='{wrong}=value'")
    return TableRequest(
        stores=tuple(map(Path, own["store"].split(","))),
        sweep=own["sweep"] or None,
        where={key: value.split(",") for key, _, value in conditions},
        by=tuple(filter(None, own["by"].split(","))),
        level=level_in(own["level"]) if own["level"] else None,
        out=Path(own["out"]) if own["out"] else None,
    )


def level_in(word: str) -> float:
    """A share of right answers. Raises ``ConfigError`` for what is none.

    >>> level_in("0.8")
    0.8
    """
    try:
        level = float(word)
    except ValueError:
        level = nan
    if not 0 <= level <= 1:
        raise ConfigError(f"level={word} must be a share of right answers, as level=0.8")
    return level


def main() -> int:
    """Make the table that the command line asks for, and print it."""
    try:
        request = table_request(sys.argv[1:])
        report, out = by_sweep(request) if request.sweep else by_keys(request)
    except OSError as error:
        print(f"pure-repro: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    except ConfigError as error:
        print(f"pure-repro: {error}", file=sys.stderr)
        return 2
    print(screen(report, out))
    return 0


def by_sweep(request: TableRequest) -> tuple[Report, Path]:
    """The table of a sweep that one of the stores holds, and where it is."""
    folders = [store / "sweeps" / str(request.sweep) for store in request.stores]
    folder = next((one for one in folders if (one / "sweep.json").exists()), None)
    if folder is None:
        known = sorted(path.parent.name for store in request.stores for path in store.glob("sweeps/*/sweep.json"))
        raise ConfigError(
            f"sweep={request.sweep} is not in {folders[0].parent}: there are {', '.join(known) or 'none'}"
        )
    out = request.out or folder / "table"
    return of_sweep(folder, out, request.level), out


def of_sweep(folder: Path, out: Path, level: float | None = None) -> Report:
    """Write the table of the sweep whose record a folder holds; a job that failed or never ran is a missing cell.

    Raises ``ConfigError`` where no job is finished.
    """
    sweep = read_record(folder / "sweep.json", "name", "store", "jobs")
    cells, missing, rows = list[Cell](), list[Missing](), dict[str, dict[str, Any]]()
    for job in sweep["jobs"]:
        varied = {key: value for key, value in job["combination"].items() if key != "seed"}
        row = " ".join(f"{key}={value}" for key, value in varied.items()) or sweep["name"]
        rows[row] = varied | {"label": row}
        stages = {stage: (folder / sweep["store"] / stage / one).resolve() for stage, one in job["stages"].items()}
        seed = job["combination"].get("seed")
        if job["status"] == "done":
            run = read_run(stages)
            cells.append(cell_of(run, row) if seed is None else replace(cell_of(run, row), seed=int(seed)))
        else:
            reason = job["reason"] or job["status"]
            missing.append(Missing(row, None if seed is None else int(seed), reason))
    if not cells:
        raise ConfigError(f"sweep={sweep['name']}: no job is finished, so there is no table")
    return write_table(cells, Experiment(sweep["name"], rows), f"Sweep {sweep['name']}", out, level, missing)


def by_keys(request: TableRequest) -> tuple[Report, Path]:
    """The table of the finished runs that meet the conditions, and where it is."""
    runs = [run for store in request.stores for run in finished_runs(store)]
    fitting = [run for run in runs if all(run.value(key) in values for key, values in request.where.items())]
    if not fitting:
        raise ConfigError(f"none of {len(runs)} finished runs in {', '.join(map(str, request.stores))} is so")
    if strange := next((key for key in request.by if not any(run.value(key) for run in fitting)), None):
        raise ConfigError(f"by={strange}: none of {len(fitting)} runs has a key of that name")
    by = request.by or distinguishing_keys(fitting)
    cells = [cell_of(run, label_of(run, by)) for run in fitting]
    for row in dict.fromkeys(cell.row for cell in cells):
        require_alike(row, [run for run, cell in zip(fitting, cells, strict=True) if cell.row == row])
    rows = {label_of(run, by): {key: run.value(key) for key in by} | {"label": label_of(run, by)} for run in fitting}
    where = " ".join(f"{key}={','.join(values)}" for key, values in request.where.items())
    out = request.out or request.stores[0] / "tables" / ("_".join(by).replace(".", "_") or "runs")
    title = f"Runs with {where} by {', '.join(by)}" if where else f"Runs by {', '.join(by)}"
    return write_table(cells, Experiment("runs", rows), title, out, request.level), out


def finished_runs(store: Path) -> Iterator[Finished]:
    """Every finished score of a store with what led to it, and every finished training that was not scored."""
    scored = set()
    for stage in ("score", "train"):
        for path in sorted(store.glob(f"{stage}/*/manifest.json")):
            if path.parent.name in scored:
                continue
            inputs = read_record(path, "inputs")["inputs"]
            scored.add(inputs.get("train"))
            yield read_run({stage: path.parent, **{one: store / one / address for one, address in inputs.items()}})


def read_run(stages: Mapping[str, Path]) -> Finished:
    """A run from some of its stage folders: with those that they were made from, and the keys of all."""
    folders = dict(stages)
    manifests: dict[str, Any] = {}
    for stage in reversed(STAGES):
        if stage in folders and (path := folders[stage] / "manifest.json").exists():
            manifests[stage] = read_record(path, "inputs")
            store = folders[stage].parents[1]
            folders |= {one: store / one / address for one, address in manifests[stage]["inputs"].items()}
    keys: dict[str, Any] = {}
    for stage in ("score", "prm", "base", "train"):  # where two hold a key, the later says what the run had
        keys |= dotted_leaves(manifests.get(stage, {}).get("config", {}))
    return Finished({stage: folders[stage] for stage in STAGES if stage in manifests}, keys)


def dotted_leaves(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The leaves of nested mappings by dotted key.

    >>> dotted_leaves({"train": {"steps": 60}, "seed": 1})
    {'train.steps': 60, 'seed': 1}
    """
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        leaves |= dotted_leaves(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return leaves


def distinguishing_keys(runs: Sequence[Finished]) -> tuple[str, ...]:
    """The fewest keys that tell the runs apart but for their seeds: choices first, then keys that these do not imply.

    >>> a, b = ({"credit.name": n, "credit.gamma": g, "seed": 1} for n, g in (("sum", 1.0), ("min", None)))
    >>> distinguishing_keys([Finished({}, a), Finished({}, b)])
    ('credit',)
    """
    names = dict.fromkeys(key for run in runs for key in run.keys if key != "seed")
    ordered = sorted(names, key=lambda key: not key.endswith((".name", ".profile")))  # a stable sort
    kept: list[str] = []
    for key in ordered:
        known = {tuple(run.value(one) for one in kept) for run in runs}
        if len({(*(run.value(one) for one in kept), run.value(key)) for run in runs}) > len(known):
            kept.append(key)
    return tuple(key.removesuffix(".name").removesuffix(".profile") for key in kept)


def require_alike(row: str, runs: Sequence[Finished]) -> None:
    """See that the runs of a row differ in their seeds alone. Raises ``ConfigError`` where they do not."""
    if others := distinguishing_keys(runs):
        raise ConfigError(f"the runs of “{row}” differ in {', '.join(others)}: add it to by=, or narrow where=")
    if len({run.seed for run in runs}) < len(runs):
        raise ConfigError(f"“{row}” has a seed twice: name one store, or narrow where=")


def label_of(run: Finished, by: Sequence[str]) -> str:
    """A run's row: what it has of the keys that the table is by."""
    return " ".join(f"{key}={run.value(key)}" for key in by if run.value(key)) or "runs"


def cell_of(run: Finished, row: str) -> Cell:
    """The cell that a run fills."""
    return Cell(row, run.seed, *(run.stages.get(stage) for stage in STAGES))


def write_table(
    cells: Sequence[Cell],
    experiment: Experiment,
    title: str,
    out: Path,
    level: float | None,
    missing: Sequence[Missing] = (),
) -> Report:
    """Write the report of some cells that are no experiment's."""
    trained = read_trainings({cell.row: [one for one in cells if one.row == cell.row] for cell in cells})
    ends = [level_of(run) for group in trained.values() for run in group]
    level = level if level is not None else round(SHARE * max(ends), 3) if ends else None
    about = About(
        title=title,
        level=level,
        mark="the level",
        columns=COLUMNS,
        sections=("sets", "training", "fitted"),
    )
    return write_report(cells, replace(experiment, about=about), out, missing)


if __name__ == "__main__":
    sys.exit(main())
