"""The rules of the two logs that every run leaves: they are whole, and those of a run of its mode and its round."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from pytest_mlperf.rules.detail_log import EMPTY
from pytest_mlperf.rules.finding import Finding
from pytest_mlperf.rules.reading.files import state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_mlperf.rules.checks.case import RunCase

#: The last message of an accuracy run's log, and that of a performance run's since LoadGen 5.1.
_POWER_END, _NUM_ERRORS = "power_end", "num_errors"
_COUNTS_ERRORS = (5, 1)
#: Before that the highest percentile of the latencies is among the last, in each scenario.
_HIGHEST_PERCENTILE = "result_99.90_percentile"
_PERFORMANCE_MODES = ("PerformanceOnly", "SubmissionRun")
_ACCURACY_MODES = ("AccuracyOnly", "SubmissionRun")
_ENDED = re.compile("errors? encountered", re.IGNORECASE)
_TAIL = 1_000
_FIX_ERRORS = "fix the error that LoadGen reports, and repeat the run"


def performance_log(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when the performance log is missing or cannot be read."""
    if case.mode == "performance" and not case.test:
        yield from _readable(case, "performance-log", "the performance run")


def accuracy_detail(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when the accuracy run's detail log is missing or cannot be read."""
    if case.mode == "accuracy" and case.run.detail.fault != EMPTY:
        yield from _readable(case, "accuracy-detail", "the accuracy run")


def accuracy_detail_empty(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when the accuracy run's detail log has no line of LoadGen's."""
    if case.mode == "accuracy" and case.run.detail.fault == EMPTY:
        yield from _readable(case, "accuracy-detail-empty", "the accuracy run")


def compliance_run(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when the log of a compliance test's run is missing or cannot be read."""
    if case.test:
        yield from _readable(case, "compliance-run", "the test's run")


def _readable(case: RunCase, rule: str, run: str) -> Iterator[Finding]:
    fault = case.run.detail.fault
    if fault is not None:
        yield Finding(
            rule=rule,
            what=f"the log of {run} cannot be read",
            expected="a log that LoadGen finished",
            found=state(fault),
            fix=f"copy mlperf_log_detail.txt of {run} again; if it is lost, repeat the run",
            file=case.run.detail_file,
        )


def log_first_line(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when something else stands before LoadGen's first line."""
    if case.run.detail.foreign_start:
        yield Finding(
            rule="log-first-line",
            what="the log begins with a line that is not LoadGen's",
            expected="a first line that starts with :::MLLOG",
            found="another line",
            fix="copy the log as LoadGen wrote it; nothing else may write into it",
            file=case.run.detail_file,
        )


def log_end(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when the log stops before LoadGen's last message."""
    last = _last(case)
    if not any(key.startswith(last) for key in case.run.detail.values):
        yield Finding(
            rule="log-end",
            what="the log stops before LoadGen's last line",
            expected=last,
            found="no such line",
            fix="copy the whole log; if it is lost, repeat the run",
            file=case.run.detail_file,
        )


def _last(case: RunCase) -> str:
    """Return how the key of a log's last message begins."""
    if case.mode == "accuracy":
        return _POWER_END
    version = re.match(r"(\d+)\.(\d+)", str(case.run.detail.values.get("loadgen_version", "")))
    counts = version is None or (int(version[1]), int(version[2])) >= _COUNTS_ERRORS
    return _NUM_ERRORS if counts else _HIGHEST_PERCENTILE


def log_contradictions(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when the log states a setting or a result twice, and differently."""
    if case.run.detail.contradictions:
        yield Finding(
            rule="log-contradictions",
            what="the log states one thing twice, with different values",
            expected="each setting and each result once",
            found=", ".join(case.run.detail.contradictions[:5]),
            fix="give every run a directory of its own, and copy the log as LoadGen wrote it",
            file=case.run.detail_file,
        )


def summary_log(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when the summary that lies there is not LoadGen's to its end."""
    summary = case.run.summary
    if not summary.missing and (summary.fault or not _ENDED.search(summary.content[-_TAIL:])):
        yield Finding(
            rule="summary-log",
            what="the run's summary is not whole",
            expected="LoadGen's text, which ends with the errors that it encountered",
            found=state(summary.fault) if summary.fault else "another end",
            fix="copy mlperf_log_summary.txt of the same run again",
            file=summary.file,
        )


def loadgen_errors(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when LoadGen counted errors, or, where it did not count, wrote some."""
    log = case.run.detail
    count = log.values["num_errors"] if "num_errors" in log.values else len(log.errors)
    if count != 0:  # None, too: what is no number is no count of 0
        yield Finding(
            rule="loadgen-errors",
            what="LoadGen met errors during the run",
            expected="none",
            found=f"{count}, the first: {log.errors[0] if log.errors else 'not in the log'}",
            fix=_FIX_ERRORS,
            file=case.run.detail_file,
        )


def loadgen_error_messages(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when messages are errors, though LoadGen's count is 0."""
    log = case.run.detail
    if log.errors and log.values.get("num_errors") == 0:
        yield Finding(
            rule="loadgen-error-messages",
            what="LoadGen wrote errors into the log, though its count of them is 0",
            expected="no message with is_error",
            found=f"{len(log.errors)}, the first: {log.errors[0]}",
            fix=_FIX_ERRORS,
            file=case.run.detail_file,
        )


def accuracy_errors(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when LoadGen met errors in the accuracy run."""
    errors = case.run.detail.errors
    if errors:
        yield Finding(
            rule="accuracy-errors",
            what="LoadGen met errors during the accuracy run",
            expected="no message with is_error",
            found=f"{len(errors)}, the first: {errors[0]}",
            fix=_FIX_ERRORS,
            file=case.run.detail_file,
        )


def test_mode(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when the log is not that of a performance run."""
    yield from _mode(case, "test-mode", "performance", _PERFORMANCE_MODES)


def accuracy_mode(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when the log is not that of an accuracy run."""
    yield from _mode(case, "accuracy-mode", "accuracy", _ACCURACY_MODES)


def _mode(case: RunCase, rule: str, mode: str, modes: tuple[str, ...]) -> Iterator[Finding]:
    log = case.run.detail
    if log.values.get("effective_test_mode") not in modes:
        yield Finding(
            rule=rule,
            what=f"the {mode} run's log is that of another mode",
            expected=f"effective_test_mode {modes[0]}",
            found=log.text("effective_test_mode"),
            fix=f"put the log of the {mode} run here",
            file=case.run.detail_file,
        )


def seeds(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when the performance run's seeds are not the round's."""
    yield from _seeds(case, "seeds")


def accuracy_seeds(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when the accuracy run's seeds are not the round's."""
    yield from _seeds(case, "accuracy-seeds")


def _seeds(case: RunCase, rule: str) -> Iterator[Finding]:
    log = case.run.detail
    asked = msgspec.structs.asdict(case.asked.seeds) if case.asked.seeds is not None else {}
    wrong = [name for name, seed in asked.items() if log.values.get(f"effective_{name}") != seed]
    if wrong:
        yield Finding(
            rule=rule,
            what=f"the seeds are not those of {case.asked.round}",
            expected=", ".join(f"{name} {asked[name]}" for name in wrong),
            found=", ".join(log.text(f"effective_{name}") for name in wrong),
            fix=f"repeat the run with the seeds of {case.asked.round}, which its mlperf.conf has",
            file=case.run.detail_file,
        )
