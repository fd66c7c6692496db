"""Tracking that cannot hurt: what the tracker does not take stays in the stage folder, and training goes on."""

import sys
from pathlib import Path

from pure_repro.config import Track


def follow(folder: Path, track: Track) -> None:
    """Send what a stage folder holds so far to the tracker; when that fails, say so once and go on.

    Everything is in the folder, and a later call sends what an earlier one could not.
    """
    if track.name == "none":
        return
    from pure_repro.track.mlflow import sync

    try:
        sync(folder, track)
    except Exception as error:  # any failure of a tracking server: hours of training weigh more than a log line
        print(f"warning: not tracked ({type(error).__name__}: {str(error).splitlines()[0]})", file=sys.stderr)
