"""The suite installed from its wheel, run from another folder: the smoke recipe to its scores."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from project import ROOT, SMOKE


@pytest.mark.slow
def test_the_smoke_recipe_runs_from_a_wheel(tmp_path: Path):
    installed, folder = tmp_path / "installed", tmp_path / "elsewhere"
    folder.mkdir()
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--target", str(installed)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(ROOT)], check=True, cwd=folder)
    environment = os.environ | {"PYTHONPATH": str(installed)}

    def run(*words: str) -> str:
        """A command of the installed package."""
        done = subprocess.run(
            [sys.executable, "-P", "-m", *words], cwd=folder, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = "import pure_repro.launch; print(pure_repro.launch.CONF)"
    found = subprocess.run([sys.executable, "-P", "-c", where], env=environment, capture_output=True, text=True)
    assert found.stdout.strip() == str(installed / "pure_repro" / "conf")
    assert "credit: clip, clip_delta" in run("pure_repro", "--help")
    said = run("pure_repro", *SMOKE)
    assert "last   average" in said and "Results: store/score/" in said
    assert said.splitlines()[-1].endswith("Open the tracker: python -m pure_repro.track ui"), (
        "there is no Makefile here"
    )
