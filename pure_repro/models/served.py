"""A model behind an address: one question and its reply within a deadline, and replies that are kept."""

import base64
import hashlib
import json
import socket
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from threading import Timer
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

LARGEST_REPLY = 2**24  # bytes that are read; what is longer is cut, and so malformed


class NoReply(Exception):
    """Why nothing came back that can be read."""


def ask(url: str, body: Mapping[str, Any], deadline: float) -> Any:
    """The JSON that comes back for a JSON body. User and password of the address go into a header.

    The deadline is of the whole reply: a time-out of the socket alone would wait for ever on one byte a second. Raises
    ``NoReply`` where none comes whole within ``deadline`` seconds.
    """
    parts = urlsplit(url)
    connect = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = connect(str(parts.hostname), parts.port, timeout=deadline)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    alarm = None
    try:
        connection.connect()
        alarm = Timer(deadline, hang_up, [connection.sock])  # a reply that ends the connection takes the socket along
        alarm.daemon = True
        alarm.start()
        headers = {"Content-Type": "application/json"} | authorization(parts)
        connection.request("POST", path, json.dumps(body).encode(), headers)
        reply = connection.getresponse()
        if reply.status != 200:
            raise NoReply(f"status {reply.status}")
        return json.loads(reply.read(LARGEST_REPLY))
    except (OSError, HTTPException, ValueError, RecursionError) as error:
        raise NoReply(f"{type(error).__name__}: {error}") from error
    finally:
        if alarm is not None:
            alarm.cancel()
        connection.close()


def authorization(url: SplitResult) -> dict[str, str]:
    """The header for a user and a password that stand in an address.

    >>> authorization(urlsplit("http://me:s3cret@127.0.0.1/v1")), authorization(urlsplit("http://127.0.0.1/v1"))
    ({'Authorization': 'Basic bWU6czNjcmV0'}, {})
    """
    if url.username is None:
        return {}
    word = f"{unquote(url.username)}:{unquote(url.password or '')}"
    return {"Authorization": "Basic " + base64.b64encode(word.encode()).decode()}


def hang_up(line: socket.socket) -> None:
    """Whoever waits for bytes gets none."""
    with suppress(OSError):  # it may have ended by itself
        line.shutdown(socket.SHUT_RDWR)


class Kept:
    """Replies in an SQLite file, each under the content of what was asked; several processes may share it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        with closing(sqlite3.connect(path, timeout=60)) as file, file:
            file.execute("CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, reply TEXT)")

    def get(self, keys: Sequence[str]) -> dict[str, Any]:
        """The replies that are there, by key."""
        with closing(sqlite3.connect(self.path, timeout=60)) as file:
            rows = (file.execute("SELECT key, reply FROM replies WHERE key = ?", (key,)).fetchone() for key in keys)
            return {row[0]: json.loads(row[1]) for row in rows if row}

    def put(self, replies: Mapping[str, Any]) -> None:
        """Keep some more."""
        with closing(sqlite3.connect(self.path, timeout=60)) as file, file:
            rows = [(key, json.dumps(reply)) for key, reply in replies.items()]
            file.executemany("INSERT OR REPLACE INTO replies VALUES (?, ?)", rows)


def key_of(*asked: Any) -> str:
    """The name of what was asked.

    >>> key_of("a model", "1+1?") == key_of("a model", "1+1?") != key_of("another", "1+1?")
    True
    """
    return hashlib.sha256(json.dumps(asked, ensure_ascii=False).encode()).hexdigest()
