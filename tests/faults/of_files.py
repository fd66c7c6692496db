"""Faults of files of rows: training problems, benchmarks, step labels, a judge's files, journals."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from campaign import Fault

from pure_repro.config import FileSet, Mathematics, StepRows
from pure_repro.data.benchmarks import read_file
from pure_repro.data.source import training_set
from pure_repro.judge.files import labelled_rows, subgoals_by_question
from pure_repro.launch.compose import composed
from pure_repro.prm.fit_rows import read_rows
from pure_repro.train.journal import Journal

DEEP = b"[" * 100_000
# What happens to any text file of rows, and what is said of it.
ANY_FILE: list[tuple[str, bytes, str]] = [
    ("binary", bytes(range(256)), "UTF-8"),
    ("latin-1", '{"q": "caf\u00e9", "a": "1"}\n'.encode("latin-1"), "UTF-8"),
    ("utf-16", '{"q": "1+1", "a": "2"}\n'.encode("utf-16"), "UTF-8"),
    ("half a row", b'{"q": "1+1", "a"', "no JSON"),
    ("two rows on a line", b'{"q": "1", "a": "1"} {"q": "2", "a": "2"}\n', "no JSON"),
    ("NUL bytes", b'{"q": "1", "a": "1"}\n\0\0\0\0\n', "no JSON"),
    ("HTML in its place", b"<!doctype html><html><body>404</body></html>\n", "no JSON"),
    ("CSV in its place", b"q,a\n1+1,2\n", "no JSON"),
    ("python in its place", b"{'q': '1+1', 'a': '2'}\n", "no JSON"),
    ("a number as the file", b"5\n", "must be a JSON object"),
    ("null as the file", b"null\n", "must be a JSON object"),
    ("a text as the file", b'"1+1"\n', "must be a JSON object"),
    ("a trailing comma", b'{"q": "1", "a": "1",}\n', "no JSON"),
    ("deep nesting", DEEP, "no JSON"),
    ("deep nesting in a row", b'{"q": ' + DEEP + b"\n", "no JSON"),
    ("half a surrogate", b'{"q": "\\ud800", "a": "1"}\n', "no JSON"),
    ("NaN", b'{"q": "1+1", "a": NaN}\n', "NaN is no number"),
    ("Infinity", b'{"q": "1+1", "a": -Infinity}\n', "-Infinity is no number"),
    ("a number of 5,000 digits", b'{"q": "1+1", "a": ' + b"9" * 5000 + b"}\n", "no JSON"),
]
PLACES = ("nowhere", "a folder", "a folder in its way")


def content(path: Path, written: bytes) -> Path:
    path.write_bytes(written)
    return path


def a_missing(path: Path, kind: str) -> Path:
    """A path at which no file can be read."""
    if kind == "a folder":
        path.mkdir()
    return path / "inside" if kind == "a folder in its way" else path


def rows_of(*rows: Any) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def any_file(area: str, read: Callable[[Path], Any], names: dict[str, str]) -> Iterator[Fault]:
    """The faults that any file of rows has; ``names`` puts the area's columns in the place of q and a."""

    def with_columns(written: bytes) -> bytes:
        for plain, own in names.items():
            written = written.replace(f'"{plain}"'.encode(), f'"{own}"'.encode())
        return written

    for name, written, says in ANY_FILE:
        yield Fault(area, name, lambda f, w=written: read(content(f / "rows.jsonl", with_columns(w))), says)
    for kind in PLACES:
        yield Fault(area, kind, lambda f, k=kind: read(a_missing(f / "rows.jsonl", k)), "rows.jsonl")


# Benchmarks ----------------------------------------------------------------------------------------------------------


def users_set(path: Path) -> list[Any]:
    return read_file(FileSet(name="mine", path=path, question="q", answer="a"))


def reads(*expected: tuple[str, str]) -> Callable[[Path], None]:
    def check(path: Path) -> None:
        assert [(p.question, p.answer) for p in users_set(path)] == list(expected), users_set(path)

    return check


