"""Where a session and its runs leave their files: never over those of an earlier one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path


def session_directory(root: Path, started: datetime) -> Path:
    """Return the directory of a session; two that start in the same second share it, run by run."""
    return root / f"{started:%Y%m%d-%H%M%S}"


def run_directory(session: Path, case: str, mode: str) -> Path:
    """Make and return a fresh directory for a run; a case that runs again in a session gets a number."""
    for number in range(1, 10_000):
        name = f"{case}-{mode}" if number == 1 else f"{case}-{mode}-{number}"
        path = session / name
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            continue
        return path
    raise RuntimeError(f"{session} has ten thousand runs of {case}")
