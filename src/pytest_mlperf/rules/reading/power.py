"""Reads spl.txt, which lies beside a run whose power was measured: the samples in the run's time."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from pytest_mlperf.rules.log_files import SPL

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlperf.rules.detail_log import DetailLog
    from pytest_mlperf.rules.reading.submission import Run

#: One sample: "Time,<date>,Watts,<number>,...". Digits of a second fill up to six, as strptime reads them.
_SAMPLE = re.compile(
    rb"^Time[^,\n]*,(\d\d)-(\d\d)-(\d{4}) (\d\d:\d\d:\d\d)\.(\d{1,6}),[^,\n]*,\s*([-+.\deE]+)\s*(?:,.*)?$", re.MULTILINE
)
_LINE = re.compile(rb"^Time", re.MULTILINE)
_STAMP = "%m-%d-%Y %H:%M:%S.%f"
_LARGEST = 256 << 20


def count_samples(root: Path, run: Run, log: DetailLog) -> tuple[int | None, str]:
    """Return how many samples above 0 a run's spl.txt has between power_begin and power_end, or why nobody knows."""
    if run.directory is None or SPL not in run.directory.files:
        return None, f"no {SPL}"
    try:
        begin, end = (datetime.strptime(log.text(key), _STAMP).isoformat(" ", "microseconds").encode() for key in _ENDS)
    except ValueError:
        return None, "no power_begin or power_end"
    if run.directory.files[SPL] > _LARGEST:
        return None, f"{SPL} is larger than {_LARGEST >> 20} MiB"
    try:
        data = (root / run.directory.place(SPL)).read_bytes()
    except OSError as error:
        return None, f"{SPL} cannot be read: {error.strerror}"
    found = _SAMPLE.findall(data.replace(b"\r\n", b"\n"))
    if len(found) != len(_LINE.findall(data)):
        return None, f"{SPL} has lines that are no samples"
    try:
        return sum(
            begin < b"%b-%b-%b %b.%b" % (year, month, day, time, part.ljust(6, b"0")) < end and float(watts) > 0
            for month, day, year, time, part, watts in found
        ), ""
    except ValueError:
        return None, f"{SPL} has lines that are no samples"


_ENDS = ("power_begin", "power_end")
