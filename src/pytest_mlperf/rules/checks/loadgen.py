"""LoadGen's own verdict on a performance run, and the conditions that it rests on, one function each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pytest_mlperf.rules.figure_names import ordinal, percentile_of
from pytest_mlperf.rules.finding import Finding
from pytest_mlperf.rules.performance import NANOSECONDS_PER_MS
from pytest_mlperf.scenarios.early_stopping import (
    FOR_AN_ESTIMATE,
    late_allowed,
    queries_needed,
    queries_needed_at,
)
from pytest_mlperf.scenarios.server import FEWEST_LATE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_mlperf.rules.checks.case import RunCase
    from pytest_mlperf.rules.detail_log import DetailLog

NANOSECONDS = 1e9
#: A run of which this much more was expected lasts long enough, though throughput varies.
MARGIN = 1.1
#: A system that is offered this part of what it can answer has room for bursts.
LESS = 0.8
#: Advice stops here: a run of more queries is nobody's next step.
MOST_QUERIES = 1_000_000
#: Where the log has early stopping's words if LoadGen counts the late tokens instead of the late queries.
_OF_TOKENS = ("early_stopping_ttft_result", "early_stopping_tpot_result")
_TOO_FEW = "too few queries for a percentile that can be trusted"


def loadgen_min_duration(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when the run ended before its own minimum duration."""
    log = case.run.detail
    if log.values.get("result_min_duration_met", True):
        return
    seconds = (log.number("effective_min_duration_ms") or 0) / 1000
    longest = log.number("result_max_latency_ns") if case.ran == "Offline" else None
    found = f"{longest / NANOSECONDS:.3g} s" if longest is not None else "the queries ran out"
    if case.ran == "Offline":
        found += f" with {log.number('effective_samples_per_query') or 0:,.0f} samples"
    else:
        found += f" with {log.number('result_query_count') or 0:,.0f} queries"
    yield Finding(
        rule="loadgen-min-duration",
        what="the run is shorter than its minimum duration",
        expected=f"at least {seconds:g} s",
        found=found,
        fix=(
            "raise target_qps, from which LoadGen counts the samples"
            if case.ran in ("Offline", "Server")
            else "lower target_latency, from which LoadGen counts the queries"
        ),
        settings=_longer(case.ran, log, seconds),
        file=case.run.detail_file,
    )


def _longer(scenario: str, log: DetailLog, seconds: float) -> dict[str, str]:
    """Return the setting with which LoadGen generates enough for the minimum duration."""
    rate, longest = log.number("effective_target_qps"), log.number("result_max_latency_ns")
    if scenario == "Offline" and rate and longest:
        return {"target_qps": f"{MARGIN * rate * seconds * NANOSECONDS / longest:.4g}"}
    mean = log.number("result_mean_query_latency_ns" if scenario == "MultiStream" else "result_mean_latency_ns")
    if scenario in ("SingleStream", "MultiStream") and mean:
        return {"target_latency": f"{mean / NANOSECONDS_PER_MS:.4g}"}
    return {}


