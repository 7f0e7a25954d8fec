"""Packs a submission as one reproducible .tar.gz."""

from __future__ import annotations

import gzip
import io
import os
import stat
import tarfile
from typing import IO, TYPE_CHECKING, cast

from pytest_mlperf.artifacts.disk import replacing
from pytest_mlperf.errors import OutputError, SubmissionError
from pytest_mlperf.rules.reading.submission import DIVISIONS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Chosen with tools/bench/packing.py: as fast as a copy; level 6 is an eighth smaller and takes half as long again.
LEVEL = 3
#: Collects headers and small files before zlib compresses them.
_BUFFER = 1 << 20


def pack(directory: Path, file: Path, divisions: tuple[str, ...] = DIVISIONS, level: int = LEVEL) -> Path:
    """Write the divisions of a submission to a .tar.gz, as its top-level directories.

    Names are sorted, and times and owners are left out: the same files give the same bytes on every machine.

    Parameters
    ----------
    directory
        Holds ``open``, ``closed`` or ``network``.
    file
        The tarball; it is replaced at the end and not changed by an error.
    divisions
        The divisions to pack, if they exist.
    level
        The compression level of gzip, 1 to 9.

    Raises
    ------
    SubmissionError
        There is no division, or there are links, devices, or names that a checker rejects.
    OutputError
        The tarball cannot be written, or a file changed while it was packed.
    """
    tops = [directory / name for name in sorted(divisions) if (directory / name).is_dir()]
    if not tops:
        raise SubmissionError(
            f"there is nothing to pack in {directory}",
            expected=f"a directory {' or '.join(divisions)} in it",
            found="none",
            fix="name the directory that contains the division, as given with --submission-dir",
        )
    members = [member for top in tops for member in _members(directory, top)]
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file, sync=True) as beside, beside.open("xb") as target:
            _write(target, directory, members, level)
    except OSError as error:
        raise OutputError(
            f"cannot pack {directory} into {file}",
            expected="files that can be read, and a file that can be written",
            found=error.strerror or str(error),
            fix="free some space there, or name another file",
        ) from error
    return file


def default_name(directory: Path) -> str:
    """Return MLCommons' name for the tarball, ``open.tar.gz``; with several divisions, the directory's name."""
    found = [name for name in DIVISIONS if (directory / name).is_dir()]
    return f"{found[0] if len(found) == 1 else directory.absolute().name}.tar.gz"


def _write(target: IO[bytes], directory: Path, members: list[Path], level: int) -> None:
    # An empty name and time 0 in gzip's header make the bytes reproducible.
    with (
        gzip.GzipFile(filename="", mode="wb", compresslevel=level, fileobj=target, mtime=0) as packed,
        io.BufferedWriter(cast("io.RawIOBase", packed), _BUFFER) as buffered,
        tarfile.open(fileobj=buffered, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path in members:
            _add(archive, path, path.relative_to(directory).as_posix())


def _add(archive: tarfile.TarFile, path: Path, name: str) -> None:
    info = tarfile.TarInfo(name)
    if path.is_dir():
        info.type, info.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(info)
        return
    # The size of the open file: a change of size meanwhile must not corrupt the archive.
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        info.size, info.mode = status.st_size, 0o755 if status.st_mode & stat.S_IXUSR else 0o644
        archive.addfile(info, file)


def _members(root: Path, top: Path) -> Iterator[Path]:
    """Yield a directory and everything below it, sorted by name."""
    yield top
    with os.scandir(top) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        path = top / entry.name
        if entry.is_symlink() or not (entry.is_dir(follow_symlinks=False) or entry.is_file(follow_symlinks=False)):
            raise _refused(root, path, "a link" if entry.is_symlink() else "a device, a pipe or a socket")
        if not entry.name.isprintable() or not _is_text(entry.name):
            raise _refused(root, path, f"the name {entry.name!a}")
        if entry.is_dir(follow_symlinks=False):
            yield from _members(root, path)
        else:
            yield path


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refused(root: Path, path: Path, what: str) -> SubmissionError:
    return SubmissionError(
        f"{str(path.relative_to(root))!a} cannot be part of a submission",
        expected="files and directories",
        found=what,
        fix="put the file itself there, or remove it",
    )
