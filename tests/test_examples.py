"""The example packages: benchmarks and backends that another package adds, with no file of ours touched."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.conftest import REPOSITORY, run_benchmarks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Session

THREE = "pairs or blobs or countdown"
CASES = 3 * 2 * 4  # tasks, backends, scenarios


EXAMPLES = REPOSITORY / "examples"
OWN = EXAMPLES / "bring-your-own"


def install(name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install a package of the examples, as pip would into an environment, and return the directory."""
    source = tmp_path_factory.mktemp("source") / name
    shutil.copytree(EXAMPLES / name, source)
    target = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), str(source)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pip has installed the three tasks."""
    return install("three-tasks", tmp_path_factory)


@pytest.fixture
def three_tasks(installed: Path, tmp_path: Path) -> Callable[..., Session]:
    """Run the three tasks in an empty directory."""

    def run(*options: str) -> Session:
        return run_benchmarks("-k", THREE, *options, directory=tmp_path, PYTHONPATH=str(installed))

    return run


@pytest.mark.slow
def test_three_tasks_of_another_package_reach_their_targets_on_two_backends_in_all_scenarios(
    three_tasks: Callable[..., Session],
) -> None:
    session = three_tasks("--mode", "accuracy")
    assert session.outcomes().startswith(f"{CASES} passed"), session.output


@pytest.mark.slow
@pytest.mark.thorough
def test_three_tasks_of_another_package_run_valid_on_two_backends_in_all_scenarios(
    three_tasks: Callable[..., Session],
) -> None:
    # What no round has has no latency bound of its own: LoadGen's 10 ms are for nobody's task.
    session = three_tasks("--mode", "performance", "--target-qps", "150", "--target-latency", "1000")
    assert session.outcomes().startswith(f"{CASES} passed"), session.output


def test_the_backend_of_twenty_lines_has_no_more() -> None:
    text = (OWN / "src" / "mlperf_bring_your_own" / "plain.py").read_text("utf-8")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith('"""')]
    assert len(lines) <= 20


@pytest.mark.slow
def test_what_a_user_brings_runs_in_tests_of_their_own(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, shared_cache: Path
) -> None:
    place = install("bring-your-own", tmp_path_factory)
    shutil.copytree(OWN / "tests", tmp_path / "tests")
    cache = f"--mlperf-cache={shared_cache}"
    session = run_benchmarks(cache, directory=tmp_path, path="tests", PYTHONPATH=str(place))
    assert session.outcomes().startswith("3 passed"), session.output


@pytest.mark.slow
def test_the_backend_of_twenty_lines_conforms(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, shared_cache: Path
) -> None:
    place = install("bring-your-own", tmp_path_factory)
    options = (f"--mlperf-cache={shared_cache}", "--mode=conformance", "--model=balanced-tiny", "--backend=plain")
    session = run_benchmarks(*options, directory=tmp_path, PYTHONPATH=str(place))
    assert session.outcomes().startswith("1 passed"), session.output
