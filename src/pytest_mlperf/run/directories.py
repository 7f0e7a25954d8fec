"""Directories for the files of a session and its runs; existing files are never overwritten."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

from pytest_mlperf.errors import OutputError

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path


def session_directory(root: Path, started: datetime) -> Path:
    """Return the directory of a session; sessions that start in the same second share it."""
    return root / f"{started:%Y%m%d-%H%M%S}"


def run_directory(session: Path, case: str, mode: str) -> Path:
    """Make and return a new directory for a run; a repeated case gets a number.

    Raises
    ------
    OutputError
        The directory cannot be made.
    """
    for number in range(1, 10_000):
        name = f"{case}-{mode}" if number == 1 else f"{case}-{mode}-{number}"
        path = session / name
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise unwritable(session, "--mlperf-output", error) from error
        return path
    raise RuntimeError(f"{session} has ten thousand runs of {case}")


def require_directory(path: Path, option: str) -> None:
    """Check that `path` is a writable directory or could be made; leave nothing there.

    Raises
    ------
    OutputError
        It cannot be written; the message names `option`.
    """
    there = next(place for place in (path, *path.parents) if os.path.lexists(place))
    try:
        # Permission bits are not enough: they mislead for root, on a read-only disk and in /proc.
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise unwritable(path, option, error) from error


def require_file(path: Path, option: str) -> None:
    """Check that a file could be written to `path`, which need not exist; leave nothing there.

    Raises
    ------
    OutputError
        It cannot be written; the message names `option`.
    """
    # Also a device or a pipe: the rename would replace it.
    if os.path.lexists(path) and not path.is_file():
        raise OutputError(
            f"cannot write {path}",
            expected="a file or a new name",
            found="a directory" if path.is_dir() else "something else",
            fix=f"name a file with {option}",
        )
    require_directory(path.parent, option)


def unwritable(path: Path, option: str, error: OSError) -> OutputError:
    """Return the error for a directory or file given with `option` that cannot be written."""
    obstacle = next((at for at in (path, *path.parents) if os.path.lexists(at) and not at.is_dir()), None)
    return OutputError(
        f"cannot write to {path}",
        expected="a directory in which you may write",
        found=(f"{obstacle} is not a directory" if obstacle else error.strerror or str(error)),
        fix=f"choose another place with {option}",
    )
