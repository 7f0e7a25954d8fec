"""Directories that others may write to: what may be made and opened there; changes when another trick becomes known."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from pytest_mlperf.errors import CacheError

if TYPE_CHECKING:
    from pathlib import Path

#: Neither through a link, nor waiting for whoever writes to a pipe.
_PLAIN = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW
#: Of a directory that nobody has opened to everybody, even where the umask would.
UNSHARED = 0o775
_OTHERS = stat.S_IWGRP | stat.S_IWOTH
_KINDS = {stat.S_IFLNK: "a symbolic link", stat.S_IFIFO: "a pipe", stat.S_IFREG: "a file", stat.S_IFDIR: "a directory"}


def is_everybodys(mode: int) -> bool:
    """Whether others may write to a directory of these permission bits, and by its sticky bit each keeps their own."""
    return bool(mode & _OTHERS) and bool(mode & stat.S_ISVTX)


def is_unsafe(mode: int) -> bool:
    """Whether everybody may exchange what anybody has in a directory of these permission bits."""
    return bool(mode & stat.S_IWOTH) and not mode & stat.S_ISVTX


def make_directory(directory: Path, mode: int | None) -> None:
    """Make a directory that is its owner's and open to others by the bits of `mode`, or None for the umask's.

    One that is there is taken, and gets the sticky bit where everybody may write to it. Raises CacheError where
    something else is there, such as a link, or an unsafe directory of another user.
    """
    made = False
    with suppress(FileExistsError):
        directory.mkdir(UNSHARED)
        made = True
    descriptor = open_directory(directory)
    try:
        if made and mode is not None:
            os.fchmod(descriptor, 0o700 | mode)
        status = os.fstat(descriptor)
        if is_unsafe(status.st_mode):
            os.fchmod(descriptor, stat.S_IMODE(status.st_mode) | stat.S_ISVTX)
    except PermissionError:
        raise unsafe(directory, status) from None
    finally:
        os.close(descriptor)


def is_own(directory: Path) -> bool:
    """Whether there is a directory that this user owns and nobody else may write to."""
    try:
        status = directory.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & _OTHERS


def check_own(directory: Path) -> None:
    """Raise CacheError where there is something else than a directory that is this user's alone."""
    if os.path.lexists(directory) and not is_own(directory):
        raise not_ours(directory, directory.lstat(), "a directory that is yours and that nobody else may write to")


def open_directory(directory: Path) -> int:
    """Return the descriptor of a directory; CacheError where there is a link or something else."""
    try:
        return os.open(directory, _DIRECTORY)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENOTDIR) or not os.path.lexists(directory):
            raise
        raise not_ours(directory, directory.lstat(), "a directory") from error


def open_plain(path: Path, flags: int, mode: int = 0o600, directory: int | None = None) -> int:
    """Return the descriptor of a regular file, to be written one with no other name; CacheError for anything else.

    Where the descriptor of its `directory` is given, only the last part of `path` is looked at.
    """
    name = path if directory is None else path.name
    try:
        descriptor = os.open(name, flags | _PLAIN, mode, dir_fd=directory)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENXIO, errno.EISDIR):
            raise
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        raise not_ours(path, status, "a regular file") from error
    status = os.fstat(descriptor)
    # Through a hard link a file of ours would be written to under another name.
    if stat.S_ISREG(status.st_mode) and (status.st_nlink <= 1 or not flags & os.O_ACCMODE):
        return descriptor
    os.close(descriptor)
    raise not_ours(path, status, "a regular file with one name")


def read_plain(path: Path, limit: int = -1) -> bytes:
    """Return the content of a regular file, or its first `limit` bytes; CacheError for anything else."""
    with open(open_plain(path, os.O_RDONLY), "rb") as file:
        return file.read(limit)


def plain_opener(path: str, flags: int) -> int:
    """Open a file for ``open`` as `open_plain` does, for reading only: a pipe there has no content."""
    return os.open(path, flags | _PLAIN)


def owner(status: os.stat_result) -> str:
    """Return the name of a file's owner, or the number where it has none."""
    import pwd

    with suppress(KeyError):
        return pwd.getpwuid(status.st_uid).pw_name
    return str(status.st_uid)


def not_ours(path: Path, status: os.stat_result, expected: str) -> CacheError:
    """Return the error for something that this package has not put there."""
    kind = _KINDS.get(stat.S_IFMT(status.st_mode), "a device or a socket")
    names = f" with {status.st_nlink} names" if kind == "a file" and status.st_nlink > 1 else ""
    return CacheError(
        f"{path} is not used: it is not what pytest-mlperf makes there",
        expected=expected,
        found=f"{kind}{names}, of user {owner(status)}",
        fix="find out who put it there and remove it, or use another directory",
    )


def unsafe(directory: Path, status: os.stat_result) -> CacheError:
    """Return the error for a directory in which everybody may exchange what anybody has."""
    return CacheError(
        f"{directory} is not used: everybody may exchange what anybody has in it",
        expected="a directory with the sticky bit, or one that only its owner or a group may write to",
        found=f"mode {stat.S_IMODE(status.st_mode):04o}, of user {owner(status)}",
        fix=f"have that user run chmod +t '{directory}', or use a directory below it",
    )
