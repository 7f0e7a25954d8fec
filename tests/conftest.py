"""What the tests of whole sessions share: a pytest in a process of its own, on the repository's benchmarks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.sandbox import Sandbox

pytest_plugins = ["pytester"]

REPOSITORY = Path(__file__).parents[1]
SUPPORT = REPOSITORY / "tests" / "support"


@dataclass(frozen=True)
class Session:
    """A finished pytest session."""

    code: int
    output: str

    def outcomes(self) -> str:
        """The last line, without its equals signs and its time."""
        return self.output.strip().splitlines()[-1].strip("= ").partition(" in ")[0]


RunSession = Callable[..., Session]


@pytest.fixture
def benchmarks(tmp_path: Path) -> RunSession:
    """Run ``pytest benchmarks`` with options, in an empty directory, with the test runtimes installed."""
    here = tmp_path / "here"
    here.mkdir()

    def run(*options: str, path: str | Path = REPOSITORY / "benchmarks", **variables: str) -> Session:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(path), *options],
            cwd=here,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(support_path()), "COLUMNS": "200", **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        return Session(done.returncode, done.stdout)

    return run


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    """Sessions that can be watched and killed; what a failed test leaves running is ended."""
    from tests.sandbox import Sandbox

    sandbox = Sandbox(tmp_path)
    yield sandbox
    for process in sandbox.processes():
        process.kill()


def support_path() -> list[str]:
    """PYTHONPATH with the test runtimes."""
    return [str(SUPPORT), *filter(None, [os.environ.get("PYTHONPATH")])]


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all tests of a session, and for all workers of pytest-xdist."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "shared-cache"
