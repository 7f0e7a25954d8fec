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

_LEAST = 512  # what a format is told from must come in one piece


def fetch_and_unpack(
    file: RemoteFile,
    directory: Path,
    into: Path,
    network: Network,
    options: FetchOptions | None = None,
    limits: Limits | None = None,
) -> Fetched:
    """Fetch an archive to ``directory/<file.name>`` and unpack it to `into`, where its format allows in one pass.

    `into` is filled only once the archive's checksum is known to be right. An archive that cannot be unpacked is
    deleted. For the parameters and what is raised see `pytest_mlperf.artifacts.download.fetch` and
    `pytest_mlperf.artifacts.archives.unpack`.
    """
    growing = _GrowingFile(partial_path(file, directory))
    with io.BufferedReader(growing) as archive, ThreadPoolExecutor(1, "unpack") as pool:
        unpacking = pool.submit(unpack_stream, archive, into, file.name, limits)
        try:
            fetched = fetch(file, directory, network, options, on_size=growing.set)
        except BaseException:
            growing.set(-1)
            raise
        growing.set(fetched.size, fetched.path)
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
        self._path, self._size, self._position, self._ended = path, 0, 0, False
        self._changed = threading.Condition()
        self._file: io.FileIO | None = None

    def set(self, size: int, path: Path | None = None) -> None:
        """Take note that `size` bytes are here; all, and at `path`, where that is given; a negative one ends it."""
        with self._changed:
            self._size, self._path = size, path or self._path
            self._ended = size < 0 or path is not None
            self._changed.notify_all()

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._position + _LEAST <= self._size)
            size, path = self._size, self._path
        if size < 0:
            raise EOFError("the archive does not come")
        if size <= self._position:
            return 0
        # Opened once: a file that is begun anew is another one, and this one ends then.
        self._file = self._file or io.FileIO(path)
        count = self._file.readinto(memoryview(buffer)[: size - self._position])
        if not count:
            raise EOFError("the archive was begun anew")
        self._position += count
        return count

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        super().close()
