"""Locks between the processes of a machine: the kernel's (flock), so that a killed process frees them at once."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import socket
import stat
import time
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Annotated

import msgspec

from pytest_mlperf.artifacts.disk import remedy
from pytest_mlperf.artifacts.sharing import UNSHARED, make_directory, open_directory, open_plain, owner, read_plain
from pytest_mlperf.errors import CacheError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    #: Told once who is waited for; None where that is not known.
    OnWait = Callable[["Holder | None"], None]

_log = logging.getLogger(__name__)
_READ_ONLY = {errno.EACCES, errno.EPERM, errno.EROFS}
#: A holder's line is shorter.
_LONGEST_NAME = 1024


class Holder(msgspec.Struct, frozen=True):
    """The process that holds a lease: its number, its machine (the disk may be shared), and since when, in UTC.

    Others may have written to the file: what reaches a terminal has plain characters only.
    """

    pid: Annotated[int, msgspec.Meta(gt=0, lt=1 << 31)]
    host: Annotated[str, msgspec.Meta(pattern=r"^[\w.-]{1,255}\Z")]
    since: Annotated[str, msgspec.Meta(pattern=r"^[\dTZ:+.-]{1,40}\Z")]

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} (since {self.since})"


@contextmanager
def lease(
    path: Path,
    *,
    timeout: float | None = None,
    on_wait: OnWait | None = None,
    poll: float = 0.1,
    shared: bool = False,
    kept: bool = False,
) -> Iterator[None]:
    """Hold `path` alone among all processes and threads, until the block ends or the process dies.

    Whoever may write to the file's directory may lock it, whatever the umask says: the file has the permission bits of
    its directory, which is made where missing, with those of its parent. Nothing but a regular file is opened, and
    that not through a link: others may have put something there.

    Parameters
    ----------
    path
        The lock file, made where missing. It stays: deleting one that another process is about to lock lets two in.
    timeout, poll
        Seconds to wait at most, None for as long as it takes, and between two attempts.
    on_wait
        Called once, when the lease is not free, with its holder, or None where the holder is not known.
    shared
        Hold it together with others who share it; whoever wants it alone waits for all of them.
    kept
        Raise at the end where the file was removed or exchanged meanwhile: another process may have held another one.

    Raises
    ------
    CacheError
        The lock file cannot be made or locked, or was not `kept`.
    TimeoutError
        Another process still held the lease after `timeout` seconds.
    """
    with _locking(path):
        descriptor = _acquire(path, timeout, on_wait, poll, shared=shared)
    try:
        with nullcontext() if shared else _named(descriptor):
            yield
        if kept and not _is_at(path, descriptor):
            raise _lost(path)
    finally:
        os.close(descriptor)


def holder(path: Path) -> Holder | None:
    """Say who holds the lease `path` alone, as far as is known; no answer does not mean that it is free."""
    try:
        found = msgspec.json.decode(read_plain(path, _LONGEST_NAME), type=Holder)
    except (OSError, CacheError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    import psutil

    # A killed holder leaves its name behind; whoever came next may not have written its own yet.
    return found if found.host != socket.gethostname() or psutil.pid_exists(found.pid) else None


def is_held(path: Path) -> bool:
    """Say whether someone holds the lease `path`, alone or together with others; write nothing."""
    try:
        descriptor = open_plain(path, os.O_RDONLY)
    except (OSError, CacheError):
        return False
    try:
        return not _try(descriptor, shared=False)
    finally:
        os.close(descriptor)


@contextmanager
def _locking(path: Path) -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        raise
    except OSError as error:
        expected, found = "a file that can be opened and locked", str(error)
        with suppress(OSError):
            found = f"{error}; it is of user {owner(path.lstat())}"
        fix = remedy(error, "choose a directory on a file system with locks, in which you may write")
        raise CacheError(f"cannot lock {path}", expected=expected, found=found, fix=fix) from error


def _acquire(path: Path, timeout: float | None, on_wait: OnWait | None, poll: float, *, shared: bool) -> int:
    while True:
        descriptor = _open(path, poll)
        try:
            if not _try(descriptor, shared=shared):
                _wait(path, descriptor, timeout, on_wait, poll, shared=shared)
            if _is_at(path, descriptor):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # it was removed before it was locked: others lock the next one


def _open(path: Path, poll: float) -> int:
    path.parent.parent.mkdir(UNSHARED, parents=True, exist_ok=True)
    if not path.parent.exists():
        bits = path.parent.parent.stat().st_mode & 0o3777
        # Nobody has to remove another's lock file.
        make_directory(path.parent, bits | stat.S_ISVTX if bits & 0o022 else bits)
    directory = open_directory(path.parent)
    try:
        with suppress(PermissionError):
            return _open_or_make(path, directory)
        # Another user may be between making the file, under the umask, and giving it its mode.
        time.sleep(poll)
        return _open_or_make(path, directory)
    finally:
        os.close(directory)


def _open_or_make(path: Path, directory: int) -> int:
    while True:
        # Without O_CREAT where it is there: under a sticky bit the kernel (fs.protected_regular) refuses that for a
        # file that another user has made.
        with suppress(FileNotFoundError):
            return _open_there(path, directory)
        with suppress(FileExistsError):
            mode = 0o600 | os.fstat(directory).st_mode & 0o666
            descriptor = open_plain(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode, directory)
            os.fchmod(descriptor, mode)
            return descriptor


def _open_there(path: Path, directory: int) -> int:
    try:
        return open_plain(path, os.O_RDWR, directory=directory)
    except OSError as error:
        if error.errno not in _READ_ONLY:
            raise
    return open_plain(path, os.O_RDONLY, directory=directory)  # enough to lock it, and not to say who does


def _is_at(path: Path, descriptor: int) -> bool:
    """Say whether the open file is still the one at `path`."""
    with suppress(OSError):
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    return False


def _lost(path: Path) -> CacheError:
    return CacheError(
        f"the lease {path} was lost: another process may have run at the same time",
        expected="the lock file that was locked",
        found="it was removed or exchanged while it was held",
        fix="run it again, and see to it that nothing removes files there",
    )


def _try(descriptor: int, *, shared: bool) -> bool:
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait(
    path: Path, descriptor: int, timeout: float | None, on_wait: OnWait | None, poll: float, *, shared: bool
) -> None:
    who, started = holder(path), time.monotonic()
    _log.info("waiting for %s, held by %s", path, who or "another process")
    if on_wait is not None:
        on_wait(who)
    while not _try(descriptor, shared=shared):
        if timeout is not None and time.monotonic() >= started + timeout:
            who = holder(path)
            raise TimeoutError(f"{path} was not free within {timeout:g} s: held by {who or 'another process'}")
        time.sleep(poll)


@contextmanager
def _named(descriptor: int) -> Iterator[None]:
    """Have the lock file say who holds it. Only a courtesy: a full disk must not cost the lease."""
    me = Holder(os.getpid(), socket.gethostname(), datetime.now(timezone.utc).isoformat(timespec="seconds"))
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, msgspec.json.encode(me), 0)
    try:
        yield
    finally:
        with suppress(OSError):
            os.ftruncate(descriptor, 0)


@contextmanager
def alone_in(directory: Path) -> Iterator[None]:
    """Lock a directory itself, which leaves no file there; where a file system cannot, do without."""
    with ExitStack() as stack:
        with suppress(OSError):
            descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            stack.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
