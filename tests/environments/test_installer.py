"""pip is one that works for the other Python, and what it says decides what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.environments import installer
from pytest_mlperf.environments.commands import clean_environment
from pytest_mlperf.environments.installer import advice, install
from pytest_mlperf.environments.pythons import find_interpreters
from pytest_mlperf.environments.venv import version_in
from tests.environments.test_venv import SOURCE, write_wheel

if TYPE_CHECKING:
    from pathlib import Path

#: What pip says, cut.
UNREACHABLE = """WARNING: Retrying (Retry(total=4)) after connection broken by 'NewConnectionError(...)': /answer/
ERROR: Could not find a version that satisfies the requirement answer (from versions: none)
ERROR: No matching distribution found for answer"""
NO_VERSION = """ERROR: Could not find a version that satisfies the requirement numpy==99 (from versions: 1.26.4, 2.2.6)
ERROR: No matching distribution found for numpy==99"""
TOO_OLD = """Traceback (most recent call last):
    register_finder(pkgutil.ImpImporter, find_on_path)
AttributeError: module 'pkgutil' has no attribute 'ImpImporter'. Did you mean: 'zipimporter'?"""
FULL = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"
BUILD = "error: subprocess-exited-with-error\n  error: command 'g++' failed with exit code 1"


@pytest.mark.parametrize(
    ("output", "says"),
    [
        (UNREACHABLE, "check the network"),
        (NO_VERSION, "look whether the package index"),
        (TOO_OLD, "pip install --upgrade pip"),
        (FULL, "free some space"),
        (BUILD, "see what it says"),
    ],
)
def test_what_to_do_about_a_failed_pip_goes_by_what_it_said(output: str, says: str) -> None:
    assert says in advice(output)
    assert ("network" in advice(output)) == (output == UNREACHABLE)


@pytest.mark.slow
def test_where_the_session_has_no_pip_that_of_the_other_python_installs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    monkeypatch.setattr(installer, "find_spec", lambda name: None)  # as in an environment that uv has made
    monkeypatch.setattr("shutil.which", lambda name: None)
    install(str(environment / "bin" / "python"), [write_wheel(tmp_path, "answer", "ANSWER = 42\n")])
    assert version_in(environment, "answer") == "1.5"
    assert version_in(environment, "pip") is None


@pytest.mark.slow
def test_a_pip_that_is_too_old_for_the_other_python_gives_way_to_that_pythons_own(tmp_path: Path) -> None:
    newer = [found for found in find_interpreters(os.environ) if found.numbers >= (3, 12)]
    if sys.version_info >= (3, 12) or not newer:
        pytest.skip("needs a Python before 3.12, and one that is not")
    old, environment = tmp_path / "old", tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", old], check=True)
    python = str(old / "bin" / "python")
    done = subprocess.run([python, "-m", "pip", "install", "--quiet", "pip==23.0.1"], check=False, capture_output=True)
    if done.returncode:
        pytest.skip("pip cannot install pip 23.0.1, that of Debian 12, here")
    subprocess.run([newer[0].executable, "-m", "venv", "--without-pip", environment], check=True)
    wheel = write_wheel(tmp_path, "answer", "ANSWER = 42\n")
    code = "import sys; from pytest_mlperf.environments.installer import install; install(sys.argv[1], sys.argv[2:])"
    subprocess.run(
        [python, "-c", code, str(environment / "bin" / "python"), wheel],
        env={**clean_environment(), "PYTHONPATH": str(SOURCE), "PATH": os.defpath},
        check=True,
    )
    assert version_in(environment, "answer") == "1.5"
    assert version_in(environment, "pip") is None
