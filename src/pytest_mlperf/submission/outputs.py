"""The files that a session leaves in the current directory: all of one session, none older beside them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from pytest_mlperf.artifacts.locks import alone_in
from pytest_mlperf.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    #: Writes files into a directory and returns their paths.
    Writer = Callable[[Path], Sequence[Path]]

FAILED_SUFFIX: Final = "-failed-checks"


@dataclass(frozen=True)
class Outputs:
    """What was written, notes for the user, and the errors."""

    files: tuple[Path, ...]
    notes: tuple[str, ...]
    faults: tuple[str, ...]


def tarball_name(division: str, *, good: bool) -> str:
    """Return the name of the tarball, which says whether checks failed."""
    return f"{division}{'' if good else FAILED_SUFFIX}.tar.gz"


def leave(writers: Sequence[Writer], division: str, directory: Path, instead: Callable[[], Path]) -> Outputs:
    """Write a session's files to `directory`, alone; files of earlier sessions that are not replaced get another name.

    Parameters
    ----------
    writers
        What writes the files; none leaves only the renaming. Files that cannot be written there, because the disk is
        full or read-only, go to `instead`.
    division
        The division that the session submits in.
    directory
        The current directory.
    instead
        Returns another directory.
    """
    files: list[Path] = []
    faults: list[str] = []
    with alone_in(directory):
        for write in writers:
            found, fault = _written(write, directory, instead)
            files += found
            faults += filter(None, [fault])
        notes = tuple(_set_aside(directory, division, files))
    return Outputs(tuple(files), notes, tuple(faults))


def _written(write: Writer, directory: Path, instead: Callable[[], Path]) -> tuple[Sequence[Path], str]:
    try:
        return write(directory), ""
    except (OSError, OutputError) as error:
        found = error.found if isinstance(error, OutputError) else error.strerror or str(error)
    expected = "a directory that can be written, with free space"
    try:
        files = write(instead())
    except (OSError, OutputError):
        fix = "free some space there, and run the session again"
        return (), str(OutputError(f"cannot write to {directory}", expected=expected, found=found, fix=fix))
    fix = f"see {', '.join(map(str, files))} instead"
    return files, str(OutputError(f"cannot write to {directory}", expected=expected, found=found, fix=fix))


def _set_aside(directory: Path, division: str, written: Sequence[Path]) -> Iterator[str]:
    tarballs = (tarball_name(division, good=good) for good in (True, False))
    for path in (directory / name for name in (*tarballs, "summary.csv", "summary.json")):
        if path in written or not path.is_file():
            continue
        try:
            yield f"{path.name} was of an earlier session; it is now {_rename(path).name}"
        except OSError as error:
            yield f"{path.name} is of an earlier session, and cannot be renamed: {error.strerror or error}"


def _rename(path: Path) -> Path:
    """Rename a file to a name with the time of its last change."""
    stem, dot, suffix = path.name.partition(".")
    stamp = f"{stem}-{datetime.fromtimestamp(path.stat().st_mtime):%Y%m%d-%H%M%S}"
    names = (f"{stamp}{f'-{number}' if number > 1 else ''}{dot}{suffix}" for number in range(1, 10_000))
    return path.rename(next(free for name in names if not os.path.lexists(free := path.with_name(name))))
