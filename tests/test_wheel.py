"""What a wheel holds, so that an installation runs from any folder (tests/slow runs one)."""

import subprocess
import sys
import zipfile
from pathlib import Path

from project import ROOT


def test_a_wheel_holds_configuration_and_experiments(tmp_path: Path):
    build = "from setuptools.build_meta import build_wheel; import sys; build_wheel(sys.argv[1])"
    source = tmp_path / "source"
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    for name in tracked:
        if name.split("/")[0] not in ("docs", "results", "tests", "benchmarks"):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    run = subprocess.run([sys.executable, "-c", build, str(tmp_path)], cwd=source, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    [wheel] = tmp_path.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    expected = {name for name in tracked if name.startswith("pure_repro/")}
    expected |= {f"pure_repro/{name}" for name in tracked if name.startswith(("conf/", "experiments/"))}
    assert expected <= held, sorted(expected - held)
    own = {name for name in held if not name.startswith("pure_repro/") and ".dist-info/" not in name}
    assert not own, "nothing lies beside the package"
