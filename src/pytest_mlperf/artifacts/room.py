"""Room on the disk: asked for before something large is written, and told of when writing fails."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from pytest_mlperf.errors import CacheError

if TYPE_CHECKING:
    from pathlib import Path


def check_room(purpose: str, needed: int, directory: Path) -> None:
    """Raise CacheError where fewer than `needed` bytes are free in `directory`."""
    free = shutil.disk_usage(directory).free
    if needed > free:
        raise CacheError(
            f"no room {purpose}",
            expected=f"{needed:,} bytes free",
            found=f"{free:,} bytes free in {directory}",
            fix="free some space there, or choose another cache directory",
        )


def unwritten(what: str, error: OSError, directory: Path) -> CacheError:
    """Return the error for what could not be written to `directory`, of which it says how full it is."""
    try:
        free = f"{shutil.disk_usage(directory).free:,}"
    except OSError:
        free = "?"
    return CacheError(
        what,
        found=f"{error}; {free} bytes are free in {directory}",
        fix="free some space or raise the limit there, or choose another cache directory",
    )
