"""A process that is killed (SIGKILL) before its n-th change of a file: whoever has this folder on its PYTHONPATH.

``STRIKE`` is a list in JSON, of which a process heeds the one with its ``module`` and, in a group, its ``rank``.
Changes of files in ``folder`` count: files that are opened to be written, renamed and removed, folders that are made
and removed, and statements that write into an SQLite file. ``count`` gets a byte for each. Before change ``at`` the
process is killed, or with ``parent`` the one that has started it; 0 kills nobody.
"""

import json
import os
import signal
import sqlite3
import sys
from typing import Any

CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree", "shutil.copytree"}
WRITES = ("INSERT", "UPDATE", "DELETE")


def strike_at(at: int, folder: str, count: str, parent: bool) -> None:
    """From now on, count what this process changes, on top of what others like it have changed before."""
    counted = os.open(count, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def change() -> None:
        os.write(counted, b".")
        if os.fstat(counted).st_size == at:
            os.kill(os.getppid() if parent else os.getpid(), signal.SIGKILL)

    def said(statement: str) -> None:
        if statement.lstrip().startswith(WRITES):
            change()

    def heard(event: str, given: tuple[Any, ...]) -> None:
        writes = event == "open" and isinstance(given[1], str) and set(given[1]) & set("wax+")
        if not (writes or event in CHANGES) or isinstance(given[0], int):  # a file that is open
            return
        if os.path.abspath(os.fsdecode(given[0])).startswith(folder):
            change()

    def connected(*given: Any, **named: Any) -> sqlite3.Connection:
        connection = connect(*given, **named)
        connection.set_trace_callback(said)
        return connection

    connect = sqlite3.connect
    sqlite3.connect = sqlite3.dbapi2.connect = connected  # type: ignore[assignment]
    sys.addaudithook(heard)


words = sys.orig_argv
runs = words[words.index("-m") + 1] if "-m" in words else None
for strike in json.loads(os.environ.get("STRIKE", "[]")):
    if (strike.pop("module"), strike.pop("rank")) == (runs, os.environ.get("RANK")):
        strike_at(**strike)
        break
