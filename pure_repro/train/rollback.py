"""Policies to go back to: under ``watch.on_alarm=rollback`` a run ends with one from before the signal moved."""

import shutil
from collections.abc import Sequence
from pathlib import Path

KEPT = "before_alarm"  # the folder of policies by step


def steps_kept(out: Path) -> list[int]:
    """The steps whose policy is kept, in order."""
    return sorted(int(folder.name) for folder in (out / KEPT).glob("*"))


def superfluous(steps: Sequence[int], now: int, window: int) -> list[int]:
    """The steps that no alarm can go back to any more: older than the newest that the next alarm would ask for.

    >>> superfluous([10, 20, 30], now=30, window=5)
    [10]
    """
    return [step for step in steps if step <= now - window][:-1]


def last_sound(steps: Sequence[int], alarm: int, window: int) -> int | None:
    """The newest step before the window in which an alarm went off; ``None``: there is none.

    >>> last_sound([10, 20, 30], alarm=33, window=5), last_sound([10], alarm=12, window=5)
    (20, None)
    """
    return max((step for step in steps if step <= alarm - window), default=None)


def drop_superfluous(out: Path, now: int, window: int) -> None:
    """Remove the policies that no alarm can go back to."""
    for step in superfluous(steps_kept(out), now, window):
        shutil.rmtree(out / KEPT / str(step))


def go_back(out: Path, alarm: int, window: int) -> int | None:
    """Make the last sound policy the run's last one; its step, or ``None`` where the alarm came before any was kept."""
    step = last_sound(steps_kept(out), alarm, window)
    if step is not None:
        shutil.copytree(out / KEPT / str(step), out / "last", dirs_exist_ok=True)
    return step
