"""Pages name files that are there, and what is in them."""

import re

import pytest
from project import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
ROOMS = {path.name for path in (ROOT / "pure_repro").iterdir() if path.is_dir()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_names_are_there(page):
    named = re.findall(r"`((?:pure_repro/)?([a-z_]+)/[\w/]+\.(?:py|yaml|md))`", page.read_text())
    examples = {"blend", "thrift"}  # what docs/extending.md adds
    missing = [
        path
        for path, room in named
        if (room in ROOMS or path.split("/")[0] in ("pure_repro", "conf", "tests", "docs", "benchmarks"))
        and not (ROOT / path).exists()
        and not (ROOT / "pure_repro" / path).exists()
        and not examples & set(re.split(r"[/._]", path))
    ]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_of_a_page_lead_somewhere(page):
    links = re.findall(r"\]\((?!http)([^)#\s]+)", page.read_text())
    assert not [link for link in links if not (page.parent / link).exists()]


def test_what_the_map_names_is_in_the_file_beside_it():
    """In a cell of a table, whatever stands behind a file and before the next: `train/loop.py` (`train`)."""
    cells = re.split(r"[|\n]", (ROOT / "docs" / "architecture.md").read_text())
    named = [
        (path, name)
        for cell in cells
        for path, behind in re.findall(r"`(\w+/\w+\.py)`((?:(?!`\w+/).)*)", cell)
        for name in re.findall(r"`(\w+)`", behind)
    ]
    assert ("rollout/steps.py", "StepReader") in named and ("train/advantages.py", "returns_of") in named
    for path, name in named:
        assert re.search(rf"(def|class) {name}\b", (ROOT / "pure_repro" / path).read_text()), f"{path}: {name}"
