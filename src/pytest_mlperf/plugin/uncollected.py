"""Recognises what sessions have left on the disk: it may have copies of tests, which pytest would collect."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def is_left_by_a_session(directory: Path) -> bool:
    """Return whether a directory is a session's own, or a division of somebody's submission."""
    from pytest_mlperf.run.directories import OWNER

    return (directory / OWNER).is_file() or _is_division(directory)


def _is_division(directory: Path) -> bool:
    # By what every round's layout has: no file of ours may lie in what goes to MLCommons.
    return any((systems.with_name("results")).is_dir() for systems in directory.glob("*/systems"))
