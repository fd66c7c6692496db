"""Addresses without their secrets: what of a tracker's address may stand in a name, a tag, a file or a message."""

import re

ADDRESS = re.compile(r"(\b[A-Za-z][\w+.-]*://)([^\s/?#'\"]*@)?([^\s?#'\"]*)([?#][^\s'\"]*)?")


def redacted(text: str) -> str:
    """Text whose addresses have lost user, password and everything behind ``?`` or ``#``.

    >>> redacted("no answer from http://me:pass@host:5000/x?token=1 today")
    'no answer from http://***@host:5000/x?*** today'
    >>> redacted("sqlite:////home/me/mlflow.db")
    'sqlite:////home/me/mlflow.db'
    """
    return ADDRESS.sub(lambda a: a[1] + ("***@" if a[2] else "") + a[3] + ("?***" if a[4] else ""), text)


def redacted_address(uri: str) -> str:
    """A whole address, or a word ``key=address``; it may hold spaces and quotes.

    >>> redacted_address("track.uri=sqlite:///a folder/mlflow.db?key=it's secret")
    'track.uri=sqlite:///a folder/mlflow.db?***'
    >>> redacted_address("train.steps=12")
    'train.steps=12'
    """
    scheme, mark, rest = uri.partition("://")
    host, slash, path = rest.partition("/")
    place = ("***@" + host.rpartition("@")[2] if "@" in host else host) + slash + path
    return scheme + mark + (re.sub(r"[?#].*", "?***", place, flags=re.DOTALL) if mark else "")


def words_of(error: BaseException, *addresses: str | None) -> str:
    """What an error says, in one line without secrets; some errors say nothing.

    >>> words_of(TimeoutError()), words_of(OSError("http://me:pass@host is away\\nretry"))
    ('TimeoutError', 'OSError: http://***@host is away')
    """
    text = str(error)
    for address in filter(None, addresses):
        text = text.replace(address, redacted_address(address))
    first = redacted(text.strip().split("\n")[0])
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
