"""torchrun's agent on one machine, a child of :mod:`pure_repro.launch.group`: it starts the workers and minds them."""

import os
import sys

from torch.distributed import run
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

from pure_repro.launch.watchdog import PARENT, follow_parent


def main() -> None:
    """Start the workers and wait for them; one that fails ends the others. Status 1 says that the group broke."""
    follow_parent()
    os.environ[PARENT] = str(os.getpid())  # of the workers
    try:
        run.main(sys.argv[1:])
    except ChildFailedError as error:
        rank, first = error.get_first_failure()
        how = f"by {first.signal_name()}" if first.exitcode < 0 else f"with status {first.exitcode}"
        sys.exit(f"\npure-repro: rank {rank} ended first, {how}")
    except SignalException:
        sys.exit(143)
    except Exception as error:  # whatever the meeting place raises when it, or a machine, is gone
        sys.exit(f"\npure-repro: the machines of the group lost each other ({type(error).__name__}: {error})")


if __name__ == "__main__":
    main()
