"""Tools that a test has pip install for itself."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.environments.commands import clean_environment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="session")
def pip_installed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Install a package into a directory of its own, for PYTHONPATH, its scripts in ``bin``."""

    def install(package: str) -> Path:
        directory = tmp_path_factory.mktemp(package)
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(directory), package]
        done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"pip cannot install {package} here: {done.stderr.strip().splitlines()[-1:]}")
        return directory

    return install
