"""JSON files that state the number of their format: those of a newer version are refused, and damaged ones named."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlperf.errors import MLPerfError

T = TypeVar("T")


class _Format(msgspec.Struct):
    format: int = 1  # files without a number are as old as that


def read_versioned(
    path: Path, kind: type[T], newest: int, error: type[MLPerfError], *, what: str, expected: str, fix: str
) -> T:
    """Return what a file has.

    Parameters
    ----------
    path, kind
        The file, and the Struct that it is.
    newest
        The number of the newest format that is known.
    error
        What is raised.
    what, expected, fix
        For its message: what the file is ("a baseline"), which file it should be, and how it is had again.

    Raises
    ------
    MLPerfError
        The file cannot be read, is cut off, is another one, or was written by a newer version.
    """
    try:
        content = path.read_bytes()
        found = msgspec.json.decode(content, type=_Format).format
        if found > newest:
            raise error(
                f"{what} was written by a newer version of pytest-mlperf: {path}",
                expected=f"format {newest} or older",
                found=f"format {found}",
                fix=f"upgrade pytest-mlperf here, or {fix}",
            )
        return msgspec.json.decode(content, type=kind)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as damage:
        raise error(
            f"{what} cannot be read: {path}",
            expected=expected,
            found=f"{type(damage).__name__}: {damage}",
            fix=fix,
        ) from damage