def loadgen_min_queries(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when the run has fewer queries than its own minimum."""
    log = case.run.detail
    if log.values.get("result_min_queries_met", True):
        return
    found = log.number("result_query_count") or 0
    most = log.number("effective_max_query_count") or 0
    cause = "max_query_count" if 0 < most <= found else "max_duration"
    yield Finding(
        rule="loadgen-min-queries",
        what="the run has fewer queries than its minimum",
        expected=f"{log.number('effective_min_query_count') or 0:,.0f} queries",
        found=f"{found:,.0f}",
        fix=f"raise {cause} in user.conf, or leave it out: it ended the run",
        file=case.run.detail_file,
    )


def loadgen_latency_bound(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when Server's latencies are over the run's own bound."""
    log = case.run.detail
    if case.ran != "Server" or log.values.get("result_perf_constraints_met", True):
        return
    bound = (log.number("effective_target_latency_ns") or 0) / NANOSECONDS_PER_MS
    fraction = percentile_of(log)
    percentile = f"the {ordinal(fraction)}-percentile latency" if fraction is not None else "the latency"
    found = log.number(f"result_{100 * (fraction or 0):.2f}_percentile_latency_ns")
    rate, answered = log.number("effective_target_qps"), log.number("result_completed_samples_per_sec")
    yield Finding(
        rule="loadgen-latency-bound",
        what=f"{percentile} is over the bound",
        expected=f"at most {bound:g} ms",
        found=f"{found / NANOSECONDS_PER_MS:.4g} ms" if found is not None else "a higher one",
        fix=f"offer fewer queries than {rate:g} per second: lower target_qps" if rate else "lower target_qps",
        settings={"target_qps": f"{LESS * min(rate, answered):.4g}"} if rate and answered else {},
        file=case.run.detail_file,
    )


#: Where whatever is true to Python counts as met.
_TAKES_ANYTHING = ("v6.0", "v6.1")


def early_stopping(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when a latency's percentile rests on too few queries."""
    log = case.run.detail
    met = log.values.get("early_stopping_met")
    if case.ran not in ("SingleStream", "MultiStream", "Server") or met is True:
        return
    if met and case.asked.round in _TAKES_ANYTHING:
        return  # at strict it is none of LoadGen's values
    percentile, queries = percentile_of(log), log.number("result_query_count")
    finding = None
    if percentile is not None and queries is not None and 0 <= queries < MOST_QUERIES:
        found = int(queries)
        finding = _too_late(log, percentile, found) if case.ran == "Server" else _too_few(percentile, found)
    if finding is None:
        said = (str(log.values.get(key, "")) for key in ("early_stopping_result", *_OF_TOKENS))
        reason = " ".join(" ".join(said).replace("*", "").split())
        finding = Finding(
            rule="early-stopping",
            what=_TOO_FEW,
            expected="early_stopping_met true",
            found=reason or log.text("early_stopping_met"),
            fix="repeat the run with more queries: a longer min_duration, or a larger min_query_count",
        )
    yield msgspec.structs.replace(finding, file=case.run.detail_file)


def _too_few(percentile: float, queries: int) -> Finding | None:
    """Explain why LoadGen can estimate no percentile; None where the log's numbers do not."""
    needed = queries_needed(FOR_AN_ESTIMATE, percentile)
    if queries >= needed:
        return None
    return Finding(
        rule="early-stopping",
        what=_TOO_FEW,
        expected=f"at least {needed:,} queries for an estimate of the {ordinal(percentile)} percentile",
        found=f"{queries:,}",
        fix=f"repeat the run with {needed - queries:,} more queries: a min_query_count of {needed}",
        settings={"min_query_count": str(needed)},
    )


def _too_late(log: DetailLog, percentile: float, queries: int) -> Finding | None:
    """Explain why so many queries may not have so many late ones; None where the log's numbers do not."""
    late, bound = log.number("result_overlatency_query_count"), log.number("effective_target_latency_ns")
    if late is None or not bound or not 0 <= late <= queries or _OF_TOKENS[0] in log.values:
        return None
    allowed = late_allowed(queries, percentile)
    if late <= allowed:
        return None
    over, share = f"over {bound / NANOSECONDS_PER_MS:.10g} ms", late / queries if queries else 0.0
    enough = queries_needed_at(share, percentile, MOST_QUERIES)
    if enough is None:
        fix = f"repeat the run with a lower target_qps: more queries do not help while {share:.2%} of them are late"
    else:
        more = queries_needed(int(late), percentile) - queries
        enough = max(enough, queries_needed(FEWEST_LATE, percentile))
        fix = (
            f"repeat the run with {more:,} more queries, if none of these is late; a min_query_count of {enough} leaves"
            " room for as large a share of late ones"
        )
    return Finding(
        rule="early-stopping",
        what=_TOO_FEW if enough is not None else "too many late queries for the percentile to be within the bound",
        expected=(
            f"at most {allowed:,} of {queries:,} queries {over}, for the {ordinal(percentile)} percentile"
            if allowed >= 0
            else f"at least {queries_needed(0, percentile):,} queries for the {ordinal(percentile)} percentile"
        ),
        found=f"{late:,.0f} of {queries:,} queries {over}",
        fix=fix,
        settings={"min_query_count": str(enough)} if enough is not None else {},
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
