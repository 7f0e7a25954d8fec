"""Runs pip and uv for another interpreter."""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlperf.environments.commands import run_command
from pytest_mlperf.errors import RequirementError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_mlperf.environments.commands import Done

_QUIET = ("--disable-pip-version-check", "--no-input", "--quiet")
#: What to do by what pip said, the first that fits: an index that cannot be reached has no version, too.
_CAUSES = (
    (
        r"NewConnectionError|NameResolutionError|ConnectTimeout|ReadTimeout|ProxyError|SSLError|CERTIFICATE_VERIFY_FAILED"
        r"|connection broken by|Max retries exceeded|Connection (refused|reset|aborted)|HTTP error",
        "check the network, the proxy and the package index (pip config list)",
    ),
    (
        r"No matching distribution found|Could not find a version",
        "look whether the package index (pip config list) has that version for this Python, or choose another Python "
        "with --python-version",
    ),
    (r"Errno 28|No space left", "free some space on the disk of the cache, or choose another with --mlperf-cache"),
    (r"Errno 13|Permission denied", "make the directory that pip names writable"),
    (r"Traceback \(most recent call last\)", f"this is a fault of pip: {sys.executable} -m pip install --upgrade pip"),
)
_SEE = "see what it says"


@dataclass(frozen=True)
class _Pip:
    """A pip that works for an interpreter: its command, and the variables that it needs."""

    command: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict)


def install(python: str, packages: Sequence[str]) -> None:
    """Install packages into the environment of the interpreter `python`, with uv if it is installed, else pip.

    uv does not read pip's configuration, so if uv fails, pip is tried.

    Raises
    ------
    RequirementError
        A package cannot be installed, or there is neither pip nor uv.
    """
    uv = shutil.which("uv")
    if uv is not None:
        command = [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", python, *packages]
        if run_command(command).code == 0:
            return
    run_pip(python, ["install", "--no-warn-script-location", *packages], f"install {', '.join(packages)}")


def run_pip(python: str, arguments: Sequence[str], what: str, extra: Mapping[str, str] | None = None) -> None:
    """Run pip for the interpreter `python`, which need not have pip.

    Raises
    ------
    RequirementError
        There is no pip that works for `python`, or it fails.
    """
    with _pip_for(python, what) as pip:
        done = run_command([*pip.command, *_QUIET, *arguments], {**(extra or {}), **pip.variables})
    if done.code != 0:
        raise RequirementError(f"pip cannot {what} for {python}", found=done.last_lines(), fix=advice(done.output))


def advice(output: str) -> str:
    """Return what to do about a failed pip, by what it said."""
    return next((fix for said, fix in _CAUSES if re.search(said, output)), _SEE)


@contextmanager
def _pip_for(python: str, what: str) -> Iterator[_Pip]:
    """Give this interpreter's pip if it works for `python`, else the one that comes with `python`.

    An interpreter's pip may be older than another interpreter: 23.0.1, that of Debian 12, does not run on Python 3.12,
    and before 22.3 pip cannot install for another one.
    """
    mine = _Pip((sys.executable, "-m", "pip", "--python", python))
    tried = _own_fault(mine)
    if tried is None:
        yield mine
        return
    with tempfile.TemporaryDirectory(prefix="pip-") as temporary:
        made = run_command([python, "-m", "venv", str(Path(temporary) / "venv")])
        if made.code != 0:
            raise RequirementError(
                f"cannot {what}",
                expected=f"a pip that works for {python}",
                found=f"{tried}; and {python} -m venv fails: {made.last_lines()}",
                fix=f"upgrade pip: {sys.executable} -m pip install --upgrade pip; or install uv, or the package of the "
                "system that has venv and ensurepip for the other Python (Debian: python3.…-venv)",
            )
        yield _Pip((python, "-m", "pip"), {"PYTHONPATH": str(_pip_alone(Path(temporary)))})


def _own_fault(pip: _Pip) -> str | None:
    """Return why this interpreter's pip does not work for another one; None if it does."""
    if find_spec("pip") is None:
        return f"{sys.executable} has no pip"
    done = run_command([*pip.command, *_QUIET, "list"])
    return None if done.code == 0 else f"the pip of {sys.executable} does not: {_last_line(done)}"


def _last_line(done: Done) -> str:
    return ([line.strip() for line in done.output.splitlines() if line.strip()] or ["it says nothing"])[-1]


def _pip_alone(temporary: Path) -> Path:
    """Return a directory with the pip of a virtual environment, without what else an old venv puts there."""
    alone = temporary / "pip"
    alone.mkdir()
    for part in temporary.glob("venv/lib/python3*/site-packages/pip*"):
        (alone / part.name).symlink_to(part)
    return alone
