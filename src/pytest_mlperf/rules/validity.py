"""LoadGen's own validity: each condition that a performance run does not meet, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf.rules.finding import Finding
from pytest_mlperf.rules.performance import NANOSECONDS_PER_MS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_mlperf.rules.detail_log import DetailLog


def check_log(log: DetailLog) -> Iterator[Finding]:
    """Yield what makes a log of either mode unusable: its state, and the errors that LoadGen wrote into it."""
    if log.fault is not None:
        yield _error(
            "loadgen-log",
            f"mlperf_log_detail.txt {log.fault}",
            "a log that LoadGen finished",
            log.fault,
            "run again; look at worker.log for what ended the run",
        )
    if log.errors:
        yield _error(
            "loadgen-errors",
            "LoadGen met errors during the test",
            "no error in mlperf_log_detail.txt",
            f"{len(log.errors)}, the first: {log.errors[0]}",
            "mend the cause; the official checker rejects a log with errors",
        )


def check_validity(scenario: str, log: DetailLog) -> Iterator[Finding]:
    """Yield a finding for each condition of LoadGen's verdict that the run does not meet."""
    if log.fault is not None or log.values.get("result_validity") == "VALID":
        return
    checks = (_min_duration, _min_queries, _latency_bound, _early_stopping)
    findings = [finding for check in checks if (finding := check(scenario, log)) is not None]
    yield from findings
    if not findings:
        yield _error(
            "validity",
            "LoadGen calls the run invalid",
            "result_validity VALID",
            str(log.values.get("result_validity", "no verdict in the log")),
            "see mlperf_log_summary.txt",
        )


def _min_duration(scenario: str, log: DetailLog) -> Finding | None:
    if log.values.get("result_min_duration_met", True):
        return None
    seconds = (log.number("effective_min_duration_ms") or 0) / 1000
    hint = (
        "raise --target-qps, from which LoadGen counts the samples"
        if scenario in ("Offline", "Server")
        else "lower --target-latency, from which LoadGen counts the queries"
    )
    return _error(
        "min-duration",
        "the run is shorter than its minimum duration",
        f"at least {seconds:g} s",
        _duration(scenario, log) + f" with {log.number('result_query_count') or 0:.0f} queries",
        hint,
    )


def _duration(scenario: str, log: DetailLog) -> str:
    longest = log.number("result_max_latency_ns")
    if scenario == "Offline" and longest is not None:
        return f"{longest / 1e9:.3g} s"
    return "the queries ran out"


def _min_queries(scenario: str, log: DetailLog) -> Finding | None:
    del scenario
    if log.values.get("result_min_queries_met", True):
        return None
    return _error(
        "min-queries",
        "the run has fewer queries than its minimum",
        f"{log.number('effective_min_query_count') or 0:.0f} queries",
        f"{log.number('result_query_count') or 0:.0f}",
        "raise --test-query-count, or max_query_count in user.conf",
    )


def _latency_bound(scenario: str, log: DetailLog) -> Finding | None:
    if scenario != "Server" or log.values.get("result_perf_constraints_met", True):
        return None
    bound = (log.number("effective_target_latency_ns") or 0) / NANOSECONDS_PER_MS
    percentile = 100 * (log.number("effective_target_latency_percentile") or 0)
    found = log.number(f"result_{percentile:.2f}_percentile_latency_ns")
    rate = log.number("effective_target_qps")
    return _error(
        "latency-bound",
        f"the {percentile:g}th percentile latency is over the bound",
        f"at most {bound:g} ms",
        f"{found / NANOSECONDS_PER_MS:.4g} ms" if found is not None else "a higher one",
        f"offer fewer queries than {rate:g} per second with --target-qps" if rate else "lower --target-qps",
    )


def _early_stopping(scenario: str, log: DetailLog) -> Finding | None:
    del scenario
    if log.values.get("early_stopping_met", True):
        return None
    reason = " ".join(str(log.values.get("early_stopping_result", "")).replace("*", "").split())
    return _error(
        "early-stopping",
        "too few queries for a percentile that can be trusted",
        "early stopping satisfied",
        reason or "not satisfied",
        "run more queries: raise --test-query-count, or leave it out",
    )


def _error(rule: str, what: str, expected: str, found: str, fix: str) -> Finding:
    return Finding(rule=rule, severity="error", what=what, expected=expected, found=found, fix=fix)
