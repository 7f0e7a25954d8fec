"""The Python that runs a backend, and the LoadGen in it: what is installed here, and whether it serves."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from packaging.requirements import Requirement

from pytest_mlperf.errors import RequirementError

#: The first LoadGen with mlperf.conf built in, which the worker reads its settings from.
LOADGEN_REQUIREMENT = "mlcommons-loadgen>=5.0"


@dataclass(frozen=True)
class Python:
    """An interpreter with what a backend needs."""

    executable: str
    version: str


@dataclass(frozen=True)
class LoadGen:
    """An installed LoadGen."""

    version: str


def find_python(backend: str, requirement: str) -> Python:
    """Return the running interpreter, when `requirement` of `backend` is installed in it.

    Raises
    ------
    RequirementError
        The package is missing or of another version.
    """
    installed_version(requirement, f"the backend {backend}")
    return Python(sys.executable, platform.python_version())


def find_loadgen() -> LoadGen:
    """Return the installed LoadGen.

    Raises
    ------
    RequirementError
        It is missing or too old.
    """
    return LoadGen(installed_version(LOADGEN_REQUIREMENT, "LoadGen"))


def installed_version(requirement: str, needed_by: str) -> str:
    """Return the version of the package that `requirement` names, when it satisfies it."""
    wanted = Requirement(requirement)
    try:
        found = version(wanted.name)
    except PackageNotFoundError:
        found = "nothing"
    if found == "nothing" or not wanted.specifier.contains(found, prereleases=True):
        raise RequirementError(
            f"{needed_by} needs the package {wanted.name}",
            f"expected: {requirement}; found: {found}, in {sys.executable}",
            f"install it: {sys.executable} -m pip install '{requirement}'",
        )
    return found
