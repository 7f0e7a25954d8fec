"""Reads what a power measurement's programs leave: client.json, server.json, PTDaemon's log, the files' hashes."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property
from typing import TYPE_CHECKING

from pytest_mlperf.rules.log_files import DETAIL_LOG, SPL, SUMMARY_LOG
from pytest_mlperf.rules.reading.files import read_document
from pytest_mlperf.rules.reading.spl import STAMP, logged_ends, read_samples, seconds, text_lines

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_mlperf.rules.detail_log import DetailLog
    from pytest_mlperf.rules.reading.files import Document
    from pytest_mlperf.rules.reading.spl import PowerSamples
    from pytest_mlperf.rules.reading.tree import Directory

PTD_LOG = "ptd_logs.txt"
#: The files whose hashes the programs keep, relative to performance/ (RESULT_PATHS of power_checker.py).
HASHED = (
    "power/client.log",
    f"power/{PTD_LOG}",
    "power/server.log",
    *(f"{run}/{name}" for run in ("ranging", "run_1") for name in (DETAIL_LOG, SUMMARY_LOG, SPL)),
)
_LARGEST = 256 << 20
_END_WORDS = re.compile(rb"power_begin|power_end", re.IGNORECASE)
_STAMP_IN_LINE = re.compile(r"\d*-\d*-\d* \d*:\d*:\d*\.\d*")
#: A line of PTDaemon's log that says something here, or begins with a time that none is.
_TOLD = re.compile(r"Go with mark|Completed test|Uncertainty checking|WARNING:|ERROR:")
_PLAIN = re.compile(
    r"(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])-[1-9]\d{3} (?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}", re.ASCII
)
_STAMPED = re.compile(r"\d\d-\d\d-\d\d\d\d \d\d:\d\d:\d\d.\d\d\d")


@dataclass(frozen=True)
class MeasuredRun:
    """One of the two runs of a power measurement: its place in the submission, its directory and its detail log."""

    path: str
    directory: Directory | None
    detail: DetailLog


@dataclass(frozen=True)
class PowerSession:
    """What lies in performance/power and in the two runs' directories; each part is read when it is first asked for.

    The rules of the rounds before v3.0 never ask.

    Attributes
    ----------
    root
        The submission.
    path, directory
        performance/power, relative to the submission; None where a file has that name.
    ranging, testing
        The two runs.
    linked
        Those of the three directories that are links, which power_checker.py does not follow.
    """

    root: Path
    path: str
    directory: Directory | None
    ranging: MeasuredRun
    testing: MeasuredRun
    linked: frozenset[str] = frozenset()

    @cached_property
    def client(self) -> Document:
        """client.json."""
        return read_document(self.root, self.directory, "client.json", self.path)

    @cached_property
    def server(self) -> Document:
        """server.json."""
        return read_document(self.root, self.directory, "server.json", self.path)

    @cached_property
    def samples(self) -> PowerSamples:
        """The samples of the run, between the times that its detail log has as values."""
        return read_samples(self.root, self.testing.directory, logged_ends(self.testing.detail))

    def samples_of(self, run: str) -> PowerSamples:
        """Return the samples of a run between `ends`.

        Raises
        ------
        ValueError
            The log does not have them.
        """
        of = self.ranging if run == "ranging" else self.testing
        begin, end = (_sortable(each) for each in self.ends(run))
        if of is self.testing and (begin, end) == logged_ends(of.detail):
            return self.samples
        return read_samples(self.root, of.directory, (begin, end))

    @cached_property
    def hashes(self) -> Mapping[str, str]:
        """The SHA-1 of those of HASHED that are there, which is what the programs keep."""
        directories = {"power": self.directory, "ranging": self.ranging.directory, "run_1": self.testing.directory}
        found = {}
        for place in HASHED:
            folder, name = place.split("/")
            if folder in self.linked:
                continue
            data = _bytes(self.root, directories[folder], name)
            if data is not None:
                found[place] = hashlib.sha1(data, usedforsecurity=False).hexdigest()
        return found

    @cached_property
    def log(self) -> tuple[str, ...]:
        """The lines of PTDaemon's log that say something here, in their order.

        Raises
        ------
        ValueError
            It is not there, or is no text.
        """
        data = _bytes(self.root, self.directory, PTD_LOG)
        if data is None:
            raise ValueError(f"{PTD_LOG} cannot be read")
        return tuple(line for line in text_lines(data) if _TOLD.search(line) or _odd_stamp(line))

    def ends(self, run: str) -> tuple[float, float]:
        """Return power_begin and power_end of a run's detail log, in seconds since 1970 as if its clock were UTC.

        Raises
        ------
        ValueError
            The log does not have them.
        """
        if run not in self._known_ends:
            directory = (self.ranging if run == "ranging" else self.testing).directory
            self._known_ends[run] = _ends(_bytes(self.root, directory, DETAIL_LOG) or b"", run)
        return self._known_ends[run]

    @cached_property
    def _known_ends(self) -> dict[str, tuple[float, float]]:
        return {}


def _ends(data: bytes, run: str) -> tuple[float, float]:
    begin = end = 0.0
    for found in _END_WORDS.finditer(data):
        line = _line_around(data, found.start()).decode()
        if "power_begin" in line.lower():
            begin = line_time(line, _STAMP_IN_LINE)
        else:
            end = line_time(line, _STAMP_IN_LINE)
        if begin and end:
            return begin, end
    raise ValueError(f"no {'power_end' if begin else 'power_begin'} in the log of {run}")


def line_time(line: str, form: re.Pattern[str]) -> float:
    """Return a line's time in seconds since 1970 as if it were UTC.

    Raises
    ------
    ValueError
        The line has none.
    """
    found = form.search(line)
    if found is None:
        raise ValueError(f"no time in {line[:80]!r}")
    return seconds(found[0])


def _sortable(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, tz=timezone.utc).replace(tzinfo=None).isoformat(" ", "microseconds")


def _odd_stamp(line: str) -> bool:
    found = _STAMPED.match(line)
    if found is None or _PLAIN.match(line):
        return False
    try:
        datetime.strptime(found[0], STAMP)
    except ValueError:
        return True
    return False


def _line_around(data: bytes, place: int) -> bytes:
    start = max(data.rfind(b"\n", 0, place), data.rfind(b"\r", 0, place)) + 1
    ends = [end for end in (data.find(b"\n", place), data.find(b"\r", place)) if end >= 0]
    return data[start : min(ends, default=len(data))]


def _bytes(root: Path, directory: Directory | None, name: str) -> bytes | None:
    if directory is None or directory.files.get(name, _LARGEST + 1) > _LARGEST:
        return None
    try:
        return (root / directory.place(name)).read_bytes()
    except OSError:
        return None
