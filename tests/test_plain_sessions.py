"""A session that runs no benchmark does not pay for the plugin."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.conftest import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

HOOKS = "pytest_mlperf.plugin.hooks"
HEAVY = {
    "PIL",
    "filelock",
    "hotcoco",
    "jinja2",
    "mlperf_loadgen",
    "msgspec",
    "numpy",
    "onnxruntime",
    "psutil",
    "pycocotools",
    "rich",
}
#: One module with the packages that it is in, and the hooks that others may implement, which pytest must know.
OURS = {"pytest_mlperf", "pytest_mlperf.plugin", "pytest_mlperf.plugin.hooks", "pytest_mlperf.plugin.newhooks"}
PLAIN = """
import pytest

@pytest.fixture
def model():
    return "theirs"

@pytest.mark.parametrize("dataset", [1, 2])
def test_it(model, dataset):
    assert model == "theirs"

class TestIt:
    def test_it(self):
        pass
"""
RECORD_MODULES = """
import sys
from pathlib import Path

def pytest_unconfigure():
    Path("modules").write_text("\\n".join(sys.modules))
"""


def imported(
    directory: Path, *arguments: str, plugin: Sequence[str] = ("-p", HOOKS), **variables: str
) -> tuple[set[str], str]:
    """Return the modules that a session with no plugin but ours has imported at its end, and its output."""
    (directory / "record_modules.py").write_text(RECORD_MODULES)
    path = os.pathsep.join((str(REPOSITORY / "src"), str(directory)))
    plugins = (*plugin, "-p", "record_modules", "-p", "no:cacheprovider")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, *arguments],
        cwd=directory,
        env={"PYTHONPATH": path, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    return set((directory / "modules").read_text().splitlines()), done.stdout


@pytest.mark.parametrize("variables", [{}, {"PYTEST_MLPERF_CACHE": "/nowhere"}], ids=["bare", "cache in environment"])
def test_a_plain_session_imports_one_small_module_and_shows_nothing(tmp_path: Path, variables: dict[str, str]) -> None:
    (tmp_path / "test_it.py").write_text(PLAIN)
    (tmp_path / "conftest.py").write_text("def pytest_addoption(parser): parser.addoption('--device')\n")
    modules, output = imported(tmp_path, "--device=theirs", **variables)
    assert {name for name in modules if name.partition(".")[0] == "pytest_mlperf"} == OURS
    without, _ = imported(tmp_path, "--device=theirs", plugin=(), **variables)
    assert modules - without == OURS
    assert "mlperf" not in output
    assert list(tmp_path.glob("mlperf*")) == []


def test_planning_runs_imports_nothing_heavy(tmp_path: Path) -> None:
    modules, output = imported(tmp_path, str(REPOSITORY / "benchmarks"), "--collect-only", "-q")
    # A case is decided when it is made: its round is read, with msgspec.
    assert not modules & (HEAVY - {"msgspec"})
    assert "test_accuracy[retinanet-tiny-onnxruntime-cpu-Offline]" in output
