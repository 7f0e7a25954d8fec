"""Reads mlperf_log_detail.txt, whatever its state: a broken log is a finding, never a crash."""

from __future__ import annotations

import json
import math
import os
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MARK = ":::MLLOG "
_MARK = MARK.encode()
#: LoadGen's own logs have some 30 kB; what is larger than this is not read.
LARGEST_LOG = 64 << 20
#: The fault of a log without any message.
EMPTY = "has no line of LoadGen's"
#: What a run says once: its settings and its results.
_ONCE = ("effective_", "result_", "early_stopping_", "sut_name", "qsl_reported_", "num_errors")
#: LoadGen before 5.1 counts ns in 64 bits without a sign: what happened a little before the log began wraps around.
_WRAPPED_MS = 2**63 / 1e6
_MOST_ERRORS = 100
_SHOWN = 300


class _Metadata(msgspec.Struct):
    is_error: bool


class _Message(msgspec.Struct):
    key: str
    value: Any
    metadata: _Metadata
    time_ms: Any = None


class _RawMessage(msgspec.Struct):
    key: str
    value: msgspec.Raw
    metadata: _Metadata
    time_ms: Any = None


_decode = msgspec.json.Decoder(_Message).decode
_decode_raw = msgspec.json.Decoder(_RawMessage).decode
#: A line that is longer is one of the lists that no rule reads, such as the indices of all loaded samples.
_LONG_LINE = 1024


@dataclass(frozen=True)
class DetailLog:
    """LoadGen's detail log: the first value of each key, as the official checkers read it, and its errors.

    Attributes
    ----------
    values
        The first value of each key; lists and objects, which no rule reads, are left out.
    errors
        The messages that LoadGen marked as errors, the first hundred.
    fault
        Why the log cannot be trusted; None when it is whole.
    foreign_start
        Whether the first line is not LoadGen's.
    contradictions
        Settings and results that the log states twice, with different values.
    backwards_ms
        How far time goes back from one message to a later one, at most.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    errors: tuple[str, ...] = ()
    fault: str | None = None
    foreign_start: bool = False
    contradictions: tuple[str, ...] = ()
    backwards_ms: float = 0.0

    def number(self, key: str) -> float | None:
        """Return a finite number, or None when the log has none under this key."""
        return _finite(self.values.get(key))

    def comparable(self, key: str) -> float | None:
        """Return what Python compares with numbers, as the official checkers do: NaN and infinities too, and True."""
        value = self.values.get(key)
        return value if isinstance(value, (int, float)) else None

    def text(self, key: str) -> str:
        """Return what the log says under a key, for people."""
        return str(self.values[key])[:_SHOWN] if key in self.values else "nothing"


def read_detail_log(path: Path) -> DetailLog:
    """Parse the log at `path`."""
    try:
        with path.open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            data = file.read(size) if size <= LARGEST_LOG else b""
    except OSError as error:
        return DetailLog(fault=f"cannot be read: {error.strerror}")
    if size > LARGEST_LOG:
        return DetailLog(fault=f"is larger than {LARGEST_LOG >> 20} MiB")
    return _parse(data)


def parse_detail_log(text: str) -> DetailLog:
    """Parse the text of a detail log; lines of other programs are skipped."""
    return _parse(text.encode("utf-8", "surrogatepass"))


def _parse(data: bytes) -> DetailLog:
    if not _is_text(data):
        return DetailLog(fault="is not UTF-8 text")
    values: dict[str, Any] = {}
    errors: list[str] = []
    twice: dict[str, None] = {}
    fault = None
    times: list[Any] = []
    lines = data.splitlines()
    for number, line in enumerate(lines, start=1):
        if not line.startswith(_MARK):
            line = line.strip()
            if not line.startswith(_MARK.rstrip()):
                continue
        message = _message(line[len(_MARK) :])
        if message is None:
            fault = f"line {number} is cut off or not LoadGen's"
            break
        key, value = message.key, message.value
        times.append(message.time_ms)
        if message.metadata.is_error and len(errors) < _MOST_ERRORS:
            errors.append(f"{key}: {value}"[:_SHOWN])
        if isinstance(value, (list, dict)):
            value = None
        if values.setdefault(key, value) != value and key.startswith(_ONCE):
            twice[key] = None
    if fault is None and not values:
        fault = EMPTY
    foreign = not lines or not lines[0].lstrip().startswith(_MARK.rstrip())
    return DetailLog(values, tuple(errors), fault, foreign, tuple(twice), _backwards(times))


def _backwards(times: list[Any]) -> float:
    times = [time for time in times if not (isinstance(time, float) and time > _WRAPPED_MS)]
    with suppress(TypeError):  # of a time that is no number
        if times == sorted(times):  # most logs are, and this is faster than what follows
            return 0.0
    latest, most = -math.inf, 0.0
    for time in times:
        if (now := _finite(time)) is not None:
            latest, most = max(latest, now), max(most, latest - now)
    return most


def _finite(value: Any) -> float | None:
    """Return a value as a float; None if it is no number, or infinite."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _is_text(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _message(line: bytes) -> _Message | None:
    try:
        if len(line) < _LONG_LINE:
            return _decode(line)
        raw = _decode_raw(line)
        listed = bytes(memoryview(raw.value)[:1]) in (b"[", b"{")
        return _Message(raw.key, None if listed else msgspec.json.decode(raw.value), raw.metadata, raw.time_ms)
    except (msgspec.MsgspecError, RecursionError):
        return _lenient(line)


def _lenient(line: bytes) -> _Message | None:
    """Read a line as Python's json does, which takes NaN and any true value, and which the official checkers use."""
    try:
        message = json.loads(line)
        error = _Metadata(bool(message["metadata"]["is_error"]))
        return _Message(str(message["key"]), message["value"], error, message.get("time_ms"))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
