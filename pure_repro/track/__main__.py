"""The tracker's own commands.

``python -m pure_repro.track send`` sends what could not be sent; ``store=… track.uri=…`` say from where and to where.
``python -m pure_repro.track ui`` opens MLflow's pages on this machine, and prints where the newest table is.
"""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from pure_repro.config import Config, ConfigError
from pure_repro.launch.compose import composed
from pure_repro.track.mlflow import KIND, connect
from pure_repro.track.outbox import OUTBOX, tracker_of, unread_letters, waiting
from pure_repro.track.pages import list_page, run_page
from pure_repro.track.redact import words_of
from pure_repro.track.sender import QUIET, Overdue, send


def send_waiting(config: Config) -> int:
    """Send every letter of the store, to each tracker whose address is known; returns how many stay where they are.

    An address that held a password is not on disk: it is given as ``track.uri``.
    """
    before = waiting(config.store)
    here = tracker_of(config.track, Path.cwd())
    known = {letter.tracker: letter.tracker for letter, _ in before if "://" in letter.tracker} | {
        here: config.track.uri
    }
    for tracker, uri in known.items():
        if "***" in str(uri):
            print(f"{tracker}: give its whole address, track.uri=…", file=sys.stderr)
            continue
        try:
            for _ in send(config.store, uri, set(), True, _say):
                pass
        except (Exception, Overdue) as error:
            _say(config.store, words_of(error, uri))
    broken = unread_letters(config.store)
    for path in broken:
        _say(config.store, f"{path} is no letter of this version: remove it")
    left = len(waiting(config.store))
    print(f"sent {len(before) - left} of {len(before)}" + (f"; {left} wait in {config.store / OUTBOX}" if left else ""))
    return left + len(broken)


def _say(store: Path, reason: str) -> None:
    print(f"not sent: {reason}", file=sys.stderr)


def show(config: Config, port: int) -> None:
    """Print where the pages will be, then become MLflow's server of them."""
    client, experiment = connect(config.track)
    address = f"http://127.0.0.1:{port}/"
    tables = client.search_runs([experiment], f"tags.`{KIND}` != ''", order_by=["start_time DESC"], max_results=1)
    for table in tables:
        print(f"newest {table.data.tags[KIND]}: {address}{run_page(experiment, table.info.run_id)}")
    print(f"list of runs: {address}{list_page(experiment)}", flush=True)
    uri = config.track.uri or "sqlite:///mlflow.db"
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    words = ["server", "--backend-store-uri", uri, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    os.execv(sys.executable, [sys.executable, "-m", "mlflow", *words])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command."""
    parser = argparse.ArgumentParser(
        prog="python -m pure_repro.track", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, dest="command")
    commands.add_parser("send", help="send what could not be sent")
    pages = commands.add_parser("ui", help="open MLflow's pages")
    pages.add_argument("--port", type=int, default=5000)
    for command in commands.choices.values():
        command.add_argument("words", nargs="*", metavar="key=value", help="store=…, track.uri=…, track.experiment=…")
    options = parser.parse_args(arguments)
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    logging.disable(logging.WARNING)
    try:
        config = composed(options.words)
    except ConfigError as error:
        print(f"pure-repro: {error}", file=sys.stderr)
        return 2
    if options.command == "send":
        return 1 if send_waiting(config) else 0
    show(config, options.port)
    return 0


if __name__ == "__main__":
    sys.exit(main())
