"""Makes this package and a case's own packages importable by another interpreter, but nothing else."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlperf.errors import RequirementError

if TYPE_CHECKING:
    from collections.abc import Iterable

PACKAGE = "pytest_mlperf"


def link_sources(references: Iterable[str], directory: Path) -> Path:
    """Fill `directory`, for PYTHONPATH, with links to this package and to the packages of `references`.

    Parameters
    ----------
    references
        Object references ``module:attribute``, as in entry points.
    directory
        An empty directory.

    Raises
    ------
    RequirementError
        A module is not a file or a directory.
    """
    for name in sorted({PACKAGE, *(reference.partition(":")[0].partition(".")[0] for reference in references)}):
        path = place(name)
        (directory / path.name).symlink_to(path)
    return directory


def place(name: str) -> Path:
    """Return the file or the directory of a top-level module.

    Raises
    ------
    RequirementError
        It is neither.
    """
    spec = find_spec(name)
    if spec is not None and spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations))).absolute()
    if spec is not None and spec.origin is not None and Path(spec.origin).is_file():
        return Path(spec.origin).absolute()
    raise RequirementError(
        f"the module {name} cannot be run by another Python",
        expected="a file or a directory of Python code",
        found="none",
        fix="run it with the Python of this session: leave --python-version and --mlperf-venv out",
    )
