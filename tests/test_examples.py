"""The example package: benchmarks and a backend that another package adds, with no file of ours touched."""

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


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pip has installed the package, as it would into an environment."""
    source = tmp_path_factory.mktemp("source") / "three-tasks"
    shutil.copytree(REPOSITORY / "examples" / "three-tasks", source)
    target = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), str(source)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture
def three_tasks(installed: Path, tmp_path: Path) -> Callable[..., Session]:
    """Run the three tasks in an empty directory."""

    def run(*options: str) -> Session:
        return run_benchmarks("-k", THREE, *options, directory=tmp_path, PYTHONPATH=str(installed))

    return run


def test_three_tasks_of_another_package_reach_their_targets_on_two_backends_in_all_scenarios(
    three_tasks: Callable[..., Session],
) -> None:
    session = three_tasks("--mode", "accuracy")
    assert session.outcomes().startswith(f"{CASES} passed"), session.output


@pytest.mark.slow
def test_three_tasks_of_another_package_run_valid_on_two_backends_in_all_scenarios(
    three_tasks: Callable[..., Session],
) -> None:
    # What no round has has no latency bound of its own: LoadGen's 10 ms are for nobody's task.
    session = three_tasks("--mode", "performance", "--target-qps", "300", "--target-latency", "1000")
    assert session.outcomes().startswith(f"{CASES} passed"), session.output
