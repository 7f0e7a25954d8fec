"""What the tests of whole sessions share: a pytest in a process of its own, on the repository's benchmarks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.history.place import OFF, VARIABLE

if TYPE_CHECKING:
    from tests.sandbox import Sandbox

pytest_plugins = ["pytester"]

REPOSITORY = Path(__file__).parents[1]
SUPPORT = REPOSITORY / "tests" / "support"
#: Sessions leave no cache in this repository, and load no plugins of the tests' own packages: these cost 0.7 s each.
PLAIN = tuple(part for name in ("cacheprovider", "hypothesispytest", "anyio") for part in ("-p", f"no:{name}"))


def pytest_configure() -> None:
    """Keep the tests' results out of the user's history, and take SIGINT as usual.

    A run in the background of a script ignores SIGINT, and so would what the tests start. Sessions that the tests
    start do not see the CI service that the tests run in: pytest prints more there, and this plugin reports to it.
    """
    os.environ[VARIABLE] = OFF
    for name in ("CI", "BUILD_NUMBER", "GITHUB_ACTIONS", "GITLAB_CI"):
        os.environ.pop(name, None)
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass(frozen=True)
class Session:
    """A finished pytest session."""

    code: int
    output: str

    def outcomes(self) -> str:
        """The last line, without its equals signs and its time."""
        return self.output.strip().splitlines()[-1].strip("= ").partition(" in ")[0]


RunSession = Callable[..., Session]


def run_benchmarks(
    *options: str,
    directory: Path,
    path: str | Path = REPOSITORY / "benchmarks",
    python: Sequence[str] = (sys.executable,),
    **variables: str,
) -> Session:
    """Run ``pytest benchmarks`` with options in a directory, with the test runtimes installed."""
    done = subprocess.run(
        [*python, "-m", "pytest", *PLAIN, str(path), *options],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(support_path()), "COLUMNS": "200", **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,  # ends what hangs; on a busy machine sessions wait for each other
        check=False,
    )
    return Session(done.returncode, done.stdout)


@pytest.fixture
def benchmarks(tmp_path: Path) -> RunSession:
    """Run ``pytest benchmarks`` in an empty directory."""
    here = tmp_path / "here"
    here.mkdir()
    return partial(run_benchmarks, directory=here)


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    """Sessions that can be watched and killed; what a failed test leaves running is ended."""
    from tests.sandbox import Sandbox

    sandbox = Sandbox(tmp_path)
    yield sandbox
    for process in sandbox.processes():
        process.kill()


@pytest.fixture
def make_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mount disks of a size such as ``256k``, where the machine lets us."""
    disks: list[Path] = []

    def make(size: str) -> Path:
        disk = tmp_path / f"disk {len(disks)}"
        disk.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)]
        if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
            pytest.skip("this machine lets nobody mount a disk")
        disks.append(disk)
        return disk

    yield make
    for disk in disks:
        subprocess.run(["umount", disk], check=True)


def support_path() -> list[str]:
    """PYTHONPATH with the test runtimes."""
    return [str(SUPPORT), *filter(None, [os.environ.get("PYTHONPATH")])]


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all tests of a session, and for all workers of pytest-xdist."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "shared-cache"
