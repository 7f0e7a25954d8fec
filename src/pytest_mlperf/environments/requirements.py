"""The pinned packages of a backend's environment."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Sequence

LOADGEN = "mlcommons-loadgen"
WORKER = "worker"


def environment_requirements(requirements: Sequence[str], device: str, also: Sequence[str] = ()) -> tuple[str, ...]:
    """Return what to install for a case: the worker's packages, the backend's, and those that read the samples.

    If this package has a pinned set for the backend's package, everything is pinned. Otherwise the backend's own
    requirement applies, and the worker's packages may have any version compatible with it (deepsparse needs numpy
    below 2).

    Parameters
    ----------
    requirements
        The backend's alternative requirements. For a device other than the cpu, the one for GPUs is chosen.
    device
        The case's device.
    also
        More packages, all of which are needed.
    """
    chosen = _for_device(requirements, device)
    own = pinned(_package(chosen))
    others = [pinned(WORKER), *(pinned(_package(each)) or (each,) for each in also)]
    if own:
        return _merged([own, *others])
    return _merged([(chosen,), *(tuple(dict.fromkeys(map(_any_version, each))) for each in others)])


def pinned(name: str) -> tuple[str, ...]:
    """Return the lines of the pinned set `name`, empty if there is no such set."""
    file = files("pytest_mlperf") / "data" / "requirements" / f"{name}.txt"
    if not file.is_file():
        return ()
    lines = (line.strip() for line in file.read_text("utf-8").splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))


def without(requirements: Sequence[str], name: str) -> tuple[str, ...]:
    """Return the requirements without those of the package `name`."""
    return tuple(line for line in requirements if _package(line) != name)


def package_names(requirements: Sequence[str], python: str) -> list[str]:
    """Return the packages required on the Python version `python`, such as ``3.12.1``."""
    environment = {"python_version": ".".join(python.split(".")[:2]), "python_full_version": python}
    parsed = map(Requirement, requirements)
    return [one.name for one in parsed if one.marker is None or one.marker.evaluate(environment)]


def loadgen_version() -> str:
    """Return the pinned version of LoadGen, which is also the version built from source."""
    (line,) = (line for line in pinned(WORKER) if Requirement(line).name == LOADGEN)
    return line.partition("==")[2]


def _merged(sets: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return the lines of all sets; a package that several have is that of the first."""
    lines: list[str] = []
    taken: set[str] = set()
    for each in sets:
        new = [line for line in each if _package(line) not in taken]
        taken.update(map(_package, new))
        lines += new
    return tuple(lines)


def _package(requirement: str) -> str:
    return canonicalize_name(Requirement(requirement).name)


def _for_device(requirements: Sequence[str], device: str) -> str:
    if device == "cpu":
        return requirements[0]
    return next((line for line in requirements if "gpu" in Requirement(line).name), requirements[0])


def _any_version(line: str) -> str:
    # LoadGen stays pinned: 5.0 is the first with mlperf.conf built in, and a round needs one version.
    name = Requirement(line).name
    return line if name == LOADGEN else name
