"""The answers of an accuracy run as they come: after a crash, the next run of the same case goes on from there.

The file has a line of JSON, which says what the answers are of, and then one entry a batch: its samples, the lengths of
their answers, the bytes, and a CRC-32. What a kill left half-written at its end is cut off when it is opened.
"""

from __future__ import annotations

import fcntl
import json
import os
import struct
import threading
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlperf.benchmarks.base import Records, TokenRecords

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

#: Of an entry: the samples of the batch, whether its answers have numbers of tokens, and the length of its body.
_WHAT = struct.Struct("<IBQ")
#: The CRC-32 of both.
_CRC = struct.Struct("<I")
FORMAT = 1


class Unfinished:
    """The answers that earlier, interrupted runs gave, and those of this one.

    Parameters
    ----------
    file
        An open descriptor, whose lock this process holds; see `open_unfinished`.
    path
        Its path.
    start
        Where its entries begin.
    """

    def __init__(self, file: int, path: Path, start: int) -> None:
        self._file, self._path = file, path
        self._lock = threading.Lock()
        self._places: dict[tuple[int, ...], tuple[int, int, int]] = {}
        self._end = start
        self._given_up = False
        self._read()
        #: How many samples earlier runs have answered.
        self.found = sum(map(len, self._places))

    def get(self, indices: Sequence[int]) -> Records | None:
        """Return the records of a batch that was answered before, None if just this batch was not."""
        place = self._places.get(tuple(indices))
        if place is None:
            return None
        start, size, has_tokens = place
        return _records(os.pread(self._file, size, start), len(indices), bool(has_tokens))

    def add(self, indices: Sequence[int], records: Records) -> None:
        """Keep the records of a batch; on a disk that is full nothing is kept, to leave the room to LoadGen's logs."""
        body = _body(indices, records)
        what = _WHAT.pack(len(indices), isinstance(records, TokenRecords), len(body))
        entry = what + _CRC.pack(zlib.crc32(what + body)) + body
        with self._lock:
            if self._given_up:
                return
            try:
                whole = os.pwrite(self._file, entry, self._end) == len(entry)
            except OSError:
                whole = False
            if whole:
                self._end += len(entry)
            else:
                self._give_up()

    def _give_up(self) -> None:
        self._given_up = True
        self._places.clear()
        with suppress(OSError):
            self._path.unlink()
            os.ftruncate(self._file, 0)

    def remove(self) -> None:
        """Remove the file: the run is finished."""
        with suppress(OSError):
            self._path.unlink()
            self._path.parent.rmdir()  # unless another run keeps its answers there
        os.close(self._file)

    def _read(self) -> None:
        """Find the entries that are whole; cut off the rest."""
        size = os.fstat(self._file).st_size
        while (start := self._end + _WHAT.size + _CRC.size) <= size:
            what = os.pread(self._file, _WHAT.size, self._end)
            count, has_tokens, length = _WHAT.unpack(what)
            if not 8 * count <= length <= size - start:
                break
            body = os.pread(self._file, length, start)
            if (zlib.crc32(what + body),) != _CRC.unpack(os.pread(self._file, _CRC.size, start - _CRC.size)):
                break
            indices = tuple(np.frombuffer(body, "<u8", count).tolist())
            self._places[indices] = start + 8 * count, length - 8 * count, has_tokens
            self._end = start + length
        os.ftruncate(self._file, self._end)


def open_unfinished(path: Path, identity: Mapping[str, object], *, again: bool) -> Unfinished | None:
    """Return the answers of a case that a run has left; None if they cannot be kept, or another process keeps them.

    Parameters
    ----------
    path
        The file; its directory is made.
    identity
        What answers depend on. A file of another one is begun anew.
    again
        Whether it is begun anew in any case.
    """
    line = json.dumps({"format": FORMAT, **identity}, sort_keys=True).encode() + b"\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if again or os.pread(file, len(line), 0) != line:
            os.ftruncate(file, 0)
            os.pwrite(file, line, 0)
    except OSError:
        os.close(file)
        return None
    return Unfinished(file, path, len(line))


def _body(indices: Sequence[int], records: Records) -> bytes:
    data, offsets = records
    tokens = records.tokens if isinstance(records, TokenRecords) else ()
    return b"".join(
        (
            np.asarray(indices, "<u8").tobytes(),
            np.asarray(list(offsets), "<u8").tobytes(),
            np.asarray(list(tokens), "<u8").tobytes(),
            data.tobytes(),
        )
    )


def _records(body: bytes, count: int, has_tokens: bool) -> Records:
    offsets = np.frombuffer(body, "<u8", count + 1).tolist()
    start = 8 * (count + 1)
    tokens = np.frombuffer(body, "<u8", count, start).tolist() if has_tokens else []
    start += 8 * len(tokens)
    data = np.frombuffer(body, np.uint8, offset=start).copy()
    records = Records(data, offsets)
    return TokenRecords.counted(records, tokens) if has_tokens else records
