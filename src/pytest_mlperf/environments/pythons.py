"""Finds the Python interpreters of this machine and chooses one."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet

from pytest_mlperf.environments.distribution import install_python
from pytest_mlperf.errors import RequirementError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: The oldest Python that the worker's code runs on.
WORKER_PYTHON = (3, 10)
#: The shim of a version manager may need some time to find its version.
PROBE_SECONDS = 20.0
_NAME = re.compile(r"python(3(\.\d+)?)?")
_PROBE = (
    "import json, platform, sys; print(json.dumps([sys.executable, platform.python_version(), "
    "list(sys.version_info[:3]), platform.python_implementation()]))"
)


@dataclass(frozen=True)
class Interpreter:
    """A CPython of this machine: its real path, its version as text and as three numbers."""

    executable: str
    version: str
    numbers: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.version} ({self.executable})"


@dataclass(frozen=True)
class Wanted:
    """The wanted Python: its version starts with `version`, is at least `minimum`, and satisfies `specifier`."""

    version: tuple[int, ...] = ()
    minimum: tuple[int, ...] = ()
    specifier: str = ""

    def fits(self, numbers: tuple[int, ...]) -> bool:
        """Return whether a Python version is wanted and the worker supports it."""
        exact = numbers[: len(self.version)] == self.version
        return exact and numbers >= self.minimum and numbers >= WORKER_PYTHON and self.supports(numbers)

    def supports(self, numbers: tuple[int, ...]) -> bool:
        """Return whether a Python version satisfies the specifier."""
        return not self.specifier or SpecifierSet(self.specifier).contains(_dotted(numbers))

    def __str__(self) -> str:
        words = [f"Python {_dotted(self.version)}"] if self.version else []
        words += [f"Python {_dotted(self.minimum)} or newer"] if self.minimum else []
        words += [f"Python {self.specifier}"] if self.specifier else []
        return " and ".join(words) or "a Python"


def running() -> Interpreter:
    """Return the running interpreter."""
    return Interpreter(
        os.path.realpath(sys.executable), ".".join(map(str, sys.version_info[:3])), tuple(sys.version_info[:3])
    )


def choose(wanted: Wanted, environ: Mapping[str, str]) -> Interpreter:
    """Return the running interpreter if it fits, else the best of those that fit.

    The best is the newest patch release of the lowest minor version, because packages publish wheels for the newest
    Python last.

    Raises
    ------
    RequirementError
        None fits; the message lists those found and what to install.
    """
    here = running()
    if wanted.fits(here.numbers):
        return here
    seen = find_interpreters(environ)
    fitting = [found for found in seen if wanted.fits(found.numbers)]
    if fitting:
        return min(fitting, key=lambda found: (found.numbers[:2], -found.numbers[2]))
    raise _none_fits(wanted, seen)


def find_interpreters(environ: Mapping[str, str]) -> list[Interpreter]:
    """Return every CPython that can be started: the running one, then those on PATH, of pyenv and of uv."""
    found = {(here := running()).executable: here}
    asked = set()
    for candidate in _candidates(environ):
        real = os.path.realpath(candidate)
        if real not in asked and (interpreter := probe(candidate)) is not None:
            found.setdefault(interpreter.executable, interpreter)
        asked.add(real)
    return list(found.values())


@cache  # called for every case, and a dozen interpreters take a second
def probe(executable: Path | str) -> Interpreter | None:
    """Run an interpreter to get its version; None if it does not start or is not CPython 3."""
    try:
        done = subprocess.run(
            [str(executable), "-I", "-S", "-c", _PROBE],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PROBE_SECONDS,
            check=True,
        )
        path, version, numbers, implementation = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    if implementation != "CPython" or numbers[0] != 3:
        return None
    return Interpreter(os.path.realpath(path), version, tuple(numbers))


def _candidates(environ: Mapping[str, str]) -> Iterator[Path]:
    home = Path(environ.get("HOME") or "~").expanduser()
    for folder in filter(None, environ.get("PATH", "").split(os.pathsep)):
        yield from sorted(path for path in _files(Path(folder)) if _NAME.fullmatch(path.name))
    pyenv = Path(environ.get("PYENV_ROOT") or home / ".pyenv")
    yield from sorted(pyenv.glob("versions/*/bin/python"))
    data = Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    uv = Path(environ.get("UV_PYTHON_INSTALL_DIR") or data / "uv" / "python")
    yield from sorted(uv.glob("*/bin/python3"))


def _files(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if os.access(path, os.X_OK)]
    except OSError:
        return []


def _none_fits(wanted: Wanted, seen: Sequence[Interpreter]) -> RequirementError:
    oldest = _dotted(WORKER_PYTHON)
    usable = [found for found in seen if found.numbers >= WORKER_PYTHON]
    there = ", ".join(map(str, sorted(seen, key=lambda found: found.numbers)))
    if wanted.version and wanted.version < WORKER_PYTHON[: len(wanted.version)]:
        return RequirementError(
            f"no case can run on {wanted}",
            expected=f"Python {oldest} or newer, which the worker needs",
            found=there,
            fix=f"choose one of these: {', '.join(sorted({'.'.join(map(str, u.numbers[:2])) for u in usable}))}",
        )
    version = _worth_installing(wanted)
    if version is None and not (wanted.version or wanted.minimum):
        return RequirementError(
            f"there is no {wanted} here",
            expected="one on PATH, of pyenv or of uv",
            found=there,
            fix="install one",
        )
    if version is None:
        return RequirementError(
            f"no case can run on {replace(wanted, specifier='')}",
            expected=f"Python {wanted.specifier}, which the backend's packages support",
            found=there,
            fix="leave out --python-version or --python-version-min, or choose another --backend",
        )
    dotted = _dotted(version)
    return RequirementError(
        f"there is no {wanted} here",
        expected=f"one on PATH, of pyenv or of uv, {oldest} or newer",
        found=there,
        fix=f"install one: {install_python(dotted)} (as root), or without root: uv python install {dotted}",
    )


def _worth_installing(wanted: Wanted) -> tuple[int, ...] | None:
    """Return the version to install, as exact as it was asked for; None if no version that the backend supports is."""
    asked = wanted.version if len(wanted.version) > 1 else wanted.minimum if len(wanted.minimum) > 1 else None
    candidates = [asked] if asked is not None else [(3, 12), (3, 11), (3, 10), (3, 13), (3, 14)]
    if asked is not None and asked == wanted.minimum:
        candidates += [(3, minor) for minor in range(asked[1] + 1, 15)]
    # The last digit of a version stands for any patch release.
    return next((each for each in candidates if wanted.supports((*each, 99)[: max(3, len(each))])), None)


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
