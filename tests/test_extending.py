"""The walk-through of docs/extending.md, done to the letter in a copy of the package."""

import re
import shlex
import shutil
from pathlib import Path

import pytest
from forked import run_forked

from pure_repro.launch.compose import CONF

ROOT = CONF.parent
PAGE = (ROOT / "docs" / "extending.md").read_text()
WALKS = {
    "credit form": ("blend", ["python", "yaml", "diff", "python"]),
    "reward source": ("thrift", ["python", "yaml", "diff", "diff", "diff", "python"]),
}


def section(kind: str) -> str:
    """The walk-through of the page that adds one of this kind."""
    [text] = [part for part in PAGE.split("\n## ") if part.startswith(f"A {kind}, from nothing")]
    return text


def pieces(kind: str) -> list[tuple[str, str, str]]:
    """Files, with their language and text."""
    return re.findall(r"`([\w/.]+)`:\n\n```(\w+)\n(.*?)```", section(kind), flags=re.DOTALL)


def commands(kind: str) -> list[str]:
    """What the walk-through runs."""
    [block] = re.findall(
        r"```\n(.*?)```", re.sub(r"```\w+\n.*?```", "", section(kind), flags=re.DOTALL), flags=re.DOTALL
    )
    return block.splitlines()


def apply(folder: Path, file: str, kind: str, text: str) -> None:
    """Write a new file, or make a change to one that is there."""
    path = folder / file
    if kind != "diff":
        assert not path.exists(), f"{file} is in the suite: take another example"
        path.write_text(text)
        return
    lines = [(line[:1], line[1:]) for line in text.splitlines()]
    before, after = ("\n".join(line for sign, line in lines if sign != other) for other in "+-")
    there = path.read_text()
    assert there.count(before) == 1, f"{file} has changed: bring docs/extending.md up to date"
    path.write_text(there.replace(before, after))


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with the example added to it."""
    folder = tmp_path_factory.mktemp("extended")
    for name in ("pure_repro", "conf", "experiments", "docs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "tests").mkdir()
    for name in (
        "tests/conftest.py",
        "tests/forked.py",
        "tests/project.py",
        "tests/test_architecture.py",
        "pyproject.toml",
    ):
        shutil.copy(ROOT / name, folder / name)
    for kind, (_, languages) in WALKS.items():
        assert [language for _, language, _ in pieces(kind)] == languages
        for piece in pieces(kind):
            apply(folder, *piece)
    return folder


@pytest.mark.parametrize(("kind", "command"), [(kind, command) for kind in WALKS for command in commands(kind)])
def test_a_command_of_the_walk_through(kind: str, command: str, extended: Path, store: Path) -> None:
    python, dash_m, module, *words = shlex.split(command)
    assert (python, dash_m) == ("python", "-m")
    sweeps = module == "pure_repro"
    run = run_forked(module, (*words, *([f"store={store}"] if sweeps else [])), cwd=extended, root=extended)
    assert run.returncode == 0, run.stdout + run.stderr
    if sweeps:
        made = [(folder / "config.yaml").read_text() for folder in (store / "train").iterdir()]
        assert len(made) == 2 and any(f"name: {WALKS[kind][0]}\n" in text for text in made)
    else:
        assert re.search(r"\b[1-9]\d* passed", run.stdout) and "failed" not in run.stdout
