"""Files on the disk: written whole or not at all, hashed as a stream, and the room for them."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import socket
from contextlib import contextmanager, suppress
from glob import escape
from typing import TYPE_CHECKING

from pytest_mlperf.errors import CacheError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CHUNK = 1 << 20


@contextmanager
def replacing(path: Path, *, sync: bool = False) -> Iterator[Path]:
    """Yield a path beside `path`; the file that is there at the block's end replaces `path`.

    A block that raises leaves `path` as it was and nothing beside it; what a killed process of this machine left there
    is removed. A file that has other names keeps its content under them. `sync` brings the new content to the disk
    before the rename, for what has to survive a power cut.
    """
    remove_abandoned(path)
    with _renamed(path, sync=sync) as beside:
        yield beside


def write_atomic(path: Path, content: bytes) -> None:
    """Replace `path` by a file with this content at once; a kill may leave a file of that size beside it."""
    with _renamed(path) as beside:
        beside.write_bytes(content)


@contextmanager
def _renamed(path: Path, *, sync: bool = False) -> Iterator[Path]:
    # A name that nobody can guess, and so put a link there.
    process = f"{socket.gethostname()}-{os.getpid()}"
    beside = path.with_name(f".{path.name}.{process}-{secrets.token_hex(8)}.part")
    try:
        yield beside
        if sync:
            fsync(beside)
        beside.replace(path)
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)  # a rename of one link to a file onto another does nothing


def remove_abandoned(path: Path) -> None:
    """Remove what killed processes of this machine have left beside `path` instead of replacing it."""
    start = f".{path.name}.{socket.gethostname()}-"
    for left in path.parent.glob(f"{escape(start)}*.part"):
        process = left.name[len(start) : -len(".part")].partition("-")[0]
        if process.isdecimal() and _has_ended(int(process)):
            with suppress(OSError):
                left.unlink()


def _has_ended(process: int) -> bool:
    """Say whether a process is no more, or is killed and only waits for its parent to take note of it."""
    import psutil  # not for sessions that write nothing

    try:
        return bool(psutil.Process(process).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
    except (psutil.Error, OSError, ValueError, OverflowError):  # another user's process, or no number of one
        return False


def fsync(path: Path) -> None:
    """Bring a file's content, or a directory's names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def file_sha256(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal; `OSError` when it cannot be read."""
    import hashlib  # loads OpenSSL, which every plain session would pay for

    digest, buffer = hashlib.sha256(), bytearray(_CHUNK)
    view = memoryview(buffer)
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            digest.update(view[:count])
    return digest.hexdigest()


def check_room(purpose: str, needed: int, directory: Path) -> None:
    """Raise CacheError where fewer than `needed` bytes are free in `directory`."""
    free = shutil.disk_usage(directory).free
    if needed > free:
        expected, found = f"{needed:,} bytes free", f"{free:,} bytes free in {directory}"
        fix = "free some space there, or choose another cache directory"
        raise CacheError(f"no room {purpose}", expected=expected, found=found, fix=fix)


def too_many_files(error: OSError) -> bool:
    """Whether it is not the file's fault: this process, or the machine, has as many files open as it may."""
    return error.errno in (errno.EMFILE, errno.ENFILE)


def remedy(error: OSError, otherwise: str) -> str:
    """Return what to do about a file that cannot be opened or written."""
    return "raise the limit of open files: ulimit -n 1024" if too_many_files(error) else otherwise


def unwritten(what: str, error: OSError, directory: Path) -> CacheError:
    """Return the error for what could not be written to `directory`, of which it says how full it is."""
    free = "?"
    with suppress(OSError):
        free = f"{shutil.disk_usage(directory).free:,}"
    fix = remedy(error, "free some space or raise the limit there, or choose another cache directory")
    return CacheError(what, found=f"{error}; {free} bytes are free in {directory}", fix=fix)
