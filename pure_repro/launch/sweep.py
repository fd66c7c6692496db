"""What a sweep is and what became of it: ``sweep.json`` in a folder of its own. Reading it needs no torch and no Hydra.

``store/sweeps/<name>/sweep.json`` holds the words that were typed, the keys that vary, and the jobs: combination →
addresses of stages → status. It is written before the first job starts, and by every job as it goes on.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from pure_repro.track.manifest import locked, write_json

JobStatus = Literal["waiting", "running", "done", "failed", "refused", "stopped"]

SETTINGS = ("store=", "track", "sweep.", "launch", "hydra")  # where and how: the same sweep elsewhere is the same sweep


@dataclass(frozen=True)
class Job:
    """One combination of a sweep."""

    number: int  # from 1
    combination: dict[str, str]  # key that varies → its value here
    words: list[str]  # everything that was composed
    status: JobStatus = "waiting"
    stages: dict[str, str] = field(default_factory=dict)  # stage → address, in their order
    value: float | None = None  # of the figure sweep.optimise
    reason: str = ""  # why it failed or was refused

    @property
    def label(self) -> str:
        """The combination as it is typed.

        >>> Job(3, {"credit": "sum", "seed": "2"}, []).label
        'credit=sum seed=2'
        """
        return " ".join(f"{key}={value}" for key, value in self.combination.items())

    @property
    def arm(self) -> str:
        """What it has in common with the jobs of other seeds; empty where only those vary.

        >>> Job(3, {"credit": "sum", "seed": "2"}, []).arm
        'credit=sum'
        """
        return " ".join(f"{key}={value}" for key, value in self.combination.items() if key != "seed")


@dataclass(frozen=True)
class SweepState:
    """A sweep: ``-m`` and its words. ``store`` is the way from the sweep's folder to that of the stages."""

    name: str
    words: list[str]
    varies: list[str]
    store: str
    total: int | None  # jobs; unknown where a sweeper decides as it goes
    earlier: int  # jobs that the sweep had when it was started again, where a sweeper decides as it goes
    jobs: tuple[Job, ...]

    def job(self, number: int) -> Job | None:
        """The job of a number, if it is known."""
        return next((job for job in self.jobs if job.number == number), None)

    def stages(self, folder: Path, job: Job) -> dict[str, Path]:
        """The folders of a job's stages, given the sweep's own."""
        return {stage: Path(os.path.normpath(folder / self.store / stage / a)) for stage, a in job.stages.items()}


def identity_words(words: Sequence[str]) -> list[str]:
    """The words that say what is computed, without those that say where and how.

    >>> identity_words(["credit=min,sum", "store=/tmp/store", "track=none", "hydra/launcher=joblib"])
    ['credit=min,sum']
    """
    return [word for word in words if not word.lstrip("+~").startswith(SETTINGS)]


def sweep_name(words: Sequence[str], varies: Sequence[str]) -> str:
    """A sweep's name: what varies, and a digest of its words, so that the same words are the same sweep.

    >>> sweep_name(["credit=min,sum", "train.learning_rate=1e-4,3e-4"], ["credit", "train.learning_rate"])
    'credit_learning_rate-f9978d'
    """
    digest = hashlib.sha256(json.dumps(identity_words(words)).encode()).hexdigest()[:6]
    return "-".join(["_".join(key.lstrip("+").split(".")[-1] for key in varies)[:60].strip("_") or "run", digest])


def read_sweep(folder: Path) -> SweepState:
    """The record of a sweep."""
    values = json.loads((folder / "sweep.json").read_text())
    return SweepState(**values | {"jobs": tuple(Job(**job) for job in values["jobs"])})


def write_sweep(folder: Path, sweep: SweepState) -> None:
    """Write the record, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "sweep.json", asdict(sweep))


def put_job(folder: Path, job: Job) -> None:
    """Put a job into the record, in the place of the one of its number; several processes take turns."""
    with locked(folder / ".lock"):
        sweep = read_sweep(folder)
        jobs = {one.number: one for one in sweep.jobs} | {job.number: job}
        write_sweep(folder, replace(sweep, jobs=tuple(jobs[number] for number in sorted(jobs))))


def change_job(folder: Path, number: int, **changes: Any) -> Job:
    """Note what became of a job; returns it."""
    job = read_sweep(folder).job(number)
    assert job is not None, "a job is in the record before it starts"
    put_job(folder, changed := replace(job, **changes))
    return changed


def combination(words: Sequence[str], varies: Sequence[str]) -> dict[str, str]:
    """The values that a job gives to what varies, in the order in which that was typed.

    >>> combination(["recipe=smoke", "seed=2", "credit=sum"], ["credit", "seed"])
    {'credit': 'sum', 'seed': '2'}
    """
    values: Mapping[str, str] = dict(word.split("=", 1) for word in words if "=" in word)
    return {key: values[key] for key in varies if key in values}
