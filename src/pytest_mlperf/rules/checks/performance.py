"""What a performance run must show: its figure, its bound, its order of samples, its scenario; one function each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_mlperf.rules.figure_names import name_of
from pytest_mlperf.rules.figures import INFERRED, figure_of
from pytest_mlperf.rules.finding import Finding
from pytest_mlperf.rules.performance import NANOSECONDS_PER_MS, RESULT_FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_mlperf.rules.checks.case import ResultCase, RunCase

#: LoadGen logs the setting since version 5.0.
_NOT_LOGGED = ("v4.0", "v4.1")
#: What is compared with what the round asks, and what is true or false.
_NUMBERS = (
    "effective_min_duration_ms",
    "effective_min_query_count",
    "effective_samples_per_query",
    "effective_performance_sample_count",
    "effective_target_latency_ns",
)
_TRUTHS = ("early_stopping_met",)
_NETWORK_SUT = "Network SUT"


def result_metric(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when the run has no figure of its scenario, or 0."""
    if _lacks_figure(case) and not _has_taken_zero(case):
        yield _no_figure("result-metric", case)


def result_zero(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when the figure is 0 where the official checkers take that."""
    if _lacks_figure(case) and _has_taken_zero(case):
        yield _no_figure("result-zero", case)


def _no_figure(rule: str, case: RunCase) -> Finding:
    log, field, key = case.run.detail, RESULT_FIELDS.get(case.ran), _figure_key(case)
    return Finding(
        rule=rule,
        what=f"the run has no figure: {name_of(case.ran, log).words}"
        if field
        else "the log names no scenario that is known",
        expected=f"{key} above 0" if field else f"effective_scenario one of {', '.join(RESULT_FIELDS)}",
        found=log.text(key) if field else log.text("effective_scenario"),
        fix="repeat the run; a figure of 0 means that no query was answered, or too few for an estimate",
        file=case.run.detail_file,
    )


def _lacks_figure(case: RunCase) -> bool:
    figure = figure_of(case.scenario, case.run.detail, case.asked.figures)
    return figure.value is None and (figure.inferred or not _is_figure(case.run.detail.values.get(_figure_key(case))))


def _has_taken_zero(case: RunCase) -> bool:
    figure = figure_of(case.scenario, case.run.detail, case.asked.figures)
    return case.zero_taken and not figure.inferred and _is_zero(case.run.detail.values.get(_figure_key(case)))


def _figure_key(case: RunCase) -> str:
    field = RESULT_FIELDS.get(case.ran)
    return case.asked.figures.get(case.ran, field.key if field else "")


def log_numbers(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when a value that decides is none that LoadGen writes: negative, infinite, of another type."""
    log, field = case.run.detail, RESULT_FIELDS.get(case.ran)
    figure = case.asked.figures.get(case.ran, field.key if field else "")
    odd = [key for key in (*_NUMBERS, figure) if key in log.values and not (log.number(key) or 0) >= 0]
    odd += [key for key in (*_NUMBERS, figure) if log.values.get(key) is not None and log.number(key) is None]
    odd += [key for key in _TRUTHS if log.values.get(key) is not None and not isinstance(log.values[key], bool)]
    if odd:
        yield Finding(
            rule="log-numbers",
            what=f"{odd[0]} is nothing that LoadGen writes",
            expected="true or false" if odd[0] in _TRUTHS else "a number, 0 or more",
            found=log.text(odd[0]),
            fix="put the log of the run here as LoadGen wrote it",
            file=case.run.detail_file,
        )


def _is_figure(value: Any) -> bool:
    """Return whether the official checkers take a value for a figure: whatever Python makes a number of, but for 0."""
    try:
        return float(value) != 0
    except (TypeError, ValueError, OverflowError):
        return False


def _is_zero(value: Any) -> bool:
    try:
        return float(value) == 0
    except (TypeError, ValueError, OverflowError):
        return False


def compared_numbers(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when what is compared is no number: the checkers of v2.1 and v3.0 then end in an error."""
    log, asked = case.run.detail, case.asked
    keys = ["effective_min_duration_ms"]
    if case.ran == "Offline":
        keys += ["effective_min_query_count", "effective_samples_per_query"]
    if case.ran == "Server" and asked.server_latency_ns is not None:
        keys += ["effective_target_latency_ns"]
    odd = [key for key in keys if log.comparable(key) is None]
    if odd:
        yield Finding(
            rule="compared-numbers",
            what=f"{odd[0]} is no number",
            expected="a number",
            found=log.text(odd[0]),
            fix="put the log of the run here as LoadGen wrote it",
            file=case.run.detail_file,
        )


def server_latency(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when Server's latency bound is wider than the benchmark's."""
    bound, key = case.asked.server_latency_ns, "effective_target_latency_ns"
    if case.ran != "Server" or bound is None:
        return
    log = case.run.detail
    found = log.comparable(key)
    if found is None or found > bound:
        yield Finding(
            rule="server-latency",
            what="Server's latency bound is wider than the benchmark's",
            expected=f"at most {bound / NANOSECONDS_PER_MS:g} ms",
            found=f"{found / NANOSECONDS_PER_MS:.10g} ms" if found is not None else log.text(key),
            fix="leave target_latency out of user.conf, and repeat the run",
            file=case.run.detail_file,
        )


def equal_issue(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when samples of unequal work are not issued equally often."""
    log = case.run.detail
    unsaid = "effective_sample_concatenate_permutation" not in log.values and case.asked.round in _NOT_LOGGED
    if case.asked.equal_issue and not unsaid and log.values.get("effective_sample_concatenate_permutation") is not True:
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
    if case.in_network and _NETWORK_SUT not in str(log.values.get("sut_name")):
        yield Finding(
            rule="network",
            what="the system under test was not reached over the network",
            expected=f"a sut_name with {_NETWORK_SUT!r}",
            found=log.text("sut_name"),
            fix="run through LoadGen's network SUT, or remove is_network from the system's description",
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
