"""The tracker in a real browser: a real sweep, MLflow's own server, headless Chromium, and what a reader does there.

``PICTURES=docs`` keeps the four pictures of docs/tracking.md, and the sweep in ``store/pages``, so that pictures can be
taken again without training again.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest
from project import ROOT

sync_api = pytest.importorskip(
    "playwright.sync_api", reason="nobody has looked at the tracker's pages: pip install playwright (no browser of its)"
)
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="nobody has looked at the tracker's pages: there is no Chromium here"),
]

PICTURES = os.environ.get("PICTURES")
PATIENCE = 90_000  # milliseconds, where a busy machine may take its time
SWEEP = (  # toys that know something, so that there is something to lose
    *("credit=min,sum", "seed=1,2", "reward=prm", "recipe=smoke", "model.clean_demonstrations=16000"),
    *("model.demonstrations=6400", "prm.demonstrations=6400", "train.steps=16", "train.prompts_per_step=8"),
    *("score.problems_per_set=24", "data.validation_problems=40"),
)


class Pages(NamedTuple):
    """What `track ui` printed: the links of the newest table and of the list of runs, and the front page."""

    newest: str
    runs: str

    @property
    def front(self) -> str:
        return self.runs.partition("#")[0]


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "100"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder in which the sweep has run and is tracked."""
    here = ROOT / "store" / "pages" if PICTURES else tmp_path_factory.mktemp("pages")
    here.mkdir(parents=True, exist_ok=True)
    for words in (["pure_repro", "-m", *SWEEP], ["pure_repro.track", "send"]):
        run = subprocess.run(
            [sys.executable, "-m", *words], cwd=here, env=environment(), capture_output=True, text=True
        )
        assert run.returncode == 0, run.stderr
    return here


@pytest.fixture(scope="module")
def pages(folder: Path) -> Iterator[Pages]:
    """`python -m pure_repro.track ui`, while it serves."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "pure_repro.track", "ui", "--port", str(port)],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        assert server.stdout is not None
        newest, runs = (server.stdout.readline().strip() for _ in range(2))
        assert newest.startswith("newest sweep: http://127.0.0.1:") and runs.startswith("list of runs: http://127")
        until = time.monotonic() + PATIENCE / 1000
        while socket.socket().connect_ex(("127.0.0.1", port)) and time.monotonic() < until:
            time.sleep(0.2)
        yield Pages(newest.partition(": ")[2], runs.partition(": ")[2])
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()


@pytest.fixture
def page(pages: Pages) -> "Iterator[sync_api.Page]":
    """A tab of a browser that has never been here, MLflow's assistant closed."""
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1440, "height": 900})
        tab.set_default_timeout(PATIENCE)
        tab.add_init_script("localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true')")
        yield tab
        browser.close()


def picture(page: "sync_api.Page", name: str) -> None:
    if PICTURES:
        page.wait_for_timeout(3000)  # charts are drawn after their numbers have come
        where = page.get_by_text("Path: file://")  # whoever's folder the sweep lies in
        page.screenshot(path=ROOT / PICTURES / f"{name}.png", mask=[where], mask_color="#ffffff")


def test_from_the_printed_link_to_the_table(page: "sync_api.Page", pages: Pages) -> None:
    """No click: the link is the table's; its description shows the arms, and there is a metric for each."""
    started = time.monotonic()
    page.goto(pages.newest)
    page.get_by_role("cell", name="credit=sum", exact=True).first.wait_for()
    print(f"\nfrom the printed link to the table: {time.monotonic() - started:.1f} s, no click")
    page.get_by_role("link", name="arm score/credit min").wait_for()
    page.get_by_role("heading", name="credit=min,sum seed=1,2", exact=True).wait_for()
    picture(page, "mlflow_table")


def test_from_the_list_of_runs_to_the_table(page: "sync_api.Page", pages: Pages) -> None:
    page.goto(pages.runs)
    page.get_by_role("link", name="credit=min,sum seed=1,2").first.click()
    page.get_by_role("cell", name="credit=sum", exact=True).first.wait_for()


def test_runs_are_grouped_by_credit(page: "sync_api.Page", pages: Pages) -> None:
    page.goto(pages.runs)
    page.get_by_text("Group by").first.click()
    page.get_by_role("menu").get_by_text("credit", exact=True).click()
    for value in ("min", "sum"):
        page.get_by_text(f"Group: {value}", exact=True).wait_for()
    page.get_by_role("link", name="credit=sum seed=2").wait_for()
    picture(page, "mlflow_grouped")


def test_curves_are_compared_from_the_table(page: "sync_api.Page", pages: Pages) -> None:
    page.goto(pages.newest)
    link = page.get_by_role("link", name="accuracy of every run")
    page.goto(pages.front + str(link.get_attribute("href")))
    for name in ("credit=min seed=1", "credit=sum seed=1"):
        page.get_by_text(name).first.wait_for()
    picture(page, "mlflow_curves")


def test_a_rollout_is_read(page: "sync_api.Page", pages: Pages) -> None:
    """From the table to a run, to its artifacts, to what was answered."""
    page.goto(pages.newest)
    page.get_by_role("link", name="credit=sum seed=1").first.click()
    page.get_by_role("tab", name="Artifacts").click()
    page.get_by_text("rollouts.json").first.click()
    for column in ("problem", "verdict", "advantage", "steps with their sc"):
        page.get_by_text(column).first.wait_for()
    page.get_by_text(re.compile(r"^[+-]\d\.\d\d  ")).first.click()
    picture(page, "mlflow_rollout")
