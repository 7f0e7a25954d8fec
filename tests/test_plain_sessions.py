"""A session that runs no benchmark does not pay for the plugin."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.conftest import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

HEAVY = {"PIL", "filelock", "hotcoco", "mlperf_loadgen", "msgspec", "numpy", "onnxruntime", "psutil", "pycocotools"}
RECORD_MODULES = """
import sys
from pathlib import Path

def pytest_unconfigure():
    Path("modules").write_text("\\n".join(sys.modules))
"""


def imported(directory: Path, *arguments: str, **variables: str) -> tuple[set[str], str]:
    """Return the modules that a session with no plugin but ours has imported at its end, and its output."""
    (directory / "record_modules.py").write_text(RECORD_MODULES)
    path = os.pathsep.join((str(REPOSITORY / "src"), str(directory)))
    plugins = ("-p", "pytest_mlperf.plugin.hooks", "-p", "record_modules", "-p", "no:cacheprovider")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, *arguments],
        cwd=directory,
        env={"PYTHONPATH": path, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    modules = set((directory / "modules").read_text().splitlines())
    assert "pytest_mlperf.plugin.hooks" in modules
    return modules, done.stdout


@pytest.mark.parametrize("variables", [{}, {"PYTEST_MLPERF_CACHE": "/nowhere"}], ids=["bare", "cache in environment"])
def test_a_plain_session_imports_nothing_heavy_and_shows_nothing(tmp_path: Path, variables: dict[str, str]) -> None:
    (tmp_path / "test_it.py").write_text("def test_it(): pass\n")
    modules, output = imported(tmp_path, **variables)
    assert not modules & HEAVY
    assert not {name for name in modules if name.startswith(("pytest_mlperf.benchmarks", "pytest_mlperf.backends"))}
    assert "mlperf" not in output
    assert list(tmp_path.glob("mlperf*")) == []


def test_planning_runs_imports_nothing_heavy(tmp_path: Path) -> None:
    modules, output = imported(tmp_path, str(REPOSITORY / "benchmarks"), "--collect-only", "-q")
    # A case is decided when it is made: its round is read, with msgspec.
    assert not modules & (HEAVY - {"msgspec"})
    assert "test_accuracy[retinanet-tiny-onnxruntime-cpu-Offline]" in output
