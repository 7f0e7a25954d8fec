"""LoadGen's own verdict on a performance run, and the conditions that it rests on, one function each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf.rules.finding import Finding
from pytest_mlperf.rules.performance import NANOSECONDS_PER_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_mlperf.rules.checks.case import RunCase


def loadgen_min_duration(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when the run ended before its own minimum duration."""
    log = case.run.detail
    if log.values.get("result_min_duration_met", True):
        return
    seconds = (log.number("effective_min_duration_ms") or 0) / 1000
    longest = log.number("result_max_latency_ns") if case.ran == "Offline" else None
    found = f"{longest / 1e9:.3g} s" if longest is not None else "the queries ran out"
    queries = log.number("result_query_count") or 0
    yield Finding(
        rule="loadgen-min-duration",
        what="the run is shorter than its minimum duration",
        expected=f"at least {seconds:g} s",
        found=f"{found} with {queries:.0f} queries",
        fix=(
            "raise target_qps, from which LoadGen counts the samples"
            if case.ran in ("Offline", "Server")
            else "lower target_latency, from which LoadGen counts the queries"
        ),
        file=case.run.detail_file,
    )


def loadgen_min_queries(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when the run has fewer queries than its own minimum."""
    log = case.run.detail
    if log.values.get("result_min_queries_met", True):
        return
    yield Finding(
        rule="loadgen-min-queries",
        what="the run has fewer queries than its minimum",
        expected=f"{log.number('effective_min_query_count') or 0:.0f} queries",
        found=f"{log.number('result_query_count') or 0:.0f}",
        fix="raise max_query_count in user.conf, or leave it out",
        file=case.run.detail_file,
    )


def loadgen_latency_bound(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when Server's latencies are over the run's own bound."""
    log = case.run.detail
    if case.ran != "Server" or log.values.get("result_perf_constraints_met", True):
        return
    bound = (log.number("effective_target_latency_ns") or 0) / NANOSECONDS_PER_MS
    percentile = 100 * (log.number("effective_target_latency_percentile") or 0)
    found = log.number(f"result_{percentile:.2f}_percentile_latency_ns")
    rate = log.number("effective_target_qps")
    yield Finding(
        rule="loadgen-latency-bound",
        what=f"the {percentile:g}th percentile latency is over the bound",
        expected=f"at most {bound:g} ms",
        found=f"{found / NANOSECONDS_PER_MS:.4g} ms" if found is not None else "a higher one",
        fix=f"offer fewer queries than {rate:g} per second: lower target_qps" if rate else "lower target_qps",
        file=case.run.detail_file,
    )


def early_stopping(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when a latency's percentile rests on too few queries."""
    log = case.run.detail
    if case.ran in ("SingleStream", "MultiStream", "Server") and log.values.get("early_stopping_met") is not True:
        reason = " ".join(str(log.values.get("early_stopping_result", "")).replace("*", "").split())
        yield Finding(
            rule="early-stopping",
            what="too few queries for a percentile that can be trusted",
            expected="early_stopping_met true",
            found=reason or log.text("early_stopping_met"),
            fix="repeat the run with more queries: a longer min_duration, or a larger min_query_count",
            file=case.run.detail_file,
        )


#: The conditions of LoadGen's verdict.
CONDITIONS: tuple[Callable[[RunCase], Iterator[Finding]], ...] = (
    loadgen_min_duration,
    loadgen_min_queries,
    loadgen_latency_bound,
    early_stopping,
)


def result_validity(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when LoadGen does not call the run VALID; it names the conditions that are not met."""
    log = case.run.detail
    if log.values.get("result_validity") != "VALID":
        causes = [finding.what for condition in CONDITIONS for finding in condition(case)]
        yield Finding(
            rule="result-validity",
            what="LoadGen does not call the run valid",
            expected="result_validity VALID",
            found=log.text("result_validity") + (f", because {' and '.join(causes)}" if causes else ""),
            fix=(
                "fix that, and repeat the run"
                if causes
                else "see mlperf_log_summary.txt for the condition that failed, fix it, and repeat the run"
            ),
            file=case.run.detail_file,
        )