WRONG_ROWS: list[tuple[str, Any, str]] = [
    ("no question", {"a": "2"}, "there is no 'q'"),
    ("no answer", {"q": "1+1"}, "there is no 'a'"),
    ("no columns", {}, "there is no 'q'"),
    ("null question", {"q": None, "a": "2"}, "'q' must be text"),
    ("number as question", {"q": 5, "a": "2"}, "'q' must be text"),
    ("empty question", {"q": "", "a": "2"}, "'q' must be text"),
    ("blank question", {"q": " \n", "a": "2"}, "'q' must be text"),
    ("list as question", {"q": ["1+1"], "a": "2"}, "'q' must be text"),
    ("null answer", {"q": "1+1", "a": None}, "'a' holds no answer"),
    ("empty answer", {"q": "1+1", "a": ""}, "'a' holds no answer"),
    ("blank answer", {"q": "1+1", "a": "  "}, "'a' holds no answer"),
    ("true as answer", {"q": "1+1", "a": True}, "'a' holds no answer"),
    ("group as answer", {"q": "1+1", "a": {"is": 2}}, "'a' holds no answer"),
    ("empty list as answer", {"q": "1+1", "a": []}, "'a' holds no answer"),
    ("list with null as answer", {"q": "1+1", "a": ["2", None]}, "'a' holds no answer"),
    ("a printed list as answer", {"q": "1+1", "a": "['2']"}, "'a' holds no answer"),
    ("list of lists as answer", {"q": "1+1", "a": [["2"]]}, "'a' holds no answer"),
    ("a list in the place of a row", [1, 2], "must be a JSON object"),
    ("a number in the place of a row", 7, "must be a JSON object"),
]
RIGHT_FILES: list[tuple[str, bytes, tuple[str, str]]] = [
    ("BOM", b'\xef\xbb\xbf{"q": "1+1", "a": "2"}\n', ("1+1", "2")),
    ("CRLF", b'{"q": "1+1", "a": "2"}\r\n', ("1+1", "2")),
    ("no line end", b'{"q": "1+1", "a": "2"}', ("1+1", "2")),
    ("empty lines", b'\n\n{"q": "1+1", "a": "2"}\n\n', ("1+1", "2")),
    ("blanks around", b'{"q": " 1+1 ", "a": " 2 "}\n', ("1+1", "2")),
    ("number as answer", b'{"q": "1+1", "a": 2}\n', ("1+1", "2")),
    ("0 as answer", b'{"q": "1-1", "a": 0}\n', ("1-1", "0")),
    ("0.5 as answer", b'{"q": "half", "a": 0.5}\n', ("half", "0.5")),
    ("2.0 as answer", b'{"q": "1+1", "a": 2.0}\n', ("1+1", "2")),
    ("list as answer", b'{"q": "1+1", "a": ["2"]}\n', ("1+1", "2")),
    ("braces", b'{"q": "{question} {0} {x}", "a": "{1}"}\n', ("{question} {0} {x}", "{1}")),
    ("percent signs", b'{"q": "%s %d", "a": "100%"}\n', ("%s %d", "100%")),
    ("line separators inside", b'{"q": "1\\u2028+\\u00851", "a": "2"}\n', ("1\u2028+\x851", "2")),
    ("a key twice", b'{"q": "x", "q": "1+1", "a": "2"}\n', ("1+1", "2")),
    ("other columns", b'{"id": null, "q": "1+1", "a": "2", "extra": [NULL]}\n'.replace(b"NULL", b"null"), ("1+1", "2")),
    ("special tokens", b'{"q": "<|im_end|> <eos>", "a": "<pad>"}\n', ("<|im_end|> <eos>", "<pad>")),
    ("a long line", b'{"q": "' + b"1+" * 10**6 + b'1", "a": "2"}\n', ("1+" * 10**6 + "1", "2")),
]


