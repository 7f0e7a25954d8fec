"""Other packages that add benchmarks, backends and implementations: the one on texts, and what a test writes itself."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.conftest import REPOSITORY, support_path

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TEXTS = REPOSITORY / "tests" / "texts"


def with_packages(*directories: Path) -> str:
    """Return PYTHONPATH with these directories before the test runtimes."""
    return os.pathsep.join([*map(str, directories), *support_path()])


def write_package(directory: Path, module: str, source: str, **points: Mapping[str, str]) -> Path:
    """Write a module and the metadata that installs it.

    Parameters
    ----------
    directory
        For sys.path; made where it is not there.
    module, source
        The module's name and content.
    points
        ``benchmarks``, ``backends``, ``implementations``: attributes of the module by the entry points' names.
    """
    info = directory / f"{module}-1.0.dist-info"
    info.mkdir(parents=True)
    (directory / f"{module}.py").write_text(source)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module.replace('_', '-')}\nVersion: 1.0\n")
    lines = []
    for group, named in points.items():
        lines += [f"[pytest_mlperf.{group}]", *(f"{name} = {module}:{named[name]}" for name in named)]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return directory
