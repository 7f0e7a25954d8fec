"""Finds the files of the package's ``data`` directory: tiny models and data sets."""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def shipped(name: str) -> Path:
    """Return the path of a file or directory in ``data``."""
    with as_file(files("pytest_mlperf").joinpath("data", name)) as path:
        return path