def benchmarks() -> Iterator[Fault]:
    area = "benchmark files"
    yield from any_file(area, users_set, {})
    yield Fault(area, "empty", lambda f: users_set(content(f / "rows.jsonl", b"")), "holds no problem")
    yield Fault(
        area, "1e999 as answer", lambda f: users_set(content(f / "r.jsonl", b'{"q": "1", "a": 1e999}')), "r.jsonl"
    )
    good = {"q": "1+1", "a": "2"}
    for name, row, says in WRONG_ROWS:
        yield Fault(area, name, lambda f, r=row: users_set(content(f / "m.jsonl", rows_of(good, r))), says)
        yield Fault(
            area, f"{name}: its line", lambda f, r=row: users_set(content(f / "m.jsonl", rows_of(good, r))), "m.jsonl:2"
        )
    for name, written, expected in RIGHT_FILES:
        yield Fault(area, name, lambda f, w=written, e=expected: reads(e)(content(f / "m.jsonl", w)), None)


# Training problems ---------------------------------------------------------------------------------------------------


def mathematics(path: Path, problems: int = 1, answered: int = 1) -> Mathematics:
    counts = [f"data.train_problems={problems}", f"data.answered_problems={answered}", "train.prompts_per_step=1"]
    data = composed(["recipe=paper", "train.rollouts_per_update=1", "train.samples_per_prompt=2", *counts]).data
    assert isinstance(data, Mathematics)
    return data.model_copy(update={"path": str(path)})


_MATHS = []


def trained_on(path: Path, problems: int = 1, answered: int = 1) -> list[Any]:
    if not _MATHS:  # composing takes half a second
        _MATHS.append(mathematics(path))
    counts = {"train_problems": problems, "answered_problems": answered}
    return training_set(_MATHS[0].model_copy(update={"path": str(path), **counts}), seed=1).problems


def answers(path: Path, *expected: str | None, answered: int = 1) -> None:
    found = [p.answer for p in trained_on(path, len(expected), answered)]
    assert found == list(expected), found


QUESTION_AND_ANSWER = {"q": "question", "a": "answer"}
ANSWERS: list[tuple[str, Any, str | None, int]] = [
    ("a number as answer", 5, "5", 1),
    ("0 as answer", 0, "0", 1),
    ("a broken number as answer", 0.5, "0.5", 1),
    ("a whole number with a point", 8.0, "8", 1),
    ("a list of one as answer", ["8"], "8", 1),
    ("a list of numbers as answer", [1, 2], "1, 2", 1),
    ("no answer", None, None, 0),
    ("the word null as answer", "null", None, 0),
    ("an empty answer", "", None, 0),
    ("blanks as answer", "  ", None, 0),
]
NO_ANSWERS: list[tuple[str, Any]] = [
    ("true as answer", True),
    ("a group as answer", {"is": 5}),
    ("an empty list as answer", []),
    ("a printed list as answer", "['8']"),
    ("a list with null as answer", [None]),
    ("a list of groups as answer", [{"is": 5}]),
]


def training_problems() -> Iterator[Fault]:
    area = "files of training problems"
    yield from any_file(area, trained_on, QUESTION_AND_ANSWER)
    for name, answer, read, count in ANSWERS:
        row = {"question": "1+1", "answer": answer, "ref_answer": None}
        yield Fault(
            area,
            name,
            lambda f, r=row, a=read, c=count: answers(content(f / "p.json", rows_of(r)), a, answered=c),
            None,
        )
        listed = json.dumps([row]).encode()
        yield Fault(
            area,
            f"{name}, in a list",
            lambda f, w=listed, a=read, c=count: answers(content(f / "p.json", w), a, answered=c),
            None,
        )
    for name, answer in NO_ANSWERS:
        row = {"question": "1+1", "answer": answer, "ref_answer": None}
        yield Fault(
            area, name, lambda f, r=row: trained_on(content(f / "p.json", rows_of(r))), "p.json:1: 'answer' must be"
        )
        hidden = {"question": "1+1", "answer": "2", "ref_answer": answer}
        yield Fault(
            area,
            f"{name}, hidden",
            lambda f, r=hidden: trained_on(content(f / "p.json", rows_of(r))),
            "'ref_answer' must",
        )
    for name, row, says in WRONG_ROWS[:8]:
        own = {QUESTION_AND_ANSWER[k]: v for k, v in row.items()} or {"answer": "2"}
        says = says.replace("'q'", "'question'").replace("'a'", "'answer'")
        yield Fault(area, name, lambda f, r=own: trained_on(content(f / "p.json", rows_of(r))), says)
    good = {"question": "1+1", "answer": "2"}
    yield Fault(area, "a list with a number", lambda f: trained_on(content(f / "p.json", b"[5]")), "p.json, row 0")
    yield Fault(area, "an empty list", lambda f: trained_on(content(f / "p.json", b"[]")), "holds 0 problems")
    yield Fault(area, "an empty file", lambda f: trained_on(content(f / "p.json", b"")), "holds 0 problems")
    yield Fault(
        area, "a problem too many", lambda f: trained_on(content(f / "p.json", rows_of(good, good))), "holds 2 problems"
    )
    yield Fault(area, "half a list", lambda f: trained_on(content(f / "p.json", b'[{"question": "1+1"')), "no JSON")
    yield Fault(area, "BOM", lambda f: answers(content(f / "p.json", b"\xef\xbb\xbf" + rows_of(good)), "2"), None)
    yield Fault(
        area, "CRLF", lambda f: answers(content(f / "p.json", rows_of(good).replace(b"\n", b"\r\n")), "2"), None
    )


