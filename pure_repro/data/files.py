"""Files of rows: JSON Lines, or one JSON list, each row with the words that name its place in an error."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import yaml

from pure_repro.config import ConfigError

Rows = list[tuple[str, Mapping[str, Any]]]  # where a row stands, and the row


def file_rows(path: Path) -> Rows:
    """The objects of a JSON Lines file, each with file and line.

    Raises ``ConfigError`` for a file that cannot be read, and for a line that is no object.
    """
    lines = read_text(path).split("\n")  # a JSON string may hold other line separators
    return [
        (place, an_object(parse_json(line, place), place))
        for place, line in ((f"{path}:{number}", line) for number, line in enumerate(lines, 1))
        if line.strip()
    ]


def list_or_lines(path: Path) -> Rows:
    """The objects of one JSON list, or of a JSON Lines file.

    Raises ``ConfigError`` for a file that is neither.
    """
    text = read_text(path)
    if not text.lstrip().startswith("["):
        return file_rows(path)
    rows = parse_json(text, str(path))
    return [(f"{path}, row {i}", an_object(row, f"{path}, row {i}")) for i, row in enumerate(rows)]


def read_text(path: Path) -> str:
    """A text in UTF-8; the mark that some editors set before it is left out."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path} cannot be read: byte {error.start} is no UTF-8 ({error.reason}); save it as UTF-8"
        ) from error


def parse_json(text: str, place: str) -> Any:
    """The value of a JSON text, in which every number is one.

    >>> parse_json('{"a": NaN}', "mine.jsonl:2")
    Traceback (most recent call last):
    pure_repro.config.base.ConfigError: mine.jsonl:2: no JSON (NaN is no number)
    """
    try:
        value = json.loads(text, parse_constant=_no_number)
        if "\\u" in text:  # half a surrogate is no text, which no file and no tokenizer takes
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except RecursionError as error:
        raise ConfigError(f"{place}: no JSON (nested too deeply)") from error
    except ValueError as error:
        raise ConfigError(f"{place}: no JSON ({error})") from error


def an_object(row: Any, place: str) -> Mapping[str, Any]:
    """The row, if it has columns."""
    if not isinstance(row, dict):
        raise ConfigError(f"{place}: a line must be a JSON object")
    return row


def column(row: Mapping[str, Any], name: str, place: str) -> Any:
    """The value of a column that must be there.

    >>> column({"q": "1+1"}, "question", "mine.jsonl:2")
    Traceback (most recent call last):
    pure_repro.config.base.ConfigError: mine.jsonl:2: there is no 'question' among 'q'
    """
    if name not in row:
        raise ConfigError(f"{place}: there is no {name!r} among {', '.join(map(repr, row)) or 'no columns'}")
    return row[name]


def text_in(row: Mapping[str, Any], name: str, place: str) -> str:
    """The text of a column, which must say something."""
    value = column(row, name, place)
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(f"{place}: {name!r} must be text that is not empty")
    return value.strip()


def read_record(path: Path, *keys: str) -> dict[str, Any]:
    """An object of JSON or YAML that a stage or a command has written, with keys that it must have.

    Raises ``ConfigError`` where it is other, ``FileNotFoundError`` where it is not there.
    """
    try:
        text = path.read_bytes().decode()
        record = yaml.safe_load(text) if path.suffix == ".yaml" else json.loads(text)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} is not as it was written: {' '.join(str(error).split())}") from error
    if not isinstance(record, dict) or (missing := [key for key in keys if key not in record]):
        lacks = f"there is no {missing[0]!r}" if isinstance(record, dict) else "it is no object"
        raise ConfigError(f"{path} is not as it was written: {lacks}")
    return record


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")
