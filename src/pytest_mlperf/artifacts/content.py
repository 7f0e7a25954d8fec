"""What files hold: their SHA-256, and whether they have been changed since it was taken."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_CHUNK = 1 << 20
_MOST_THREADS = 8


class State(NamedTuple):
    """What the file system tells of a file; a write or a replacement changes it."""

    size: int
    modified_ns: int
    changed_ns: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> State:
        """Return the state that a status tells."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


class HashedFile(NamedTuple):
    """A file's name below the root, with ``/``; its path; its SHA-256 in hexadecimal; its state at that time."""

    name: str
    path: str
    sha256: str
    state: State


class Change(NamedTuple):
    """A file that is no longer what was hashed: its path, and what was expected and found."""

    path: str
    expected: str
    found: str


@dataclass(frozen=True)
class Content:
    """Some files, hashed.

    Attributes
    ----------
    files
        The files, in any order.
    directory
        The directory that has these files and no other; None if others beside them do not matter.
    """

    files: tuple[HashedFile, ...]
    directory: Path | None = None

    @cached_property
    def sha256(self) -> str:
        """The digest of all files; see `listing_sha256`."""
        return listing_sha256((file.name, file.sha256) for file in self.files)

    def change(self) -> Change | None:
        """Return the first file that was written, replaced, removed or added since; None if all are the same.

        The time of a file's last change, which the kernel sets, also tells of content that was put back.
        """
        if self.directory is not None and (change := self._other_names(self.directory)) is not None:
            return change
        return next(filter(None, map(_change, self.files)), None)

    def _other_names(self, directory: Path) -> Change | None:
        names = {file.name for file in self.files}
        try:
            added = sorted(set(names_below(directory)) - names)
        except OSError as error:
            return Change(str(directory), "the same directory", error.strerror or str(error))
        return Change(str(directory / added[0]), "no such file", "a new file") if added else None


def listing_sha256(files: Iterable[tuple[str, str]]) -> str:
    """Return the digest of files by their names and SHA-256: of one file its own, of several that of the listing.

    The listing has the lines of ``sha256sum``, in the order of the names' bytes.
    """
    listed = sorted((os.fsencode(name), sha256) for name, sha256 in files)
    if len(listed) == 1:
        return listed[0][1]
    return hashlib.sha256(b"".join(_line(name, sha256) for name, sha256 in listed)).hexdigest()


def read_content(root: Path, names: Iterable[str]) -> Content:
    """Hash files below `root`, in threads.

    Raises
    ------
    OSError
        One cannot be read, is not a file, or is written to meanwhile.
    """
    paths = [(name, f"{root}/{name}") for name in names]
    with ThreadPoolExecutor(min(_MOST_THREADS, len(os.sched_getaffinity(0)))) as pool:
        return Content(tuple(pool.map(lambda each: _hashed(*each), paths)))


def read_directory(directory: Path) -> Content:
    """Hash every file in a directory; raises as `read_content` and `names_below`."""
    return Content(read_content(directory, names_below(directory)).files, directory)


def names_below(directory: Path) -> list[str]:
    """Return the names of all files below a directory, also through links.

    Raises
    ------
    OSError
        A directory cannot be read, or links to one above it.
    """
    return list(_names(str(directory), "", frozenset()))


def _names(directory: str, prefix: str, above: frozenset[tuple[int, int]]) -> Iterator[str]:
    status = os.stat(directory)  # noqa: PTH116 - a string
    here = (status.st_dev, status.st_ino)
    if here in above:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), directory)
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _names(entry.path, f"{prefix}{entry.name}/", above | {here})
            else:
                yield f"{prefix}{entry.name}"


def _hashed(name: str, path: str) -> HashedFile:
    try:
        return _read(name, path)
    except OSError as error:
        error.filename = error.filename or path  # a read that fails does not say of what
        raise


def _read(name: str, path: str) -> HashedFile:
    digest, buffer = hashlib.sha256(), bytearray(_CHUNK)
    view = memoryview(buffer)
    # A pipe would wait for somebody to write.
    with open(path, "rb", buffering=0, opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        before = os.fstat(file.fileno())
        if not stat.S_ISREG(before.st_mode):
            raise OSError(errno.EINVAL, "not a file", path)
        while count := file.readinto(buffer):
            digest.update(view[:count])
        state = State.of(before)
        if State.of(os.fstat(file.fileno())) != state:
            raise OSError(errno.EBUSY, "it is being written to", path)
    return HashedFile(name, path, digest.hexdigest(), state)


def _change(file: HashedFile) -> Change | None:
    try:
        now = State.of(os.stat(file.path))  # noqa: PTH116 - thousands of Paths take their time
        if now == file.state:
            return None
        found = _hashed(file.name, file.path).sha256
    except OSError as error:
        return Change(file.path, f"SHA-256 {file.sha256}", error.strerror or str(error))
    if found == file.sha256 and now[:3] == file.state[:3]:
        return None  # some network file systems number their files anew
    again = ", but it was written to or replaced meanwhile" if found == file.sha256 else ""
    return Change(file.path, f"SHA-256 {file.sha256}", f"SHA-256 {found}{again}")


def _line(name: bytes, sha256: str) -> bytes:
    # As sha256sum writes it: no name can pass for two lines.
    escaped = name.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
    return b"%s%s  %s\n" % (b"\\" if escaped != name else b"", sha256.encode(), escaped)