# Step labels ---------------------------------------------------------------------------------------------------------


def labels(path: Path) -> list[list[bool]]:
    return [row["labels"] for row in read_rows(StepRows(path=str(path), revision=None, split="train"))]


def labelled_as(path: Path, *expected: list[bool]) -> None:
    assert labels(path) == list(expected), labels(path)


def step_row(given: Any, steps: Any = None) -> dict[str, Any]:
    return {"prompt": "1+1", "completions": ["s"] * len(given) if steps is None else steps, "labels": given}


def step_labels() -> Iterator[Fault]:
    area = "step label rows"
    for name, written, says in ANY_FILE:
        yield Fault(
            area,
            name,
            lambda f, w=written: labels(content(f / "rows.jsonl", w)),
            says if "number" not in says else "rows.jsonl",
        )
    for label in ("false", "true", "-1", 2, -2, 0.5, 1.0, None, [], {}, "yes"):
        row = step_row([True, label])
        yield Fault(
            area,
            f"{label!r} as label",
            lambda f, r=row: labels(content(f / "s.jsonl", rows_of(r))),
            "s.jsonl:1: a label is",
        )
        yield Fault(
            area,
            f"{label!r} as label of the second row",
            lambda f, r=row: labels(content(f / "s.jsonl", rows_of(step_row([True]), r))),
            "s.jsonl:2: ",
        )
    yield Fault(
        area,
        "0 and 1 alone",
        lambda f: labels(content(f / "s.jsonl", rows_of(step_row([1, 0])))),
        "write true and false",
    )
    rows = rows_of(step_row([1, 0, -1]), step_row([0, 1]), step_row([-1]))
    yield Fault(
        area,
        "ratings",
        lambda f: labelled_as(content(f / "s.jsonl", rows), [True, True, False], [True, True], [False]),
        None,
    )
    mixed = rows_of(step_row([True, False]), step_row([1, -1]))
    yield Fault(
        area,
        "ratings and words",
        lambda f: labelled_as(content(f / "s.jsonl", mixed), [True, False], [True, False]),
        None,
    )
    wrong = [
        ("text as steps", step_row([True, True], "ab"), "list of texts"),
        ("numbers as steps", step_row([True, True], [1, 2]), "list of texts"),
        ("null as steps", {"prompt": "1", "completions": None, "labels": [True]}, "list of texts"),
        ("null as labels", {"prompt": "1", "completions": ["a"], "labels": None}, "needs its label"),
        ("text as labels", {"prompt": "1", "completions": ["a"], "labels": "1"}, "needs its label"),
        ("a label too few", step_row([True], ["a", "b"]), "needs its label"),
        ("no steps", step_row([], []), "needs its label"),
        ("no prompt", {"completions": ["a"], "labels": [True]}, "a row needs prompt"),
        ("no labels", {"prompt": "1", "completions": ["a"]}, "a row needs prompt"),
        ("an empty prompt", {"prompt": "", "completions": ["a"], "labels": [True]}, "'prompt' must be text"),
        ("null as prompt", {"prompt": None, "completions": ["a"], "labels": [True]}, "'prompt' must be text"),
    ]
    for name, row, says in wrong:
        yield Fault(area, name, lambda f, r=row: labels(content(f / "s.jsonl", rows_of(r))), says)


# A judge's files -----------------------------------------------------------------------------------------------------


def judges_files() -> Iterator[Fault]:
    area = "a judge's files"
    good = {"question": "1+1", "subgoals": ["2"], "steps": ["1+1=2"], "achieved": [[1, 1]]}
    for name, written, says in ANY_FILE:
        says = says if "number" not in says or "JSON" in says else "rows.jsonl"
        yield Fault(area, f"{name}, labelled", lambda f, w=written: labelled_rows(content(f / "rows.jsonl", w)), says)
        yield Fault(
            area, f"{name}, subgoals", lambda f, w=written: subgoals_by_question(content(f / "rows.jsonl", w)), says
        )
    wrong: list[tuple[str, dict[str, Any], str]] = [
        (f"{name!r} as {key}", {**good, key: name}, f"'{key}'")
        for key in ("question", "subgoals", "steps", "achieved")
        for name in (None, 5, "" if key == "question" else "text", {"a": 1})
    ]
    wrong += [
        (f"{pair} as a pair", {**good, "achieved": [pair]}, "'achieved'")
        for pair in ([0, 1], [1, 2], [2, 1], [1], [1, 1, 1], ["1", 1], [True, 1], [1.0, 1], None, "11")
    ]
    wrong += [(f"no {key}", {k: v for k, v in good.items() if k != key}, f"there is no '{key}'") for key in good]
    for name, row, says in wrong:
        yield Fault(area, name, lambda f, r=row: labelled_rows(content(f / "l.jsonl", rows_of(good, r))), says)
        yield Fault(
            area,
            f"{name}: its line",
            lambda f, r=row: labelled_rows(content(f / "l.jsonl", rows_of(good, r))),
            "l.jsonl:2",
        )


# Journals ------------------------------------------------------------------------------------------------------------

ROW = {"step": 4, "response": "so \\boxed{2} and \\frac{1}{2}", "scores": {"a": 1.5}, "correct": True}


def goes_on(path: Path, *, steps: list[int]) -> None:
    """A run resumes from its checkpoint of step 3 and writes on."""
    journal = Journal(path)
    journal.cut_after(3)
    journal.append({"step": 4})
    assert [row["step"] for row in journal.rows()] == [*steps, 4], journal.rows()
    assert path.read_bytes().endswith(b'{"step": 4}\n') and not journal.broken()


def journals() -> Iterator[Fault]:
    area = "journals"
    before, row = rows_of({"step": 1}, {"step": 2}, {"step": 3}), json.dumps(ROW).encode()
    ends = [at + 1 for at, sign in enumerate(row) if sign == ord("}")][:-1]  # halves that look whole
    for cut in sorted({*range(1, len(row), 16), *ends, len(row) - 1}):
        yield Fault(
            area,
            f"a row cut at byte {cut}",
            lambda f, c=cut: goes_on(content(f / "m.jsonl", before + row[:c]), steps=[1, 2, 3]),
            None,
        )
    damage = [
        b"\xff\xfe\n",
        b"\0" * 20 + b"\n",
        b"null\n",
        b"5\n",
        b"[]\n",
        b"{}\n",
        b'{"step": "4"}\n',
        b'{"step": null}\n',
        b"}\n",
        b"\n",
    ]
    for harm in damage:
        whole = before + harm
        yield Fault(
            area,
            f"{harm[:12]!r} at the end",
            lambda f, w=whole: goes_on(content(f / "m.jsonl", w), steps=[1, 2, 3]),
            None,
        )
        early = harm + before
        yield Fault(
            area,
            f"{harm[:12]!r} at the start",
            lambda f, w=early: goes_on(content(f / "m.jsonl", w), steps=[1, 2, 3]),
            None,
        )
    yield Fault(area, "an empty journal", lambda f: goes_on(content(f / "m.jsonl", b""), steps=[]), None)


def faults() -> Iterator[Fault]:
    """All faults of files of rows."""
    yield from benchmarks()
    yield from training_problems()
    yield from step_labels()
    yield from judges_files()
    yield from journals()
