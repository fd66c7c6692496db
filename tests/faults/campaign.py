"""The campaign: a fault is done to a part of the suite, and either the right result comes or one clear sentence.

Survived is the right result, or a stop in one sentence that names the key, the file or the line. A traceback, a
misleading or missing word, a hang and another result without a word do not count, even where nothing is lost.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pure_repro.config import ConfigError
from pure_repro.judge.judges import JudgeSilent
from pure_repro.launch.failure import Failure
from pure_repro.models.checkpoint import BrokenState, OtherRanks
from pure_repro.models.finite import NotFinite
from pure_repro.prm.gate import GateFailed
from pure_repro.rollout.fingerprint import StaleWeights

# What ends a run in a sentence (``launch/stages.py`` and ``__main__.py`` print it and set the status).
SENTENCES = (BrokenState, ConfigError, Failure, GateFailed, JudgeSilent, NotFinite, OtherRanks, StaleWeights)
LONGEST = 700  # characters of a sentence; a refused answer may stand in it


@dataclass(frozen=True)
class Fault:
    """``strike`` does it, in an empty folder. ``says`` is what the sentence must hold; ``None``: the result is right.

    What is right a strike asserts itself.
    """

    area: str
    name: str
    strike: Callable[[Path], Any]
    says: str | None


RESULTS: list[tuple[Fault, str | None]] = []  # of this process: each fault, and what was wrong with its end


def trouble(fault: Fault, folder: Path) -> str | None:
    """What is wrong with how a fault ended; ``None`` where it was survived."""
    try:
        fault.strike(folder)
    except SENTENCES as error:
        said = str(error)
        if fault.says is None:
            return f"refused: {said}"
        if "\n" in said or not said or len(said) > LONGEST or "None;" in said or "Traceback" in said:
            return f"not one clear sentence: {said[:200]!r}"
        return None if fault.says in said else f"does not name {fault.says!r}: {said[:200]}"
    except AssertionError as error:
        return f"another result: {error}"
    except Exception as error:
        return f"traceback: {type(error).__name__}: {str(error)[:200]}"
    return None if fault.says is None else "no word"


def summary(results: Iterable[tuple[Fault, str | None]]) -> str:
    """The table of a campaign: area, tried, survived."""
    tried, survived = Counter[str](), Counter[str]()
    for fault, wrong in results:
        tried[fault.area] += 1
        survived[fault.area] += wrong is None
    lines = [f"{area:<42} {tried[area]:>5} {survived[area]:>9}" for area in tried]
    return "\n".join([f"{'area':<42} tried  survived", *lines, f"{'sum':<42} {tried.total():>5} {survived.total():>9}"])
