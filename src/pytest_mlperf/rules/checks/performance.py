"""The rules of a performance run, one function each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pytest_mlperf.rules.figures import INFERRED, figure_of
from pytest_mlperf.rules.finding import Finding
from pytest_mlperf.rules.performance import NANOSECONDS_PER_MS, RESULT_FIELDS
from pytest_mlperf.rules.reading.files import state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_mlperf.rules.checks.case import ResultCase, RunCase

_PERFORMANCE_MODES = ("PerformanceOnly", "SubmissionRun")
_NETWORK_SUT = "Network SUT"
_AGAIN = "run it again with `--run-length official`"


def performance_log(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding when the log is missing or cannot be read."""
    fault = case.result.performance.detail.fault
    if fault is not None:
        yield Finding(
            rule="performance-log",
            what="the performance log cannot be judged",
            expected="a log that LoadGen finished",
            found=state(fault),
            fix="copy mlperf_log_detail.txt of the performance run again; where it is lost, repeat the run",
            file=case.result.performance.detail_file,
        )


def loadgen_errors(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when LoadGen counted errors, or, where it did not count, wrote some."""
    log = case.run.detail
    count = log.values["num_errors"] if "num_errors" in log.values else len(log.errors)
    if count:
        yield Finding(
            rule="loadgen-errors",
            what="LoadGen met errors during the run",
            expected="none",
            found=f"{count}, the first: {log.errors[0] if log.errors else 'not in the log'}",
            fix="mend the cause that LoadGen names, and repeat the run",
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
            fix="mend the cause that LoadGen names, and repeat the run",
            file=case.run.detail_file,
        )


def result_validity(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when LoadGen does not call the run VALID."""
    log = case.run.detail
    if log.values.get("result_validity") != "VALID":
        yield Finding(
            rule="result-validity",
            what="LoadGen does not call the run valid",
            expected="result_validity VALID",
            found=log.text("result_validity"),
            fix="mlperf_log_summary.txt names the condition that failed: mend it, and repeat the run",
            file=case.run.detail_file,
        )


def result_metric(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when the run has no figure of its scenario, or 0."""
    log = case.run.detail
    if figure_of(case.case.result.scenario, log).value is None:
        field = RESULT_FIELDS.get(case.ran)
        yield Finding(
            rule="result-metric",
            what=f"the run has no {field.words}" if field else "the log names no scenario that is known",
            expected=f"{field.key} above 0" if field else f"effective_scenario one of {', '.join(RESULT_FIELDS)}",
            found=log.text(field.key) if field else log.text("effective_scenario"),
            fix="repeat the run; a figure of 0 means that no query was answered",
            file=case.run.detail_file,
        )


def test_mode(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when the log is not that of a performance run."""
    log = case.run.detail
    if log.values.get("effective_test_mode") not in _PERFORMANCE_MODES:
        yield Finding(
            rule="test-mode",
            what="the performance log is that of another mode",
            expected="effective_test_mode PerformanceOnly",
            found=log.text("effective_test_mode"),
            fix="put the log of the performance run here",
            file=case.run.detail_file,
        )


def performance_sample_count(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when the run loads fewer different samples than the benchmark asks."""
    if case.case.rules is not None:
        least = case.case.rules.performance_sample_count
        yield from _at_least(
            case,
            "performance-sample-count",
            "effective_performance_sample_count",
            least,
            "the run loads too few different samples",
            "run on the whole data set, and leave performance_sample_count_override to the round",
        )


def seeds(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when seeds are not the round's."""
    log = case.run.detail
    asked = msgspec.structs.asdict(case.seeds)
    wrong = [name for name, seed in asked.items() if log.values.get(f"effective_{name}") != seed]
    if wrong:
        yield Finding(
            rule="seeds",
            what=f"the seeds are not those of {case.case.round.name}",
            expected=", ".join(f"{name} {asked[name]}" for name in wrong),
            found=", ".join(log.text(f"effective_{name}") for name in wrong),
            fix=f"run with the round's seeds: `--round {case.case.round.name}`",
            file=case.run.detail_file,
        )


def min_duration(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when the run was allowed to be shorter than the round asks."""
    yield from _at_least(
        case,
        "min-duration",
        "effective_min_duration_ms",
        case.case.round.min_duration_ms,
        "the run's minimum duration is shorter than the round's",
        f"{_AGAIN}, and without min_duration in user.conf",
    )


def min_query_count(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when Offline had no minimum of queries."""
    if case.ran == "Offline" and case.case.rules is not None:
        yield from _at_least(
            case,
            "min-query-count",
            "effective_min_query_count",
            case.case.rules.min_queries.get("Offline", 1),
            "the run's minimum of queries is below the round's",
            f"{_AGAIN}, and without min_query_count in user.conf",
        )


def samples_per_query(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when Offline's query has too few samples."""
    if case.ran == "Offline" and case.case.rules is not None:
        yield from _at_least(
            case,
            "samples-per-query",
            "effective_samples_per_query",
            case.case.rules.offline_samples_per_query,
            "Offline's query has too few samples",
            f"{_AGAIN}; LoadGen counts the samples from target_qps and the duration",
        )


def server_latency(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when Server's latency bound is wider than the benchmark's."""
    bound = case.case.rules.server_latency_ns if case.case.rules is not None else None
    log = case.run.detail
    if case.ran != "Server" or bound is None:
        return
    found = log.number("effective_target_latency_ns")
    if found is None or found > bound:
        yield Finding(
            rule="server-latency",
            what="Server's latency bound is not the benchmark's",
            expected=f"effective_target_latency_ns of at most {bound:,}, {bound / NANOSECONDS_PER_MS:g} ms",
            found=f"{found:,.0f}" if found is not None else log.text("effective_target_latency_ns"),
            fix="leave target_latency out of user.conf, and repeat the run",
            file=case.run.detail_file,
        )


def early_stopping(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when a latency's percentile rests on too few queries."""
    log = case.run.detail
    if case.ran in ("SingleStream", "MultiStream", "Server") and log.values.get("early_stopping_met") is not True:
        yield Finding(
            rule="early-stopping",
            what="the run has too few queries for its percentile",
            expected="early_stopping_met true",
            found=log.text("early_stopping_met"),
            fix=_AGAIN,
            file=case.run.detail_file,
        )


def equal_issue(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when samples of unequal work are not issued equally often."""
    log = case.run.detail
    asked = case.case.rules is not None and case.case.rules.equal_issue
    if asked and log.values.get("effective_sample_concatenate_permutation") is not True:
        yield Finding(
            rule="equal-issue",
            what="samples are not issued equally often",
            expected="effective_sample_concatenate_permutation true",
            found=log.text("effective_sample_concatenate_permutation"),
            fix="set sample_concatenate_permutation = 1 in user.conf, and repeat the run",
            file=case.run.detail_file,
        )


def network(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when a system in the network was not reached over it."""
    log = case.run.detail
    if case.case.in_network and _NETWORK_SUT not in str(log.values.get("sut_name")):
        yield Finding(
            rule="network",
            what="the system under test was not reached over the network",
            expected=f"a sut_name with {_NETWORK_SUT!r}",
            found=log.text("sut_name"),
            fix="run through LoadGen's network SUT, or take is_network out of the system's description",
            file=case.run.detail_file,
        )


def inferred_scenario(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding when the run's scenario neither is the directory's nor implies it."""
    scenario, log = case.result.scenario, case.result.performance.detail
    ran = log.values.get("effective_scenario")
    if log.fault is not None or scenario is None or ran == scenario or (ran, scenario) == ("Server", "Interactive"):
        return
    if (ran, scenario) in INFERRED and "edge" in case.system_type:
        return
    implied = (ran, scenario) in INFERRED
    yield Finding(
        rule="inferred-scenario",
        what=f"the performance log is not one of {scenario}",
        expected=scenario + (", or on an edge system a scenario that implies it" if implied else ""),
        found=f"{log.text('effective_scenario')} on a system of type {case.system_type or 'unknown'}",
        fix=f"put the log of a run in {scenario} here",
        file=case.result.performance.detail_file,
    )


def _at_least(case: RunCase, rule: str, key: str, least: int, what: str, fix: str) -> Iterator[Finding]:
    log = case.run.detail
    found = log.number(key)
    if found is None or found < least:
        yield Finding(
            rule=rule,
            what=what,
            expected=f"{key} of at least {least:,}",
            found=f"{found:,.0f}" if found is not None else log.text(key),
            fix=fix,
            file=case.run.detail_file,
        )


#: The rules of every performance run whose log can be read, those of compliance tests too.
RUN_CHECKS: tuple[Callable[[RunCase], Iterator[Finding]], ...] = (
    loadgen_errors,
    loadgen_error_messages,
    result_validity,
    result_metric,
    test_mode,
    performance_sample_count,
    seeds,
    min_duration,
    min_query_count,
    samples_per_query,
    server_latency,
    early_stopping,
    equal_issue,
    network,
)
