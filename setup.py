"""What ``pyproject.toml`` cannot say: two folders stand at the top of the repository and travel inside the package."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

FOLDERS = ("conf", "experiments")  # what runs are composed of, and what tables are made of


class WithConfiguration(build_py):
    """Copies them into a wheel; an editable installation reads them where they stand."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            for name in FOLDERS:
                shutil.copytree(name, Path(self.build_lib, "pure_repro", name), dirs_exist_ok=True)


setup(cmdclass={"build_py": WithConfiguration})
