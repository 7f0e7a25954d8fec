"""Unpacks an archive while it is still being fetched, so that the two take the time of the longer one."""

from __future__ import annotations

import io
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from pytest_mlperf.artifacts.archives import Limits, unpack, unpack_stream
from pytest_mlperf.artifacts.download import Fetched, FetchOptions, fetch, partial_path
from pytest_mlperf.errors import ArchiveError

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlperf.artifacts.sources import Network, RemoteFile

#: What a format is told from must come in one piece.
_LEAST = 512


def fetch_and_unpack(
    file: RemoteFile,
    directory: Path,
    into: Path,
    network: Network,
    options: FetchOptions | None = None,
    limits: Limits | None = None,
) -> Fetched:
    """Fetch an archive to ``directory/<file.name>`` and unpack it to `into`, where its format allows in one pass.

    `into` is filled only once the archive's checksum is known to be right.

    Parameters
    ----------
    file, directory, network, options
        See `pytest_mlperf.artifacts.download.fetch`.
    into, limits
        See `pytest_mlperf.artifacts.archives.unpack`.

    Raises
    ------
    FetchError, OfflineError, CacheError
        See there.
    ArchiveError
        See there; the archive is deleted.
    """
    growing = _GrowingFile(partial_path(file, directory))
    with io.BufferedReader(growing) as archive, ThreadPoolExecutor(1, "unpack") as pool:
        unpacking = pool.submit(unpack_stream, archive, into, file.name, limits)
        try:
            fetched = fetch(file, directory, network, options, on_size=growing.grown)
        except BaseException:
            growing.abandon()
            raise
        growing.finish(fetched.path, fetched.size)
        fault = unpacking.exception()
    if fault is not None:
        # A zip, whose table is at its end; a file that came from several addresses; or an archive that is damaged
        # indeed, and the error that says so.
        try:
            unpack(fetched.path, into, limits)
        except ArchiveError:
            # It must not be there when the address gives a better one.
            fetched.path.unlink()
            raise
    return fetched


class _GrowingFile(io.RawIOBase):
    """A file that another thread writes, as a stream that waits for its bytes."""

    def __init__(self, path: Path) -> None:
        self._path, self._size, self._position = path, 0, 0
        self._whole = self._abandoned = False
        self._changed = threading.Condition()
        self._file: io.FileIO | None = None

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        with self._changed:
            self._changed.wait_for(lambda: self._position + _LEAST <= self._size or self._whole or self._abandoned)
            available = self._size - self._position
        if self._abandoned:
            raise EOFError("the archive does not come")
        if available <= 0:
            return 0
        # Opened once: a file that is begun anew is another one, and this one ends then.
        self._file = self._file or io.FileIO(self._path)
        count = self._file.readinto(memoryview(buffer)[:available])
        if not count:
            raise EOFError("the archive was begun anew")
        self._position += count
        return count

    def grown(self, size: int) -> None:
        """Take note that the first `size` bytes are on the disk."""
        with self._changed:
            self._size = size
            self._changed.notify_all()

    def finish(self, path: Path, size: int) -> None:
        """Take note that the file is whole, right, and at another path now."""
        with self._changed:
            self._path, self._size, self._whole = path, size, True
            self._changed.notify_all()

    def abandon(self) -> None:
        """Make the reader give up."""
        with self._changed:
            self._abandoned = True
            self._changed.notify_all()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        super().close()
