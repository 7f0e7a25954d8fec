"""Files that are there whole or not at all: each is written beside its place and renamed into it."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def replacing(path: Path, *, sync: bool = False) -> Iterator[Path]:
    """Yield a path beside `path`; the file that is there at the block's end replaces `path`.

    A block that raises leaves `path` as it was and nothing beside it. A file is never written through another
    name that it may have: `path` gets a new one.

    Parameters
    ----------
    path
        The file; its directory exists.
    sync
        Bring the content to the disk before the rename, for what has to survive a power cut.

    Raises
    ------
    OSError
        It cannot be renamed.
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


def fsync(path: Path) -> None:
    """Bring a file's content, or a directory's names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
