"""The benchmarks are in the package: no clone is needed, and a clone without the package says what to type."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.conftest import REPOSITORY, run_benchmarks

if TYPE_CHECKING:
    from pathlib import Path


def test_the_installed_benchmarks_run_in_an_empty_directory(tmp_path: Path, shared_cache: Path) -> None:
    options: tuple[str, ...] = (
        "-k",
        "retinanet-tiny-onnxruntime",
        "--scenario=Offline",
        "--mode=accuracy",
        "--dataset-size=20",
    )
    options += ("--pyargs", f"--mlperf-cache={shared_cache}")
    session = run_benchmarks(*options, path="pytest_mlperf.benchmarks", directory=tmp_path)
    assert session.outcomes().startswith("1 passed"), session.output


def test_a_checkout_has_the_same_file_and_no_copy() -> None:
    file = REPOSITORY / "benchmarks" / "test_mlperf.py"
    assert file.resolve() == REPOSITORY / "src" / "pytest_mlperf" / "benchmarks" / "test_mlperf.py"


def test_a_checkout_without_the_package_says_what_to_type(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text((REPOSITORY / "conftest.py").read_text())
    (tmp_path / "benchmarks").mkdir()
    # A Python that has pytest and not this package.
    code = (
        "import importlib.util as util, sys, pytest\n"
        "found = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'pytest_mlperf' else found(name, *rest)\n"
        "sys.exit(pytest.main(['benchmarks', '-k', 'retinanet-tiny', '--scenario', 'Offline']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "pytest-mlperf is not installed" in done.stderr
    assert "pip install --editable ." in done.stderr
    assert "unrecognized arguments" not in done.stderr
