"""Opens what the user names: a directory, or a tarball that is unpacked for the time of the check."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlperf.errors import OptionError
from pytest_mlperf.rules.reading.submission import DIVISIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.xz")


@contextmanager
def opened(path: Path) -> Iterator[Path]:
    """Yield the directory that holds the divisions.

    Raises
    ------
    OptionError
        There is no such directory or tarball.
    ArchiveError
        The tarball is damaged, or has members that lead out of it.
    """
    if path.is_dir():
        yield path
        return
    if not path.is_file() or not path.name.endswith(_SUFFIXES):
        raise OptionError(
            f"cannot check {path}",
            expected=f"a directory, or a file whose name ends in {', '.join(_SUFFIXES)}",
            found=f"{'another file' if path.exists() else 'nothing'}",
            fix="name the directory that holds closed/ and open/, or the submission's tarball",
        )
    from pytest_mlperf.artifacts.archives import unpack

    with tempfile.TemporaryDirectory(prefix="pytest-mlperf-check-") as temporary:
        directory = Path(temporary) / "submission"
        unpack(path, directory)
        yield _top(directory)


def _top(directory: Path) -> Path:
    """Return where the divisions are: tarballs often have one directory around everything."""
    entries = sorted(directory.iterdir())
    if len(entries) == 1 and entries[0].is_dir() and entries[0].name not in DIVISIONS and not entries[0].is_symlink():
        return entries[0]
    return directory
