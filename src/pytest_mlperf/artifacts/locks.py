"""Leases between the processes of a machine; changes when another way of locking is needed."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import socket
import time
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import msgspec
from filelock import FileLock, Timeout

from pytest_mlperf.errors import CacheError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_log = logging.getLogger(__name__)
_READ_ONLY = {errno.EACCES, errno.EPERM, errno.EROFS}


class Holder(msgspec.Struct, frozen=True):
    """The process that holds a lease.

    Attributes
    ----------
    pid
        Its process number on `host`.
    host
        The machine's name, for a lock file on a shared disk.
    since
        When it got the lease, UTC, ISO 8601.
    """

    pid: int
    host: str
    since: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} (since {self.since})"


@contextmanager
def lease(
    path: Path,
    *,
    timeout: float | None = None,
    on_wait: Callable[[Holder | None], None] | None = None,
    mode: int = 0o644,
    poll: float = 0.1,
    shared: bool = False,
) -> Iterator[None]:
    """Hold `path` alone among all processes and threads, until the block ends or the process dies.

    The lock is the kernel's (flock), so a killed process frees it at once. The lock file stays: deleting a
    file that another process is about to lock would let two of them in.

    Parameters
    ----------
    path
        The lock file; it and its directories are made where missing.
    timeout
        Seconds to wait at most; None waits as long as it takes.
    on_wait
        Called once, when the lease is not free, with its holder, or None where the holder is not known.
    mode
        Permission bits of the lock file, whatever the umask says. Everyone who may lock needs read and
        write: 0o666 for all users of a machine; a directory made for such a file is open to them as well.
    poll
        Seconds between two attempts.
    shared
        Hold it together with others who share it; whoever wants it alone waits for all of them.

    Raises
    ------
    CacheError
        The lock file cannot be made or locked.
    TimeoutError
        Another process still held the lease after `timeout` seconds.
    """
    try:
        _make_parent(path, mode)
        lock = _acquire(path, timeout, on_wait, mode, poll, shared=shared)
    except (OSError, NotImplementedError) as error:
        if isinstance(error, TimeoutError):
            raise
        raise CacheError(
            f"cannot lock {path}",
            expected="a file that can be written and locked",
            found=str(error),
            fix="Choose a directory on a file system with locks, in which you may write.",
        ) from error
    try:
        if not shared:
            _announce(path, mode)
        yield
    finally:
        if not shared:
            with suppress(OSError):
                _holder_file(path).unlink(missing_ok=True)
        lock.release()


def holder(path: Path) -> Holder | None:
    """Say who holds the lease `path`, as far as is known; no answer does not mean that it is free."""
    try:
        found = msgspec.json.decode(_holder_file(path).read_bytes(), type=Holder)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    # A killed holder leaves its name behind; whoever came next may not have written its own yet.
    if found.host == socket.gethostname() and not _alive(found.pid):
        return None
    return found


def is_held(path: Path) -> bool:
    """Say whether someone holds the lease `path`, alone or together with others; write nothing."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


class _SharedLock:
    """flock's shared form, which filelock does not offer; it and a FileLock of the same file exclude each other."""

    def __init__(self, path: Path, mode: int) -> None:
        self._path, self._mode = path, mode
        self._descriptor = -1

    def acquire(self, timeout: float, poll_interval: float = 0.1) -> None:
        """Take the lock within `timeout` seconds, or, when that is negative, whenever it is free."""
        created = not self._path.exists()
        try:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, self._mode)
        except OSError as error:
            if created or error.errno not in _READ_ONLY:
                raise
            # Who may only read can share all the same.
            self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if created:
                os.fchmod(self._descriptor, self._mode)
            deadline = time.monotonic() + timeout
            while not self._try():
                if timeout >= 0 and time.monotonic() >= deadline:
                    raise Timeout(str(self._path))
                time.sleep(poll_interval)
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Free the lock."""
        os.close(self._descriptor)

    def _try(self) -> bool:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _acquire(
    path: Path,
    timeout: float | None,
    on_wait: Callable[[Holder | None], None] | None,
    mode: int,
    poll: float,
    *,
    shared: bool,
) -> FileLock | _SharedLock:
    lock = _SharedLock(path, mode) if shared else FileLock(path, mode=mode)
    try:
        try:
            lock.acquire(timeout=0)
        except PermissionError:
            # Another user may be between making the file, under the umask, and giving it its mode.
            time.sleep(poll)
            lock.acquire(timeout=0)
    except Timeout:
        who = holder(path)
        _log.info("waiting for %s, held by %s", path, who or "another process")
        if on_wait is not None:
            on_wait(who)
        try:
            lock.acquire(timeout=-1 if timeout is None else timeout, poll_interval=poll)
        except Timeout:
            raise TimeoutError(
                f"{path} was not free within {timeout:g} s: held by {holder(path) or 'another process'}"
            ) from None
    return lock


def _make_parent(path: Path, mode: int) -> None:
    path.parent.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        path.parent.mkdir()
        if mode & 0o022:
            # No sticky bit: under one, neither the kernel (fs.protected_regular) nor filelock lets a user
            # lock a file that another user has made.
            path.parent.chmod(0o700 | mode | (mode & 0o444) >> 2)


def _announce(path: Path, mode: int) -> None:
    """Write down who holds the lease. Only a courtesy: a full disk must not cost the lease."""
    me = Holder(os.getpid(), socket.gethostname(), datetime.now(timezone.utc).isoformat(timespec="seconds"))
    note = _holder_file(path)
    with suppress(OSError):
        note.unlink(missing_ok=True)
        # Not in the lock file itself, which versions of filelock truncate at every attempt to lock it.
        with open(note, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            file.write(msgspec.json.encode(me))


def _holder_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.holder")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
