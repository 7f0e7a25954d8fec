"""Locks between the processes of a machine: the kernel's (flock), so that a killed process frees them at once."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import socket
import time
from contextlib import contextmanager, nullcontext, suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Annotated

import msgspec

from pytest_mlperf.artifacts.disk import make_directory
from pytest_mlperf.errors import CacheError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    #: Told once who is waited for; None where that is not known.
    OnWait = Callable[["Holder | None"], None]

_log = logging.getLogger(__name__)
_READ_ONLY = {errno.EACCES, errno.EPERM, errno.EROFS}
_READ = os.O_RDONLY | os.O_CLOEXEC
_WRITE = os.O_RDWR | os.O_CLOEXEC


class Holder(msgspec.Struct, frozen=True):
    """The process that holds a lease: its number, its machine (the disk may be shared), and since when, in UTC."""

    pid: Annotated[int, msgspec.Meta(gt=0, lt=1 << 31)]
    host: str
    since: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} (since {self.since})"


@contextmanager
def lease(
    path: Path,
    *,
    timeout: float | None = None,
    on_wait: OnWait | None = None,
    mode: int = 0o644,
    poll: float = 0.1,
    shared: bool = False,
) -> Iterator[None]:
    """Hold `path` alone among all processes and threads, until the block ends or the process dies.

    Parameters
    ----------
    path
        The lock file, made where missing. It stays: deleting one that another process is about to lock lets two in.
    timeout, poll
        Seconds to wait at most, None for as long as it takes, and between two attempts.
    on_wait
        Called once, when the lease is not free, with its holder, or None where the holder is not known.
    mode
        Permission bits of the lock file, whatever the umask says. Everyone who may lock needs read and
        write: 0o666 for all users of a machine; a directory made for such a file is open to them as well.
    shared
        Hold it together with others who share it; whoever wants it alone waits for all of them.

    Raises
    ------
    CacheError
        The lock file cannot be made or locked.
    TimeoutError
        Another process still held the lease after `timeout` seconds.
    """
    with _locking(path):
        path.parent.parent.mkdir(parents=True, exist_ok=True)
        make_directory(path.parent, mode | (mode & 0o444) >> 2 if mode & 0o022 else None)
        descriptor = _open(path, mode, poll, shared=shared)
    try:
        with _locking(path):
            if not _try(descriptor, shared=shared):
                _wait(path, descriptor, timeout, on_wait, poll, shared=shared)
        with nullcontext() if shared else _named(descriptor):
            yield
    finally:
        os.close(descriptor)


def holder(path: Path) -> Holder | None:
    """Say who holds the lease `path` alone, as far as is known; no answer does not mean that it is free."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Holder)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    import psutil

    # A killed holder leaves its name behind; whoever came next may not have written its own yet.
    return found if found.host != socket.gethostname() or psutil.pid_exists(found.pid) else None


def is_held(path: Path) -> bool:
    """Say whether someone holds the lease `path`, alone or together with others; write nothing."""
    try:
        descriptor = os.open(path, _READ)
    except OSError:
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
        expected = "a file that can be written and locked"
        fix = "choose a directory on a file system with locks, in which you may write"
        raise CacheError(f"cannot lock {path}", expected=expected, found=str(error), fix=fix) from error


def _open(path: Path, mode: int, poll: float, *, shared: bool) -> int:
    try:
        return _open_or_make(path, mode)
    except OSError as error:
        if error.errno not in _READ_ONLY:
            raise
    if shared:  # who may only read can share all the same
        with suppress(OSError):
            return os.open(path, _READ)
    # Another user may be between making the file, under the umask, and giving it its mode.
    time.sleep(poll)
    return _open_or_make(path, mode)


def _open_or_make(path: Path, mode: int) -> int:
    # Without O_CREAT where it is there: under a sticky bit the kernel (fs.protected_regular) refuses that for a file
    # that another user has made.
    with suppress(FileNotFoundError):
        return os.open(path, _WRITE)
    with suppress(FileExistsError):
        descriptor = os.open(path, _WRITE | os.O_CREAT | os.O_EXCL, mode)
        os.fchmod(descriptor, mode)
        return descriptor
    return os.open(path, _WRITE)


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
