"""Directories for the files of a session and its runs; existing files are never overwritten."""

from __future__ import annotations

import errno
import os
import platform
import shutil
import tempfile
from typing import TYPE_CHECKING, Final

from pytest_mlperf.artifacts.disk import remedy
from pytest_mlperf.errors import OutputError

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

#: The file that makes a directory a session's own; it contains the session's key.
OWNER: Final = ".session"
#: The file with all results of a session, in its directory.
RESULTS: Final = "results.json"
#: A file system may only say that it is full when something is written.
_PROBE = bytes(4096)


def session_directory(root: Path, started: datetime, key: str) -> Path:
    """Make and return the directory of a session, which no other session uses.

    Parameters
    ----------
    root
        The value of --mlperf-output.
    started
        When the session started; it names the directory, with a number if another session has that name.
    key
        Names the session. The processes of one session, such as those of pytest-xdist, get the same directory.

    Raises
    ------
    OutputError
        The directory cannot be made.
    """
    for number in range(1, 10_000):
        path = root / (f"{started:%Y%m%d-%H%M%S}" + (f"-{number}" if number > 1 else ""))
        try:
            if _owner(path) == key or _take(path, key) or _owner(path) == key:
                return path
        except OSError as error:
            raise unwritable(root, "--mlperf-output", error) from error
    raise RuntimeError(f"{root} has ten thousand sessions of {started}")


def _take(path: Path, key: str) -> bool:
    """Make `path`, which has its owner's key from the first moment, unless something is there."""
    if os.path.lexists(path):
        return False
    beside = path.with_name(f".{key}.{platform.node()}.{os.getpid()}.part")  # the disk may be shared
    try:
        beside.mkdir(parents=True)
        (beside / OWNER).write_text(key)
        return _rename(beside, path)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _rename(directory: Path, place: Path) -> bool:
    try:
        directory.rename(place)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
            return False
        raise
    return True


def _owner(path: Path) -> str:
    try:
        return (path / OWNER).read_text()
    except OSError:
        return ""


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
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(_PROBE)
    except OSError as error:
        raise unwritable(path, option, error) from error


def require_file(path: Path, option: str, *, replaced: bool = True) -> None:
    """Check that a file could be written to `path`, which need not exist; leave nothing there.

    `replaced` says that a new file is renamed to `path`; else the one that is there is written, which may be a device.

    Raises
    ------
    OutputError
        It cannot be written; the message names `option`.
    """
    if not replaced and path.exists() and not path.is_dir():
        if not os.access(path, os.W_OK):
            raise unwritable(path, option, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))
        if not path.is_file():
            return
    # Also a device or a pipe: the rename would replace it.
    elif os.path.lexists(path) and not path.is_file():
        raise OutputError(
            f"cannot write {path}",
            expected="a file or a new name",
            found="a directory" if path.is_dir() else "something else",
            fix=f"name a file with {option}",
        )
    require_directory(path.parent, option)


def unwritable(path: Path, option: str, error: OSError) -> OutputError:
    """Return the error for a directory or file given with `option` that cannot be written; none is the current one."""
    obstacle = next((at for at in (path, *path.parents) if os.path.lexists(at) and not at.is_dir()), None)
    return OutputError(
        f"cannot write to {path}",
        expected="a directory in which you may write",
        found=(f"{obstacle} is not a directory" if obstacle else error.strerror or str(error)),
        fix=remedy(
            error,
            f"choose another place with {option}" if option else "run pytest in a directory in which you may write",
        ),
    )


def removed(path: Path) -> OutputError:
    """Return the error for a run's directory that is gone before its run has ended."""
    return OutputError(
        f"{path} was removed while its run was running",
        expected="the directory with the run's files",
        found="nothing",
        fix="run it again, and let nothing clean --mlperf-output before the session ends",
    )
