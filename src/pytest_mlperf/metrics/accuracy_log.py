"""Reads LoadGen's mlperf_log_accuracy.json: the response bytes of each sample."""

from __future__ import annotations

import re
from binascii import Error as HexError
from binascii import unhexlify
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytest_mlperf.artifacts.disk import replacing
from pytest_mlperf.errors import AccuracyLogError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Set
    from pathlib import Path

    from numpy.typing import NDArray

# LoadGen writes one entry per line (loadgen/logging.cc, AsyncLog::LogAccuracy):
#     { "seq_id" : 0, "qsl_idx" : 1, "data" : "0000803F" },
_HEAD = re.compile(rb'\s*\{\s*"seq_id"\s*:\s*(\d{1,19})\s*,\s*"qsl_idx"\s*:\s*(\d{1,18})\s*,\s*"data"\s*:\s*"')
# Language models add "token_count" or "token_data" after the data.
_TAIL = re.compile(rb'"(?:\s*,\s*"\w+"\s*:\s*(?:\d+|"[0-9A-Fa-f]*"))*\s*\}\s*,?\s*')

# So many bytes of a line tell how it ends.
_END = 64
# Lines of many boxes are longer than Python's own buffer, and reading them took three times as long with it.
_BUFFER = 1 << 18


class Record(NamedTuple):
    """One sample's answer: its index in the query sample library, and the response's bytes."""

    qsl_idx: int
    data: bytes


@dataclass(frozen=True, slots=True, eq=False)
class Float32Records:
    """All answers of a log whose responses are rows of little-endian float32.

    Attributes
    ----------
    qsl_idx
        ``int64[records]``: the sample that each record answers, each sample once, in the order of the log.
    offsets
        ``int64[records + 1]``: record ``i`` has the rows ``values[offsets[i]:offsets[i + 1]]``; none for
        an empty answer.
    values
        ``float32[rows, columns]``.
    """

    qsl_idx: NDArray[np.int64]
    offsets: NDArray[np.int64]
    values: NDArray[np.float32]


class Answers:
    """Iterates over the answers of a log; ``count`` is the number of answered samples after the iteration.

    Parameters
    ----------
    path
        An ``mlperf_log_accuracy.json``.
    last
        Of several records of a sample the last one counts, as some of the reference's scripts have it, not the first.
    """

    def __init__(self, path: Path, *, last: bool = False) -> None:
        self._path = path
        self._last = last
        self.count = 0

    def __iter__(self) -> Iterator[Record]:
        records = read_last_records(self._path) if self._last else read_records(self._path)
        for record in records:
            self.count += 1
            yield record


def answers_sha256(answers: Iterable[Record]) -> str:
    """Return a digest of answers that does not depend on their order: the sum of the records' SHA-256."""
    total = 0
    for index, data in answers:
        digest = sha256(index.to_bytes(8, "little") + data).digest()
        total = (total + int.from_bytes(digest, "little")) % (1 << 256)
    return total.to_bytes(32, "little").hex()


def read_records(path: Path) -> Iterator[Record]:
    """Read a log as a stream, in its order, with only the first record of each sample.

    LoadGen repeats samples in MultiStream, and the reference's scripts drop the repetitions. Read all records before
    using any, because a log that was cut off is only detected at its end.

    Parameters
    ----------
    path
        An ``mlperf_log_accuracy.json``.

    Yields
    ------
    Record
        The sample and its bytes.

    Raises
    ------
    AccuracyLogError
        The log is missing, empty, cut off, or not LoadGen's accuracy log.
    """
    seen: set[int] = set()
    for record in read_every_record(path):
        if record.qsl_idx not in seen:
            seen.add(record.qsl_idx)
            yield record
    if not seen:
        raise _no_records(path)


def read_last_records(path: Path) -> Iterator[Record]:
    """Read a log with only the last record of each sample, in the order of the samples' first ones.

    Yields
    ------
    Record
        The sample and its bytes.

    Raises
    ------
    AccuracyLogError
        As from `read_records`, before the first record.
    """
    last = dict(read_every_record(path))
    if not last:
        raise _no_records(path)
    yield from (Record(index, data) for index, data in last.items())


def _no_records(path: Path) -> AccuracyLogError:
    return AccuracyLogError(
        f"{path} has no records",
        expected="at least one answered sample",
        found="none",
        fix="run the benchmark in accuracy mode again; performance mode writes no answers",
    )


def read_every_record(path: Path) -> Iterator[Record]:
    """Read a log as a stream, in its order, including repeated samples; it may be empty.

    Parameters
    ----------
    path
        An ``mlperf_log_accuracy.json``.

    Yields
    ------
    Record
        The sample and its bytes.

    Raises
    ------
    AccuracyLogError
        The log is missing, empty, cut off, or not LoadGen's accuracy log.
    """
    for number, line in _entries(path):
        yield _parse(path, number, line)


