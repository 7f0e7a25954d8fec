"""Files on the disk: written whole or not at all, hashed as a stream, and the room for them."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from pytest_mlperf.errors import CacheError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CHUNK = 1 << 20


@contextmanager
def replacing(path: Path, *, sync: bool = False) -> Iterator[Path]:
    """Yield a path beside `path`; the file that is there at the block's end replaces `path`.

    A block that raises leaves `path` as it was and nothing beside it. A file that has other names keeps its content
    under them. `sync` brings the new content to the disk before the rename, for what has to survive a power cut.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    beside.unlink(missing_ok=True)
    try:
        yield beside
        if sync:
            fsync(beside)
        beside.replace(path)
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)  # a rename of one link to a file onto another does nothing


def write_atomic(path: Path, content: bytes, *, mode: int | None = None, sync: bool = False) -> None:
    """Replace `path` by a file with this content, and with these permission bits or the umask's; see `replacing`."""
    with replacing(path, sync=sync) as beside:
        beside.write_bytes(content)
        if mode is not None:
            beside.chmod(mode)


def make_directory(directory: Path, mode: int | None) -> None:
    """Make a directory that is its owner's and open to others by the bits of `mode`, or None for the umask's."""
    with suppress(FileExistsError):
        directory.mkdir()
        if mode is not None:
            directory.chmod(0o700 | mode)


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


def unwritten(what: str, error: OSError, directory: Path) -> CacheError:
    """Return the error for what could not be written to `directory`, of which it says how full it is."""
    free = "?"
    with suppress(OSError):
        free = f"{shutil.disk_usage(directory).free:,}"
    fix = "free some space or raise the limit there, or choose another cache directory"
    return CacheError(what, found=f"{error}; {free} bytes are free in {directory}", fix=fix)
