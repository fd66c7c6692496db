"""A judge behind an OpenAI-compatible endpoint: one greedy reply to each prompt, within its time."""

import base64
import json
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from threading import Timer
from urllib.parse import SplitResult, unquote, urlsplit

from pure_repro.config import Judge

LARGEST_REPLY = 2**20  # bytes that are read of an endpoint's answer; what is longer is cut and so malformed


def endpoint(judge: Judge) -> Callable[[Sequence[str]], list[str | None]]:
    """A model behind ``url``; whatever goes wrong is no reply (``None``)."""
    url = urlsplit(f"{str(judge.url).rstrip('/')}/chat/completions")

    def reply(prompt: str) -> str | None:
        """What the model says to one prompt."""
        body = {
            "model": judge.model,
            "messages": [{"role": "user", "content": prompt}],
            "temperature": 0,
            "max_tokens": judge.max_new_tokens,
        }
        try:
            content = posted(url, json.dumps(body).encode(), judge.timeout)
            said = json.loads(content)["choices"][0]["message"]["content"]
            said.encode()  # half a surrogate is no text
        except (OSError, HTTPException, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return None
        return said if isinstance(said, str) else None

    def replies(prompts: Sequence[str]) -> list[str | None]:
        """All prompts, ``at_once`` of them at a time."""
        with ThreadPoolExecutor(judge.at_once) as pool:
            return [*pool.map(reply, prompts)]

    return replies


def posted(url: SplitResult, body: bytes, timeout: float) -> bytes:
    """What an address answers to a body of JSON, all of it within ``timeout`` seconds.

    A socket's own time-out counts from byte to byte, so that one byte a second would never end: after ``timeout`` the
    connection is shut from this side, and what waits for it gets an ``OSError`` or an ``HTTPException``. So does
    whoever gets another status than 200.
    """
    kind = HTTPSConnection if url.scheme == "https" else HTTPConnection
    connection = kind(url.hostname or "", url.port, timeout=timeout)
    connection.connect()
    assert connection.sock is not None
    watch = Timer(timeout, shut, [connection.sock])
    watch.start()
    try:
        path = url.path + (f"?{url.query}" if url.query else "")
        connection.request("POST", path, body, {"Content-Type": "application/json"} | authorization(url))
        answer = connection.getresponse()
        if answer.status != 200:
            raise HTTPException(f"status {answer.status}")
        return answer.read(LARGEST_REPLY)
    finally:
        watch.cancel()
        connection.close()


def shut(connection: socket.socket) -> None:
    """End both directions at once: who waits for a byte is told that none comes."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:  # it has ended by itself in the meantime
        return


def authorization(url: SplitResult) -> dict[str, str]:
    """The header for a user and a password that stand in the address.

    >>> authorization(urlsplit("http://me:s3cret@127.0.0.1/v1")), authorization(urlsplit("http://127.0.0.1/v1"))
    ({'Authorization': 'Basic bWU6czNjcmV0'}, {})
    """
    if url.username is None:
        return {}
    word = f"{unquote(url.username)}:{unquote(url.password or '')}"
    return {"Authorization": "Basic " + base64.b64encode(word.encode()).decode()}
