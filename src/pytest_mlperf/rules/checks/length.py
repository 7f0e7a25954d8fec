"""How long a run is and how much of the data it has, against what is asked; one function each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf.rules.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_mlperf.rules.checks.case import RunCase
    from pytest_mlperf.rules.detail_log import DetailLog

#: LoadGen logs how many samples an accuracy run has since this major version.
_COUNTS_SAMPLES = 6


def min_duration(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when the run was allowed to be shorter than is asked."""
    least, key = case.asked.min_duration_ms, "effective_min_duration_ms"
    found = case.run.detail.comparable(key)
    if least is not None and (found is None or found < least):
        yield Finding(
            rule="min-duration",
            what="the run's minimum duration is too short",
            expected=f"a minimum of {least / 1000:g} s",
            found=f"{found / 1000:g} s" if found is not None else case.run.detail.text(key),
            fix="repeat the run without min_duration in user.conf",
            file=case.run.detail_file,
        )


def min_query_count(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when the run was allowed to have fewer queries than is asked."""
    yield from _at_least(
        case,
        "min-query-count",
        "effective_min_query_count",
        case.asked.min_queries.get(case.ran),
        "queries",
        "the run's minimum of queries is too low",
        "repeat the run without min_query_count in user.conf",
    )


def samples_per_query(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when Offline's query has too few samples."""
    if case.ran == "Offline" and case.run.detail.comparable("effective_samples_per_query") is not None:
        yield from _at_least(
            case,
            "samples-per-query",
            "effective_samples_per_query",
            case.asked.samples_per_query,
            "samples",
            "Offline's query has too few samples",
            "repeat the run without min_query_count in user.conf; LoadGen counts the samples from target_qps",
        )


def samples_per_query_number(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when the log does not say how many samples Offline's query has."""
    log, key = case.run.detail, "effective_samples_per_query"
    if case.ran == "Offline" and case.asked.samples_per_query is not None and log.comparable(key) is None:
        yield Finding(
            rule="samples-per-query-number",
            what="the log does not say how many samples Offline's query has",
            expected=f"{key}, a number",
            found=log.text(key),
            fix="put the log of the run here as LoadGen wrote it",
            file=case.run.detail_file,
        )


def performance_sample_count(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when the run was told to load fewer different samples than is asked."""
    yield from _at_least(
        case,
        "performance-sample-count",
        "effective_performance_sample_count",
        case.asked.performance_sample_count,
        "different samples",
        "the run loads too few different samples",
        "repeat the run on the whole data set, without performance_sample_count_override in user.conf",
    )


def loaded_sample_count(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when the data set has fewer samples than are asked: LoadGen loads no more, and says nothing."""
    yield from _at_least(
        case,
        "loaded-sample-count",
        "qsl_reported_total_count",
        case.asked.performance_sample_count if "qsl_reported_total_count" in case.run.detail.values else None,
        "different samples",
        "the run's data set has too few different samples",
        "repeat the run on the whole data set",
    )


def accuracy_samples(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when the accuracy run was not over the whole data set."""
    log, size = case.run.detail, case.asked.dataset_size
    if size is None:
        return
    key = "effective_accuracy_sample_count" if _counts_samples(log) else "qsl_reported_total_count"
    if key not in log.values:
        key = "qsl_reported_total_count"
    found = log.number(key)
    if found != size:
        yield Finding(
            rule="accuracy-samples",
            what="the accuracy run does not cover the data set",
            expected=f"{size:,} samples",
            found=f"{found:,.0f}" if found is not None else log.text(key),
            fix="repeat the run on the whole official data set",
            file=case.run.detail_file,
        )


def _at_least(
    case: RunCase, rule: str, key: str, least: int | None, unit: str, what: str, fix: str
) -> Iterator[Finding]:
    log = case.run.detail
    found = log.comparable(key)
    if least is not None and (found is None or found < least):
        yield Finding(
            rule=rule,
            what=what,
            expected=f"{least:,} {unit}",
            found=f"{found:,.0f}" if found is not None else log.text(key),
            fix=fix,
            file=case.run.detail_file,
        )


def _counts_samples(log: DetailLog) -> bool:
    major = log.text("loadgen_version").split(".", 1)[0]
    return major.isdecimal() and int(major) >= _COUNTS_SAMPLES
