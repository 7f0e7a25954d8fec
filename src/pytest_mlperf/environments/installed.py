"""The packages that are installed in the session's own environment."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from pytest_mlperf.errors import RequirementError

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The first LoadGen with mlperf.conf built in; the worker reads its settings from there.
LOADGEN_REQUIREMENT = "mlcommons-loadgen>=5.0"


@dataclass(frozen=True)
class LoadGen:
    """An installed LoadGen; `built` has its source and compiler if it was built on this machine."""

    version: str
    built: str = ""


@dataclass(frozen=True)
class Python:
    """An interpreter with what a backend needs.

    Attributes
    ----------
    executable, version
        Path and version of the interpreter.
    loadgen
        The LoadGen in its environment, if that is not the session's own.
    foreign
        Whether it is not the session's own, and so has none of the session's packages.
    """

    executable: str
    version: str
    loadgen: LoadGen | None = None
    foreign: bool = False


def find_loadgen() -> LoadGen:
    """Return the installed LoadGen.

    Raises
    ------
    RequirementError
        LoadGen is missing or too old.
    """
    return LoadGen(installed_version([LOADGEN_REQUIREMENT], "LoadGen"))


def installed_version(requirements: Sequence[str], needed_by: str) -> str:
    """Return the version of the first package that satisfies its requirement."""
    found = {requirement: _version(Requirement(requirement).name) for requirement in requirements}
    for requirement, there in found.items():
        if there is not None and Requirement(requirement).specifier.contains(there, prereleases=True):
            return there
    first = requirements[0]
    others = [f"{Requirement(other).name} {there}" for other, there in found.items() if there]
    raise RequirementError(
        f"{needed_by} needs the package {Requirement(first).name}",
        expected=f"{' or '.join(requirements)}",
        found=f"{', '.join(others) or 'nothing'}, in {sys.executable}",
        fix=f"install it: {sys.executable} -m pip install '{first}'",
    )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
