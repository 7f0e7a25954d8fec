"""The rules of what lies beside an accuracy run's logs: accuracy.txt and the accuracy log; one function each."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_mlperf.rules.accuracy import check_limits
from pytest_mlperf.rules.finding import Finding
from pytest_mlperf.rules.reading.files import state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_mlperf.metrics.limit import Limit
    from pytest_mlperf.rules.checks.case import ResultCase
    from pytest_mlperf.rules.reading.accuracy_text import Stated

#: MAX_ACCURACY_LOG_SIZE of the official checkers.
LARGEST_ACCURACY_LOG = 10 * 1024
_SHA256 = re.compile("[0-9a-fA-F]{64}")
_TRUNCATE = "truncate the accuracy log with MLCommons' truncate_accuracy_log.py, which appends the hash of the full log"
_SCORE = "score the run again with the benchmark's accuracy script, and keep its output as it is"


def accuracy_text(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding when accuracy.txt is missing or cannot be read."""
    text = case.result.accuracy_text
    if text.fault is not None:
        yield Finding(
            rule="accuracy-text",
            what="accuracy.txt cannot be read",
            expected="the accuracy script's output, in UTF-8",
            found=state(text.fault),
            fix=_SCORE,
            file=text.file,
        )


def accuracy_metric(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding for each of the benchmark's metrics that accuracy.txt does not state."""
    text = case.result.accuracy_text
    for limit in _limits(case) if text.fault is None else ():
        if limit.minimum is not None and not _numbers(stated_values(case, limit.value)):
            yield Finding(
                rule="accuracy-metric",
                what="accuracy.txt does not state the benchmark's metric",
                expected=f"a line of the accuracy script with {limit.value}",
                found="no such line",
                fix=_SCORE,
                file=text.file,
            )


def accuracy_stated(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding when accuracy.txt states none of the benchmark's metrics."""
    text, limits = case.result.accuracy_text, _limits(case)
    if text.fault is None and limits and not any(text.heeded(limits, case.round.number)):
        yield Finding(
            rule="accuracy-stated",
            what="accuracy.txt states none of the benchmark's metrics",
            expected=f"a line of the accuracy script with {limits[0].value}",
            found="no such line",
            fix=_SCORE,
            file=text.file,
        )


def accuracy_number(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding when the value of a metric is no number, such as 1.2.3."""
    text = case.result.accuracy_text
    odd = [each for each in text.heeded(_limits(case), case.round.number) if each.number is None]
    if odd:
        yield Finding(
            rule="accuracy-number",
            what=f"{odd[0].what} in accuracy.txt is no number",
            expected="a number",
            found=odd[0].value[:40],
            fix=_SCORE,
            file=text.file,
        )


def accuracy_target(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding for each metric with a stated value that misses its target, whatever else is stated of it."""
    for limit in _limits(case):
        missed = [number for number in _numbers(stated_values(case, limit.value)) if not limit.allows(number)]
        if missed:
            yield from check_limits({limit.value: missed[0]}, (limit,), file=case.result.accuracy_text.file)


def accuracy_hash(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding when accuracy.txt does not state the hash of the full accuracy log."""
    text = case.result.accuracy_text
    if text.fault is None and not text.hash:
        yield Finding(
            rule="accuracy-hash",
            what="accuracy.txt does not state the hash of the accuracy log",
            expected="a line hash=<SHA-256 of the full mlperf_log_accuracy.json>",
            found="no such line",
            fix=_TRUNCATE,
            file=text.file,
        )


def accuracy_hash_value(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding when the hash is no SHA-256, or the log is whole and has another one."""
    text, log = case.result.accuracy_text, case.result.accuracy_log
    if text.hash and (text.hash.lower() != log.sha256 if log.sha256 else not _SHA256.fullmatch(text.hash)):
        yield Finding(
            rule="accuracy-hash-value",
            what="the stated hash is not that of the accuracy log",
            expected=log.sha256 or "a SHA-256, 64 hexadecimal digits",
            found=text.hash,
            fix="put accuracy.txt and mlperf_log_accuracy.json of the same run together, and state the log's hash",
            file=text.file,
        )


def accuracy_log(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding when the accuracy log is missing."""
    log = case.result.accuracy_log
    if log.size is None:
        yield Finding(
            rule="accuracy-log",
            what="the accuracy log is missing",
            expected="mlperf_log_accuracy.json, truncated",
            found="no such file",
            fix="copy it from the accuracy run",
            file=log.file,
        )


def accuracy_log_form(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding when the accuracy log is neither whole nor truncated as it should be, or has no answer."""
    log = case.result.accuracy_log
    if log.size is not None and log.fault:
        yield Finding(
            rule="accuracy-log-form",
            what="the accuracy log is not LoadGen's",
            expected="a JSON list of answers, or its first and its last 4,096 characters around a line of three dots",
            found=log.fault,
            fix="copy it from the accuracy run, and truncate it with MLCommons' truncate_accuracy_log.py",
            file=log.file,
        )


def accuracy_log_size(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding when the accuracy log is not truncated."""
    log = case.result.accuracy_log
    if log.size is not None and log.size > LARGEST_ACCURACY_LOG:
        yield Finding(
            rule="accuracy-log-size",
            what="the accuracy log is not truncated",
            expected=f"at most {LARGEST_ACCURACY_LOG:,} bytes",
            found=f"{log.size:,}",
            fix=_TRUNCATE,
            file=log.file,
        )


def accuracy_directories(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding when pictures or videos that must lie beside the accuracy log are not there."""
    directory = case.result.accuracy.directory
    for name, wanted in (case.rules.accuracy_directories if case.rules is not None else {}).items():
        there = directory.directories.get(name) if directory is not None else None
        stems = {file.split(".")[0] for file in there.files} if there is not None else set()
        missing = [stem for stem in wanted if stem not in stems]
        if missing:
            yield Finding(
                rule="accuracy-directories",
                what=f"accuracy/{name} does not have its files",
                expected=", ".join(wanted),
                found=f"no {', '.join(missing)}" if there is not None else "no such directory",
                fix="copy what the accuracy script writes for these samples",
                file=f"{case.result.accuracy.path}/{name}",
            )


def stated_values(case: ResultCase, metric: str) -> list[Stated]:
    """Return what accuracy.txt states of one of the benchmark's metrics, as far as the official checkers read."""
    heeded = case.result.accuracy_text.heeded(_limits(case), case.round.number)
    return [each for each in heeded if each.what == metric]


def _limits(case: ResultCase) -> tuple[Limit, ...]:
    return case.rules.limits_of(case.result.scenario) if case.rules is not None else ()


def _numbers(stated: list[Stated]) -> list[float]:
    return [each.number for each in stated if each.number is not None]
