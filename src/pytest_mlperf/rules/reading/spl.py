"""Reads spl.txt, which lies beside a run whose power was measured: the samples in the run's time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, NamedTuple

from pytest_mlperf.rules.log_files import SPL

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pytest_mlperf.rules.detail_log import DetailLog
    from pytest_mlperf.rules.reading.tree import Directory

#: How LoadGen and PTDaemon write a time.
STAMP = "%m-%d-%Y %H:%M:%S.%f"
#: A time that every reader takes; others are left to strptime, which takes more and is slow.
_PLAIN = re.compile(
    r"(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])-([1-9]\d{3}) ((?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d)\.(\d{1,6})", re.ASCII
)
_LARGEST = 256 << 20
#: The fields of a line: "Time,<date>,Watts,<number>,Volts,<number>,Amps,<number>,PF,<number>,...".
_TIME, _WATTS, _FACTOR = 1, 3, 9


@dataclass(frozen=True)
class Samples:
    """The samples in a run's time.

    Attributes
    ----------
    count
        All whose power is a number.
    above
        Those above 0.
    watts
        The sum of the powers above 0.
    fault
        Why they cannot be counted: the first line that is no sample, or no file.
    factor_fault
        The first line without a power factor that is a number.
    """

    count: int = 0
    above: int = 0
    watts: float = 0.0
    fault: str = ""
    factor_fault: str = ""

    @property
    def average(self) -> float:
        """The average of the powers above 0, in watts; -1 where there are none, as power_checker.py has it."""
        return self.watts / self.above if self.above else -1.0


class PowerSamples(NamedTuple):
    """What spl.txt has: of its lines that begin with ``Time``, and of all lines, as the checkers until v3.1 read it."""

    timed: Samples
    every: Samples


def read_samples(root: Path, directory: Directory | None, ends: tuple[str, str] | None) -> PowerSamples:
    """Return the samples of spl.txt in a run's directory between two times, as `sortable` has them, or a fault."""
    lines = _lines(root, directory)
    if isinstance(lines, str):
        return PowerSamples(Samples(fault=lines), Samples(fault=lines))
    if ends is None:
        fault = "no power_begin or power_end"
        return PowerSamples(Samples(fault=fault), Samples(fault=fault))
    numbered = list(enumerate(lines, 1))
    plain = [each for each in numbered if each[1].startswith("Time")]
    timed = _count(plain, ends)
    return PowerSamples(timed, timed if len(plain) == len(numbered) else _count(numbered, ends))


def logged_ends(log: DetailLog) -> tuple[str, str] | None:
    """Return power_begin and power_end of a detail log, as `sortable` has them; None where it does not have both."""
    try:
        return sortable(log.text("power_begin")), sortable(log.text("power_end"))
    except ValueError:
        return None


def _lines(root: Path, directory: Directory | None) -> list[str] | str:
    """Return the lines as Python reads a text file, or why there are none."""
    if directory is None or SPL not in directory.files:
        return f"no {SPL}"
    if directory.files[SPL] > _LARGEST:
        return f"{SPL} is larger than {_LARGEST >> 20} MiB"
    try:
        return text_lines((root / directory.place(SPL)).read_bytes())
    except OSError as error:
        return f"{SPL} cannot be read: {error.strerror}"
    except UnicodeDecodeError as error:
        return f"{SPL} is not UTF-8 text: {error.reason} in byte {error.start:,}"


def text_lines(data: bytes) -> list[str]:
    """Return the lines of a text as Python's text files have them: CR, LF and both end one, nothing else does.

    Raises
    ------
    UnicodeDecodeError
        The bytes are not UTF-8.
    """
    lines = data.decode().replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def sortable(text: str) -> str:
    """Return a time in a form whose order is that of the times.

    Raises
    ------
    ValueError
        It is no time.
    """
    if found := _PLAIN.fullmatch(text):
        month, day, year, time, part = found.groups()
        return f"{year}-{month}-{day} {time}.{part.ljust(6, '0')}"
    return datetime.strptime(text, STAMP).isoformat(" ", "microseconds")


def seconds(text: str) -> float:
    """Return a time in seconds since 1970, as if it were UTC.

    Raises
    ------
    ValueError
        It is no time.
    """
    return datetime.fromisoformat(sortable(text)).replace(tzinfo=timezone.utc).timestamp()


def _count(lines: Iterable[tuple[int, str]], ends: tuple[str, str]) -> Samples:
    begin, end = ends
    count = above = 0
    watts, factor_fault = 0.0, ""
    for number, line in lines:
        fields = line.split(",")
        try:
            if not begin < sortable(fields[_TIME]) < end:
                continue
            power = float(fields[_WATTS])
        except (ValueError, IndexError):
            return Samples(count, above, watts, f"line {number:,} of {SPL} is no sample: {line[:80]!r}", factor_fault)
        count += 1
        if power > 0:
            above += 1
            watts += power
        if not factor_fault and not _is_number(fields):
            factor_fault = f"line {number:,} of {SPL} has no power factor: {line[:80]!r}"
    return Samples(count, above, watts, "", factor_fault)


def _is_number(fields: list[str]) -> bool:
    try:
        float(fields[_FACTOR])
    except (ValueError, IndexError):
        return False
    return True
