"""``python kill_at.py N store words…``: the real entry point, killed (SIGKILL) before its N-th change of a file there.

It counts what changes the store: files that are opened to be written, renamed, removed, folders that are made or
removed. With N = 0 it kills nothing and says at its end how many there were. MLflow's own process is not counted.
"""

import os
import runpy
import signal
import sys
from typing import Any

CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree", "shutil.copytree"}


def count(kill_at: int, store: str) -> list[int]:
    """Count changes of the store from now on; at the ``kill_at``-th this process ends."""
    seen = [0]

    def heard(event: str, given: tuple[Any, ...]) -> None:
        writes = event == "open" and isinstance(given[1], str) and set(given[1]) & set("wax+")
        if (writes or event in CHANGES) and str(given[0]).startswith(store):
            seen[0] += 1
            if seen[0] == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(heard)
    return seen


def main() -> None:
    """Run the entry point with the words that follow."""
    kill_at, store, *words = sys.argv[1:]
    seen = count(int(kill_at), store)
    sys.argv = ["pure_repro", *words, f"store={store}"]
    try:
        runpy.run_module("pure_repro", run_name="__main__")
    finally:
        print(f"changes of files: {seen[0]}")


if __name__ == "__main__":
    main()
