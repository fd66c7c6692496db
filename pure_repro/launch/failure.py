"""How a run ends that cannot go on: a sentence and an exit status."""

import signal
import sys
from types import FrameType
from typing import NoReturn


class Failure(Exception):
    """Status 2 is a mistake in the request, 1 work that failed."""

    def __init__(self, sentence: str, status: int = 2) -> None:
        super().__init__(sentence)
        self.status = status


class Terminated(KeyboardInterrupt):
    """SIGTERM, which takes the same way out as Ctrl-C."""


def fail(sentence: str, status: int = 2) -> NoReturn:
    """Say what is wrong and leave."""
    print(f"pure-repro: {sentence}", file=sys.stderr)
    sys.exit(status)


def first_line(error: BaseException) -> str:
    """What an error says, on one line; some say nothing but what they are.

    >>> first_line(ValueError("no such word\\nin the list")), first_line(TimeoutError())
    ('no such word', 'TimeoutError')
    """
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def heed_termination() -> None:
    """From now on SIGTERM raises ``Terminated``."""
    signal.signal(signal.SIGTERM, _terminated)


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated
