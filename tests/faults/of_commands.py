"""Faults of the commands beside a run: examine, compare, choose, regrade, table, track send, and grids of one's own."""

import gzip
import io
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import of_files
from campaign import Fault
from of_files import content, rows_of
from of_stores import bad_value, edited, weights
from reward_models import save_reward_model
from stage_folders import write_cells

from pure_repro import table
from pure_repro.config.cells import read_cells
from pure_repro.examine.run import SCORES
from pure_repro.launch.failure import Failure
from pure_repro.prm.__main__ import main as prm_main
from pure_repro.reproduce import experiment_request
from pure_repro.score.__main__ import main as score_main
from pure_repro.score.generations import GENERATIONS, VERDICTS, read_lines, write_lines
from pure_repro.track.__main__ import main as track_main

NOBODY = ["prm=endpoint", "prm.url=http://127.0.0.1:1/", "prm.model=m", "prm.timeout=5"]  # where nobody answers


def command(main: Callable[[list[str]], int], *words: Any) -> str:
    """What a command prints; raises ``Failure`` with its last words where it ends with a status."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            status = main([*map(str, words)])
        except SystemExit as end:
            status = int(end.code or 0)
    if status:
        said = err.getvalue().strip()  # argparse shows how the command is used before it says what is wrong
        raise Failure(said.split("pure-repro: ")[-1] if "pure-repro: " in said else said.splitlines()[-1], status)
    return out.getvalue()


# Examine -------------------------------------------------------------------------------------------------------------


def examined(path: Path, *words: str) -> str:
    """Examine on a file; where no reward model is named, one that nobody serves."""
    reader = [] if any(word.startswith("prm=") for word in words) else NOBODY
    return command(prm_main, "examine", "on=file", f"on.path={path}", f"store={path.parent / 'store'}", *reader, *words)


SOLUTION = {"problem": "1+1+1?", "steps": ["1+1=2", "2+1=4", "so 4"], "label": 1, "kind": "circular"}
LABELS, MADE = ["on.layout=labels"], ["on.layout=prmbench", "on.group=kind"]
REDUNDANT = {**SOLUTION, "label": [1], "idx": "a", "kind": "redundency"}
WRONG_SOLUTIONS: list[tuple[str, dict[str, Any], list[str], str]] = [
    *[
        (f"{value!r} as problem", {"problem": value}, [], "'problem' must be text")
        for value in (None, 5, "", " ", ["1"])
    ],
    *[
        (f"{value!r} as steps", {"steps": value}, [], "'steps' must be a list of texts")
        for value in (None, "ab", [], [None], [1], {"a": 1})
    ],
    *[
        (f"{value!r} as the first wrong step", {"label": value}, [], "'label' must be the number of a step")
        for value in (None, True, 1.0, "1", -2, 3, [1])
    ],
    *[
        (f"{value!r} as verdicts", {"label": value}, LABELS, "'label' must have true or false")
        for value in (None, True, "true", {}, [True] * 4)
    ],
    *[(f"{[value]!r} as verdicts", {"label": [value]}, LABELS, "a label is true or false") for value in ("x", None, 2)],
    *[
        (f"{value!r} as wrong steps", {"label": value, "idx": "a"}, MADE, "'label' must be numbers of steps from 1")
        for value in (None, 1, [0], ["1"], [True], [1.0])
    ],
    ("no number of a problem", {"label": [1]}, MADE, "there is no 'idx'"),
    ("no original", {**REDUNDANT}, MADE, "there is no 'original_process'"),
    ("null as original", {**REDUNDANT, "original_process": None, "original_question": "1"}, MADE, "'original_process'"),
    ("text as original", {**REDUNDANT, "original_process": "ab", "original_question": "1"}, MADE, "'original_process'"),
    (
        "null as its problem",
        {**REDUNDANT, "original_process": ["a"], "original_question": None},
        MADE,
        "original_quest",
    ),
    ("no kind", {"label": [1], "idx": "a"}, ["on.layout=prmbench", "on.group=sort"], "there is no 'sort'"),
]
LISTS = [
    ("a list with BOM", b"\xef\xbb\xbf" + json.dumps([SOLUTION]).encode(), "gave no scores"),
    ("a list, cut", b'[{"problem": "1"', "no JSON"),
    ("a list of numbers", b"[1, 2]", "must be a JSON object"),
    ("a list with NaN", b'[{"problem": NaN}]', "NaN is no number"),
    ("deep nesting", b"[" * 100_000, "nested too deeply"),
    ("an object", json.dumps(SOLUTION).encode(), "gave no scores"),
    ("an empty list", b"[]", "holds no solution"),
    ("latin-1", '[{"problem": "caf\u00e9"}]'.encode("latin-1"), "UTF-8"),
]


def examinations() -> Iterator[Fault]:
    area = "solutions to examine"
    yield from of_files.any_file(area, examined, {"q": "problem", "a": "label"})
    for name, changes, words, says in WRONG_SOLUTIONS:
        rows = rows_of(SOLUTION if not words else {**SOLUTION, "label": [1], "idx": "b"}, SOLUTION | changes)
        rows = rows_of(SOLUTION | changes) if words else rows
        yield Fault(area, name, lambda f, r=rows, w=words: examined(content(f / "m.jsonl", r), *w), says)
        yield Fault(
            area, f"{name}: its place", lambda f, r=rows, w=words: examined(content(f / "m.jsonl", r), *w), "m.j"
        )
    for name, written, says in LISTS:
        yield Fault(area, name, lambda f, w=written: examined(content(f / "m.json", w)), says)
    yield Fault(area, "empty", lambda f: examined(content(f / "m.jsonl", b"\n")), "holds no solution")


@cache
def reward_model() -> Path:
    """Made once; copied before it is harmed."""
    return save_reward_model(Path(tempfile.mkdtemp()))


def read_by(folder: Path, harm: Callable[[Path], Any], *words: str, name: str = "prm", prm: str = "local") -> str:
    """A copy of a reward model, or of the language model beside it, is harmed and examined."""
    model = Path(shutil.copytree(reward_model().parent / name, folder / name))
    harm(model)
    path = content(folder / "m.jsonl", rows_of(SOLUTION))
    return examined(path, f"prm={prm}", f"prm.path={model}", *words)


def without_head(tensors: dict[str, Any]) -> None:
    for name in ("score.weight", "score.bias"):
        del tensors[name]


def readers() -> Iterator[Fault]:
    area = "reward models that are examined"
    head = "score.weight"
    harms: list[tuple[str, Callable[[Path], Any], list[str], str | None]] = [
        ("as it is", lambda m: None, [], None),
        ("weights cut", lambda m: os.truncate(m / "model.safetensors", 5000), [], "holds no model that can be read"),
        ("weights of text", lambda m: (m / "model.safetensors").write_text("hello"), [], "holds no model that can be"),
        ("no head", lambda m: weights(m, without_head), [], "has no weights of a head"),
        ("half a head", lambda m: weights(m, lambda t: t.pop(head)), [], f"lacks weights of its model, {head}"),
        ("a head of NaN", lambda m: weights(m, lambda t: bad_value(t, head, float("nan"))), [], f"not finite, {head}"),
        ("scores of NaN", lambda m: weights(m, lambda t: t[head].fill_(3e38)), ["prm.dtype=float32"], "not finite"),
        ("no tokenizer.json", lambda m: (m / "tokenizer.json").unlink(), [], "holds no tokenizer.json"),
        ("config.json cut", lambda m: os.truncate(m / "config.json", 30), [], "holds no model that can be read"),
        (
            "three classes",
            lambda m: edited(m / "config.json", num_labels=3, id2label=None),
            [],
            "holds no model that can be read",
        ),
        ("a head of two layers", lambda m: None, ["prm.head=mlp"], "lacks weights of its model"),
        ("a marker of two words", lambda m: None, ["prm.marker='x y'", "prm.step='{step}x y'"], "and has to be one"),
        (
            "a marker that no token ends at",
            lambda m: None,
            ["prm.reads=text", "prm.join=text", "prm.marker='\u2060'", "prm.step='{step}\u2060'"],
            None,
        ),
        ("no folder", lambda m: shutil.rmtree(m), [], "is no folder"),
    ]
    for name, harm, words, says in harms:
        yield Fault(area, name, lambda f, h=harm, w=words: read_by(f, h, *w), says)
    named = ["prm.head=words", "prm.reads=text", "prm.marker='+'", "prm.step='{step}+'"]
    for name, kind, words, says in [
        ("as it is", "generative", [], None),
        ("words that are one", "generative", ["prm.words=[Yes,Yes]"], "begin with the same token"),
        ("a word that is empty", "generative", ["prm.words=['',Yes]"], "one of them is no token"),
        ("a word for wrong that is empty", "local", [*named, "prm.words=['','+']"], "one of them is no token"),
    ]:
        yield Fault(
            area,
            f"a language model, {name}",
            lambda f, k=kind, w=words: read_by(f, lambda m: None, *w, name="lm", prm=k),
            says,
        )
    yield Fault(
        area,
        "a classifier in the place of a language model",
        lambda f: read_by(f, lambda m: None, prm="generative"),
        "lacks weights of its model, lm_head",
    )


EXAMINE_WORDS: list[tuple[list[str], str]] = [
    (["threshold=nan"], "threshold=nan must be"),
    (["threshold=inf"], "threshold=inf must be"),
    (["threshold=nowhere"], "threshold=nowhere names no rows"),
    (["threshold=[1]"], "threshold"),
    (["threshold=null"], "threshold"),
    (["problems=0"], "problems=0 must be greater than 0"),
    (["probes=-1"], "probes=-1 must be"),
    (["packed_tokens=0"], "packed_tokens=0 must be greater than 0"),
    (["on.measure=best"], "on.measure=best must be"),
    (["on.measure=prm_score"], "group=null names no column"),
    (["on.path=null"], "path=null names no file"),
    (["prm.url=127.0.0.1:1"], "is no address"),
    (["prm.url=ftp://127.0.0.1/"], "is no address"),
    (["prm.url=http://127.0.0.1:many/"], "prm.url"),
    (["prm.url=http:///pooling"], "prm.url"),
    (["prm.url=http://127.0.0.1:99999/"], "prm.url"),
    (["prm.url=null"], "prm.url"),
    (["prm.batch=0"], "prm.batch=0 must be greater than 0"),
    (["prm.timeout=nan"], "prm.timeout=nan must be"),
    (["prm.step=hello"], "lacks the place for a step"),
    (["prm.prompt=hello"], "lacks the place for the problem"),
    (["prm.cache=/dev/null/x"], "/dev/null"),
    (["store=/dev/null/x"], "/dev/null"),
    ([], "ConnectionRefusedError"),
]


def examine_words() -> Iterator[Fault]:
    area = "what is examined, and how"
    for words, says in EXAMINE_WORDS:
        yield Fault(
            area, " ".join(words), lambda f, w=words: examined(content(f / "m.jsonl", rows_of(SOLUTION)), *w), says
        )
    yield Fault(
        area,
        "a folder of sets that is none",
        lambda f: command(prm_main, "examine", "on=processbench", f"data_dir={f / 'nowhere'}", *NOBODY),
        "holds no gsm8k.jsonl",
    )


def examination(folder: Path) -> Path:
    """As an examination leaves its folder."""
    folder.mkdir(parents=True)
    rows = [{"problem": f"p{n}", "group": "mine", "right": [True, False], "scores": [0.5, n / 10]} for n in range(4)]
    write_lines(folder / SCORES, rows)
    return folder


def compressed(path: Path, written: bytes) -> None:
    path.write_bytes(gzip.compress(written))


def without_last(path: Path) -> None:
    write_lines(path, read_lines(path)[:-1])


# What happens to any file of compressed rows.
LINES: list[tuple[str, Callable[[Path], Any]]] = [
    ("gone", lambda p: p.unlink()),
    ("empty", lambda p: p.write_bytes(b"")),
    ("cut", lambda p: os.truncate(p, p.stat().st_size // 2)),
    ("not compressed", lambda p: p.write_text("{}\n")),
    ("a bit of it", lambda p: flip_a_bit(p)),
    ("no JSON", lambda p: compressed(p, b"{broken\n")),
    ("numbers", lambda p: compressed(p, b"1\n2\n")),
    ("latin-1", lambda p: compressed(p, b"\xff\n")),
    ("rows without columns", lambda p: compressed(p, b"{}\n")),
    ("no rows", lambda p: compressed(p, b"")),
    ("a folder", lambda p: (p.unlink(), p.mkdir())),
]


def flip_a_bit(path: Path) -> None:
    written = bytearray(path.read_bytes())
    written[len(written) // 2] ^= 1
    path.write_bytes(written)


def compared(folder: Path, harm: Callable[[Path], Any], *words: str) -> str:
    first, second = examination(folder / "one"), examination(folder / "other")
    harm(second)
    return command(prm_main, "compare", first, second, *words)


def comparisons() -> Iterator[Fault]:
    area = "examinations that are compared"
    yield Fault(area, "as they are", lambda f: compared(f, lambda s: None), None)
    for name, harm in LINES:
        says = "was not examined on" if name in ("empty", "no rows") else SCORES
        yield Fault(area, f"scores {name}", lambda f, h=harm: compared(f, lambda s: h(s / SCORES)), says)
    yield Fault(area, "a row less", lambda f: compared(f, lambda s: without_last(s / SCORES)), "was not examined on")
    yield Fault(
        area, "a threshold of nan", lambda f: compared(f, lambda s: None, "--threshold", "nan"), "nan is no number"
    )
    yield Fault(area, "no folder", lambda f: compared(f, lambda s: shutil.rmtree(s)), f"holds no {SCORES}")
    yield Fault(area, "a file", lambda f: compared(f, lambda s: (shutil.rmtree(s), s.write_text(""))), SCORES)


# A finished score ----------------------------------------------------------------------------------------------------


def score_folder(folder: Path) -> Path:
    """As stage ``score`` leaves it."""
    [cell] = write_cells(folder, [1], {"min": (0.3, 0.5)}, base=False)
    score = cell.score
    rows = [
        {"checkpoint": "last", "set": "sums", "plan": plan, "problem": "p", "question": "2+3?", "sample": sample}
        | {"answer": "5", "tokens": 9, "finish": "stop", "response": f"so {said}\n\n\\boxed{{{said}}}"}
        for sample, (plan, said) in enumerate([("greedy", 5), ("sampled", 5), ("sampled", 6)])
    ]
    write_lines(score / GENERATIONS, rows)
    write_lines(score / VERDICTS, [{"status": "correct", "answer": "5", "reason": ""} for _ in rows])
    grading = {"grading": of_grading(), "score": {"benchmarks": []}}
    (score / "config.yaml").write_text(json.dumps(grading))
    outcomes = {"greedy": [1], "sampled": [[1, 0]], "digest": "0123456789ab"}
    (score / "scores.json").write_text(json.dumps({"checkpoints": {"last": {"sums": outcomes}}}))
    (score / "table.json").write_text(json.dumps({"scored": {"last": "train/a/last"}}))
    return score


@cache
def of_grading() -> dict[str, Any]:
    from pure_repro.launch.compose import composed

    return composed([]).grading.model_dump(exclude={"workers"})


def on_score(folder: Path, harm: Callable[[Path], Any], *words: str) -> str:
    score = score_folder(folder / "store")
    harm(score)
    what, *more = words
    return command(score_main, what, score, *more)


TEXTS: list[tuple[str, bytes]] = [
    ("empty", b""),
    ("cut", b"{"),
    ("a list", b"[]"),
    ("a number", b"5"),
    ("null", b"null"),
    ("without keys", b"{}"),
    ("latin-1", b"\xff"),
]


def scores() -> Iterator[Fault]:
    area = "finished scores that are read again"
    choosing = ["choose", *NOBODY]
    yield Fault(area, "regrade, as it is", lambda f: on_score(f, lambda s: None, "regrade"), None)
    yield Fault(area, "choose, nobody answers", lambda f: on_score(f, lambda s: None, *choosing), "ConnectionRefused")
    for what in (["regrade"], choosing):
        for file in (GENERATIONS, VERDICTS) if what == choosing else (GENERATIONS,):
            for name, harm in LINES:
                yield Fault(
                    area,
                    f"{what[0]}, {file} {name}",
                    lambda f, h=harm, w=what, n=file: on_score(f, lambda s: h(s / n), *w),
                    "of 0 responses"
                    if what == choosing and name in ("empty", "no rows") and file == GENERATIONS
                    else file,
                )
        for name, written in TEXTS:
            yield Fault(
                area,
                f"{what[0]}, config.yaml {name}",
                lambda f, w=what, t=written: on_score(f, lambda s: (s / "config.yaml").write_bytes(t), *w),
                "config.yaml",
            )
        yield Fault(
            area, f"{what[0]}, no folder", lambda f, w=what: on_score(f, lambda s: shutil.rmtree(s), *w), "is missing"
        )
        yield Fault(
            area,
            f"{what[0]}, a file",
            lambda f, w=what: on_score(f, lambda s: (shutil.rmtree(s), s.write_text("")), *w),
            "name the folder of a finished stage score",
        )
    yield Fault(
        area, "choose, a verdict less", lambda f: on_score(f, lambda s: without_last(s / VERDICTS), *choosing), VERDICTS
    )
    for name, written in TEXTS:
        yield Fault(
            area,
            f"regrade, table.json {name}",
            lambda f, t=written: on_score(f, lambda s: (s / "table.json").write_bytes(t), "regrade"),
            None if name == "without keys" else "table.json",
        )
        yield Fault(
            area,
            f"compare, scores.json {name}",
            lambda f, t=written: compare_with(f, lambda s: (s / "scores.json").write_bytes(t)),
            "scores.json",
        )
    yield Fault(area, "compare, as they are", lambda f: compare_with(f, lambda s: None), None)
    for words, says in [
        (["regrade", "credit=sum"], "is nothing to grade by"),
        (["regrade", "grading=lenient"], "grading=lenient is no choice"),
        (["regrade", "grading.deadline=nan"], "grading.deadline=nan must be"),
        ([*choosing, "aggregates=[]"], "aggregates"),
        ([*choosing, "aggregates=[median]"], "aggregates"),
        ([*choosing, "orders=0"], "orders=0 must be greater than 0"),
        ([*choosing, "same=alike"], "same=alike must be"),
        ([*choosing, "softmin.temperature=0"], "temperature=0 must be greater than 0"),
    ]:
        yield Fault(area, " ".join(words), lambda f, w=words: on_score(f, lambda s: None, *w), says)
    for what in ("regraded", "choose"):
        yield Fault(
            area,
            f"a file where {what} is written",
            lambda f, w=what: on_score(
                f, lambda s: (s / w).write_text(""), *(["regrade"] if w == "regraded" else choosing)
            ),
            what,
        )


def compare_with(folder: Path, harm: Callable[[Path], Any]) -> str:
    score = score_folder(folder / "store")
    harm(score)
    return command(score_main, "compare", f"{score}:last", f"{score}:last")


# Tables of finished runs ---------------------------------------------------------------------------------------------


def store_of_runs(folder: Path) -> Path:
    """Two finished runs and the sweep that they were."""
    store = folder / "store"
    cells = write_cells(store, [1], {"min": (0.3, 0.5), "sum": (0.3, 0.4)}, base=False)
    jobs = []
    for cell in cells:
        assert cell.train is not None
        manifest = cell.train / "manifest.json"
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"config": {"credit": {"name": cell.row}}}))
        made = json.loads((cell.score / "manifest.json").read_text()) | {"inputs": {"train": cell.train.name}}
        (cell.score / "manifest.json").write_text(json.dumps(made))
        stages = {stage: path.name for stage, path in cell.stages.items()}
        jobs.append({"combination": {"credit": cell.row}, "stages": stages, "status": "done", "reason": ""})
    record = {"name": "s", "words": [], "varies": ["credit"], "store": "../..", "jobs": jobs}
    (store / "sweeps" / "s").mkdir(parents=True)
    (store / "sweeps" / "s" / "sweep.json").write_text(json.dumps(record))
    return store


def tabled(folder: Path, harm: Callable[[Path], Any], *words: str) -> str:
    store = store_of_runs(folder)
    harm(store)

    def main(given: list[str]) -> int:
        with patch("sys.argv", ["table", *given]):
            return table.main()

    return command(main, f"store={store}", *words)


def a_file(store: Path, name: str) -> Path:
    return next(store.glob(name))


def tables() -> Iterator[Fault]:
    area = "tables of finished runs"
    by, sweep = "by=credit", "sweep=s"
    yield Fault(area, "by keys, as it is", lambda f: tabled(f, lambda s: None, by), None)
    yield Fault(area, "of a sweep, as it is", lambda f: tabled(f, lambda s: None, sweep), None)
    files = ["score/*/manifest.json", "train/*/manifest.json", "score/*/scores.json", "train/*/summary.json"]
    for word in (by, sweep):
        for file in files:
            for name, written in TEXTS:
                yield Fault(
                    area,
                    f"{word}, {file} {name}",
                    lambda f, n=file, t=written, w=word: tabled(f, lambda s: a_file(s, n).write_bytes(t), w),
                    Path(file).name,
                )
    for file in ("train/*/validation.jsonl", "train/*/metrics.jsonl"):
        for name, written in TEXTS:
            if name not in ("empty", "cut"):  # no rows, and half a row, are what a run may leave
                yield Fault(
                    area,
                    f"{file} {name}",
                    lambda f, n=file, t=written: tabled(f, lambda s: a_file(s, n).write_bytes(t + b"\n"), by),
                    Path(file).name,
                )
    for name, written in TEXTS:
        yield Fault(
            area,
            f"sweep.json {name}",
            lambda f, t=written: tabled(f, lambda s: (s / "sweeps/s/sweep.json").write_bytes(t), sweep),
            "sweep.json",
        )
    for words, says in [
        ([], "name the runs by"),
        (["sweep=s", "by=credit"], "name the runs by"),
        (["sweep=other"], "sweep=other is not in"),
        (["by=credit", "level=nan"], "level=nan must be"),
        (["by=credit", "level=2"], "level=2 must be"),
        (["by=credit", "level=-1"], "level=-1 must be"),
        (["by=credit", "level=high"], "level=high must be"),
        (["by=nothing"], "nothing"),
        (["where=nothing=1"], "is so"),
        (["where=credit"], "where=credit"),
        (["where=credit=mean"], "is so"),
        (["rows=credit"], "is nothing to make a table of"),
        (["by=credit", "out=/dev/null/x"], "/dev/null"),
    ]:
        yield Fault(area, " ".join(words), lambda f, w=words: tabled(f, lambda s: None, *w), says)
    yield Fault(area, "no store", lambda f: tabled(f, lambda s: shutil.rmtree(s), by), "none of 0 finished runs")


# Letters to a tracker ------------------------------------------------------------------------------------------------


def sent(folder: Path, *words: str, letter: bytes | None = None) -> str:
    """Send what waits in a store."""
    store = folder / "store"
    store.mkdir()
    if letter is not None:
        (store / "track").mkdir()
        (store / "track" / "1-0123456789ab.json").write_bytes(letter)
    return command(track_main, "send", f"store={store}", f"track.uri=sqlite:///{folder}/mlflow.db", *words)


def letters() -> Iterator[Fault]:
    area = "letters to a tracker"
    yield Fault(area, "none", lambda f: sent(f), None)
    for name, written in [*TEXTS, ("of another version", b'{"tracker": "a", "more": 1}')]:
        yield Fault(area, f"one that is {name}", lambda f, t=written: sent(f, letter=t), "track/1-0123456789ab.json")
    for words, says in [
        (["track.uri=5"], "track.uri=5 must be text"),
        (["track.experiment=null"], "track.experiment=None must be text"),
    ]:
        yield Fault(area, " ".join(words), lambda f, w=words: sent(f, *w), says)


# Grids of one's own --------------------------------------------------------------------------------------------------


def grids() -> Iterator[Fault]:
    area = "grids of one's own"
    for name, written, says in [
        ("empty", b"", "holds no keys"),
        ("a list", b"- a\n", "holds no keys"),
        ("text", b"hello", "holds no keys"),
        ("no yaml", b"a: [", "is no yaml"),
        ("tabs", b"a:\n\tb: 1\n", "is no yaml"),
        ("binary", bytes(range(256)), "g.yaml"),
        ("latin-1", b"a: {label: caf\xe9}\n", "g.yaml"),
        ("code", b"a: !!python/object/apply:os.mkdir [x]\n", "is no yaml"),
        ("a row of text", b"a: credit=sum\n", "a needs overrides"),
        ("overrides of text", b"a: {overrides: credit=sum}\n", "a needs overrides"),
        ("overrides of numbers", b"a: {overrides: [1]}\n", "a needs overrides"),
        ("overrides of null", b"a: {overrides: null}\n", "a needs overrides"),
        ("no overrides", b"a: {label: b}\n", "a needs overrides"),
    ]:
        yield Fault(area, name, lambda f, w=written: read_cells(content(f / "g.yaml", w)), says)
    for kind in of_files.PLACES:
        yield Fault(area, kind, lambda f, k=kind: read_cells(of_files.a_missing(f / "g.yaml", k)), "g.yaml")
    for words, says in [
        ([], "name one of"),
        (["table9"], "name one of"),
        (["table1", "seeds=0"], "seeds=0 must be a positive whole number"),
        (["table1", "seeds=1,2"], "seeds=1,2 must be"),
        (["table1", "jobs=many"], "jobs=many must be"),
        (["table1", "seeds="], "seeds= must be"),
    ]:
        yield Fault(area, " ".join(words), lambda f, w=words: experiment_request(w), says)


def faults() -> Iterator[Fault]:
    """All faults of commands."""
    yield from examinations()
    yield from readers()
    yield from examine_words()
    yield from comparisons()
    yield from scores()
    yield from tables()
    yield from letters()
    yield from grids()