def float32_rows(records: Iterable[Record], columns: int) -> Float32Records:
    """Collect answers that consist of rows of float32, such as RetinaNet's boxes.

    Parameters
    ----------
    records
        The answers, as `read_records` reads them.
    columns
        Values in a row; 7 for RetinaNet.

    Returns
    -------
    Float32Records
        The rows of all records in one array.

    Raises
    ------
    AccuracyLogError
        A response is not a whole number of rows, or reading `records` raises it.
    """
    samples: list[int] = []
    ends: list[int] = [0]
    content = bytearray()  # grows in place, and is used for the array without a copy
    row_bytes = 4 * columns
    for qsl_idx, data in records:
        if len(data) % row_bytes:
            raise AccuracyLogError(
                f"sample {qsl_idx} is answered with {len(data)} bytes",
                expected=f"a multiple of {row_bytes} bytes ({columns} float32 per row)",
                found=f"{len(data)} bytes",
                fix="check that the log is from this benchmark, and that its outputs are encoded correctly",
            )
        content += data
        samples.append(qsl_idx)
        ends.append(len(content) // row_bytes)
    values = np.frombuffer(content, "<f4").reshape(-1, columns)
    return Float32Records(np.array(samples, np.int64), np.array(ends, np.int64), values)


def copy_entries(path: Path, samples: Set[int], target: Path) -> None:
    """Write a log with the unchanged entries of some samples, as ``create_accuracy_baseline.sh`` does.

    Parameters
    ----------
    path
        An ``mlperf_log_accuracy.json``.
    samples
        The indices of the samples to keep.
    target
        The new log.

    Raises
    ------
    AccuracyLogError
        As from `read_every_record`.
    """
    with replacing(target) as beside, beside.open("wb") as file:
        file.write(b"[")
        separator = b"\n"
        for number, line in _entries(path):
            if _parse(path, number, line).qsl_idx in samples:
                file.write(separator + line.strip().removesuffix(b","))
                separator = b",\n"
        file.write(b"\n]\n")


def _entries(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield each line between the brackets, with its number; raise at the end if the file is cut off."""
    try:
        with path.open("rb", buffering=_BUFFER) as file:
            first = file.readline(64)
            if not first:
                raise _cut_off(path, "is empty")
            if first.strip() != b"[":
                raise _malformed(path, 1, first)
            followed = None  # whether the previous entry ends with a comma
            for number, line in enumerate(file, 2):
                ended = line[-_END:].strip() or line.strip()  # a copy of a whole line may be megabytes
                is_last = ended == b"]" and not line[:-_END].strip()
                if followed == is_last:
                    raise _malformed(path, number, line)
                if is_last:
                    break
                followed = ended.endswith(b",")
                yield number, line
            else:
                raise _cut_off(path, "is cut off")
            if file.read(64).strip():
                raise AccuracyLogError(
                    f"{path} has text after its end",
                    expected="nothing after the closing ]",
                    found="more text",
                    fix="give the log of one accuracy run, unchanged",
                )
    except OSError as error:
        raise AccuracyLogError(
            f"{path} cannot be read: {error.strerror}",
            fix="run the benchmark in accuracy mode first, or correct the path",
        ) from error


def _cut_off(path: Path, state: str) -> AccuracyLogError:
    return AccuracyLogError(
        f"{path} {state}",
        expected="the ] that LoadGen writes when a run is over",
        found="none: the run was ended too early",
        fix=_RUN_AGAIN,
    )


_RUN_AGAIN = "run the benchmark in accuracy mode again; a part of a log must not be scored"


def _parse(path: Path, number: int, line: bytes) -> Record:
    head = _HEAD.match(line)
    if head is None:
        raise _malformed(path, number, line)
    quote = line.find(b'"', head.end())
    tail = _TAIL.fullmatch(line, quote) if quote >= 0 else None
    if tail is None:
        raise _malformed(path, number, line)
    try:
        data = unhexlify(memoryview(line)[head.end() : quote])
    except HexError as error:
        raise AccuracyLogError(
            f"{path}, line {number}: the data of sample {int(head[2])} is not hexadecimal",
            expected="two digits per byte",
            found=f"{quote - head.end():,} characters: {error}",
            fix=_RUN_AGAIN,
        ) from None
    return Record(int(head[2]), data)


def _malformed(path: Path, number: int, line: bytes) -> AccuracyLogError:
    return AccuracyLogError(
        f"{path}, line {number}: not an entry of LoadGen's accuracy log",
        expected='{ "seq_id" : 0, "qsl_idx" : 0, "data" : "…" }',
        found=f"{line[:60]!r}",
        fix="give the unchanged mlperf_log_accuracy.json of an accuracy run",
    )
