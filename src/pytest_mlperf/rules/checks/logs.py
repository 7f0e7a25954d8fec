"""The rules of the two logs that every run leaves, whatever its mode."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_mlperf.rules.finding import Finding
from pytest_mlperf.rules.reading.files import state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_mlperf.rules.reading.submission import Run

#: The last message of each mode's detail log.
PERFORMANCE_END, ACCURACY_END = "num_errors", "power_end"
_ENDED = re.compile("errors? encountered", re.IGNORECASE)
_TAIL = 1_000


def check_logs(run: Run, last: str) -> Iterator[Finding]:
    """Yield what is wrong with the logs of a run whose detail log can be read; `last` is the message that ends it."""
    yield from log_first_line(run)
    yield from log_end(run, last)
    yield from log_contradictions(run)
    yield from summary_log(run)


def log_first_line(run: Run) -> Iterator[Finding]:
    """Yield a finding when something else stands before LoadGen's first line."""
    if run.detail.foreign_start:
        yield Finding(
            rule="log-first-line",
            what="the log begins with a line that is not LoadGen's",
            expected="a first line that starts with :::MLLOG",
            found="another line",
            fix="copy the log as LoadGen wrote it; nothing else may write into it",
            file=run.detail_file,
        )


def log_end(run: Run, last: str) -> Iterator[Finding]:
    """Yield a finding when the log stops before LoadGen's last message."""
    if last not in run.detail.values:
        yield Finding(
            rule="log-end",
            what="the log stops before LoadGen's last line",
            expected=last,
            found="no such line",
            fix="copy the whole log; where it is lost, repeat the run",
            file=run.detail_file,
        )


def log_contradictions(run: Run) -> Iterator[Finding]:
    """Yield a finding when the log states a setting or a result twice, and differently."""
    if run.detail.contradictions:
        yield Finding(
            rule="log-contradictions",
            what="the log states one thing twice, with different values",
            expected="each setting and each result once",
            found=", ".join(run.detail.contradictions[:5]),
            fix="give every run a directory of its own, and copy the log as LoadGen wrote it",
            file=run.detail_file,
        )


def summary_log(run: Run) -> Iterator[Finding]:
    """Yield a finding when the summary that lies there is not LoadGen's to its end."""
    summary = run.summary
    if not summary.missing and (summary.fault or not _ENDED.search(summary.content[-_TAIL:])):
        yield Finding(
            rule="summary-log",
            what="the run's summary is not whole",
            expected="LoadGen's text, which ends with the errors that it encountered",
            found=state(summary.fault) if summary.fault else "another end",
            fix="copy mlperf_log_summary.txt of the same run again",
            file=summary.file,
        )
