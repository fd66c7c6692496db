"""What a finished stage has left, by digests: a file that changed or went since then is noticed where it is used."""

import json
from pathlib import Path

from pure_repro.launch.failure import Failure
from pure_repro.launch.plan import StageRun
from pure_repro.launch.weights import file_digest
from pure_repro.models.checkpoint import CANDIDATES, COMPANIONS, FITS, SHARDS

# What a stage writes for itself, or before its end: nobody builds on it.
OWN = {
    "config.yaml",
    "log.txt",  # of the process that makes the stage for a table: it writes on after the manifest
    "manifest.json",
    "run.yaml",
    "run.json",
    "state.pt",
    "replies.sqlite",
    CANDIDATES,
    COMPANIONS,
    FITS,
    SHARDS,
}


def outputs(folder: Path) -> dict[str, str]:
    """The digest of every file that later stages and reports read, by its path within the folder.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = [(folder / name).write_text("{}") for name in ("summary.json", "config.yaml", "log.txt")]
    >>> outputs(folder)
    {'summary.json': '44136fa355b3678a'}
    """
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    named = {str(path.relative_to(folder)): path for path in files}
    return {
        name: file_digest(path)[:16]
        for name, path in named.items()
        if not name.startswith(".") and name.split("/")[0] not in OWN
    }


def require_as_left(run: StageRun) -> None:
    """Nothing of a finished stage is missing or other than it was at its end.

    Raises ``Failure``, which says how the stage is made again.
    """
    again = f"remove {run.folder}, and the same command makes it again"
    try:
        left = json.loads((run.folder / "manifest.json").read_text())["outputs"].items()
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise Failure(f"{run.folder / 'manifest.json'} does not say what the stage has left: {again}", 1) from error
    there = outputs(run.folder)
    if wrong := [name for name, digest in left if there.get(name) != digest]:
        what = "is other than stage {} left it" if wrong[0] in there else "is gone, which stage {} had left"
        raise Failure(f"{run.folder / wrong[0]} {what.format(run.stage)}: {again}", 1)
