"""A performance run is judged by its log, by what was measured beside it, and by what is asked of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs

from pytest_mlperf.machine.clock import Clock
from pytest_mlperf.rules.asked import Asked, asked_by_round
from pytest_mlperf.rules.audit import ACCURACY_LOG_SEED
from pytest_mlperf.rules.checks.case import Measured
from pytest_mlperf.rules.judge import (
    is_bent,
    is_short,
    judge_performance_run,
)
from pytest_mlperf.rules.performance import RESULT_FIELDS
from pytest_mlperf.rules.round import rounds
from pytest_mlperf.run.advice import ADVICE
from tests.rules.runs import RETINANET, ROUND, VALID, of, performance, run_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.rules.submissions import Submission

    Copy = Callable[[str], Submission]


@pytest.mark.parametrize("scenario", RESULT_FIELDS)
def test_a_valid_run_of_official_length_has_no_finding(scenario: str) -> None:
    assert performance(scenario, {}) == ()


#: Each condition of LoadGen's verdict, as its log states that it is not met.
CONDITIONS = [
    ("Offline", {"result_min_duration_met": False}, "loadgen-min-duration", "expected: at least 600 s; found: 2 s"),
    ("SingleStream", {"result_min_duration_met": False}, "loadgen-min-duration", "lower target_latency"),
    ("Server", {"result_min_queries_met": False}, "loadgen-min-queries", "expected: 1 queries; found: 64"),
    ("Server", {"result_perf_constraints_met": False}, "loadgen-latency-bound", "at most 100 ms; found: 123.5 ms"),
    (
        "MultiStream",
        {"early_stopping_met": False},
        "early-stopping",
        "at least 662 queries for an estimate of the 99th",
    ),
    ("Server", {"early_stopping_met": False, "early_stopping_result": " * Only 3."}, "early-stopping", "Only 3."),
]


@pytest.mark.parametrize(("scenario", "changed", "rule", "says"), CONDITIONS)
def test_each_unmet_condition_of_loadgen_is_an_error_of_its_own_and_the_cause_of_its_verdict(
    scenario: str, changed: dict[str, Any], rule: str, says: str
) -> None:
    condition, validity = performance(scenario, changed | {"result_validity": "INVALID"})
    assert (condition.rule, validity.rule) == (rule, "result-validity")
    assert condition.severity == validity.severity == "error"
    assert says in str(condition)
    assert len(str(condition).splitlines()) == 3
    assert validity.found == f"INVALID, because {condition.what}"


SLOW = {"result_perf_constraints_met": False, "result_completed_samples_per_sec": 40.0}
#: Each cause of INVALID, with what is found, and the option that mends it.
CAUSES = [
    (
        "SingleStream",
        {"early_stopping_met": False, "result_query_count": 10, "effective_target_latency_percentile": 0.9},
        "54 more queries",
        "--test-query-count 64",
    ),
    (
        "SingleStream",
        {"early_stopping_met": False, "result_query_count": 100, "effective_target_latency_percentile": 0.999},
        "at least 6,636 queries for an estimate of the 99.9th percentile; found: 100",
        "--test-query-count 6636",
    ),
    (
        "Server",
        {"early_stopping_met": False, "result_query_count": 662, "result_overlatency_query_count": 2},
        "at most 1 of 662 queries over 100 ms, for the 99th percentile; found: 2 of 662",
        "--test-query-count 1157",
    ),
    (
        "Server",
        {"early_stopping_met": False, "result_query_count": 100, "result_overlatency_query_count": 0},
        "repeat the run with 359 more queries",
        "--test-query-count 1001",
    ),
    (
        "Server",
        {"early_stopping_met": False, "result_query_count": 662, "result_overlatency_query_count": 30},
        "more queries do not help while 4.53% of them are late",
        "lower target_qps",
    ),
    ("Server", SLOW, "offer fewer queries than 50 per second", "--target-qps 32"),
    (
        "Offline",
        {"result_min_duration_met": False, "effective_min_duration_ms": 10_000},
        "at least 10 s; found: 2 s with 24,576 samples",
        "--target-qps 275",
    ),
    (
        "SingleStream",
        {"result_min_duration_met": False, "result_mean_latency_ns": 250_000},
        "the queries ran out with 64 queries",
        "--target-latency 0.25",
    ),
    (
        "MultiStream",
        {"result_min_queries_met": False, "effective_max_query_count": 64},
        "raise max_query_count in user.conf, or leave it out",
        "--user-conf",
    ),
    ("MultiStream", {"result_min_queries_met": False}, "raise max_duration in user.conf", "--user-conf"),
]


@pytest.mark.parametrize(("scenario", "changed", "says", "option"), CAUSES)
def test_advice_for_an_invalid_run_goes_by_its_cause_and_names_the_value_that_would_do(
    scenario: str, changed: dict[str, Any], says: str, option: str
) -> None:
    values = VALID | {"effective_scenario": scenario, "result_validity": "INVALID"} | changed
    cause = judge_performance_run(run_of(values), scenario, RETINANET, advice=ADVICE)[0]
    assert says in str(cause)
    assert option in cause.fix


def test_late_tokens_are_not_counted_as_late_queries() -> None:
    changed = {
        "early_stopping_met": False,
        "early_stopping_ttft_result": " * Would need to run at least 77 more queries.",
        "early_stopping_tpot_result": " * Run successful.",
        "result_overlatency_query_count": 60,
    }
    [finding] = performance("Server", changed)
    assert "77 more queries" in finding.found
    assert finding.settings == {}


#: LoadGen's test of 10 s, of 1,000 samples in Offline.
TEN_SECONDS = {
    "power_begin": "12-31-2026 23:59:55.000",
    "power_end": "01-01-2027 00:00:05.000",
    "effective_samples_per_query": 1_000,
    "result_samples_per_second": 100.0,
}


@pytest.mark.parametrize(
    ("clock", "changed", "says"),
    [
        (Clock(shortest=9.99, longest=10.2, step=0.0001), {}, ""),
        (Clock(shortest=9.99, longest=10.2, step=0.002), {}, "it moved by 0.002 s"),
        (Clock(shortest=20.0, longest=20.2, step=0.0), {}, "a test of 10.000 s, which took 20.000 to 20.200 s"),
        (Clock(shortest=4.0, longest=4.5, step=0.0), {}, "a test of 10.000 s, which took 4.000 to 4.500 s"),
        (
            Clock(shortest=9.99, longest=10.2, step=0.0),
            {"result_samples_per_second": 200.0},
            "a test of 5.000 s, which took 9.990 to 10.200 s",
        ),
        (  # LoadGen filled the query up to whole passes over the data set
            Clock(shortest=9.99, longest=10.2, step=0.0),
            {"result_samples_per_second": 200.0, "generated_samples_per_query": 2_000},
            "",
        ),
        (None, {"result_samples_per_second": 200.0}, ""),
    ],
)
def test_loadgens_figures_are_held_against_a_clock_that_nobody_sets(
    clock: Clock | None, changed: dict[str, Any], says: str
) -> None:
    log = run_of(VALID | TEN_SECONDS | {"effective_scenario": "Offline"} | changed)
    asked = structs.replace(RETINANET, samples_per_query=None)
    findings = judge_performance_run(log, "Offline", asked, measured=Measured(clock=clock))
    assert of(findings, "error") == (["clock"] if says else [])
    assert says in "".join(finding.found for finding in findings)


def test_a_busy_machine_is_an_error_where_a_quiet_one_was_asked_for() -> None:
    log = run_of(VALID | {"effective_scenario": "Offline"})
    [finding] = judge_performance_run(log, "Offline", RETINANET, measured=Measured(busy=("a", "b")))
    assert (finding.rule, finding.severity, finding.found) == ("quiet-machine", "error", "a; b")


def test_several_unmet_conditions_are_all_named() -> None:
    findings = performance(
        "Server", {"result_validity": "INVALID", "result_min_duration_met": False, "early_stopping_met": False}
    )
    assert of(findings, "error") == ["loadgen-min-duration", "early-stopping", "result-validity"]
    assert all(finding.what in findings[-1].found for finding in findings[:-1])


def test_a_verdict_without_a_condition_sends_to_the_summary() -> None:
    [finding] = performance("Offline", {"result_validity": "INVALID"})
    assert (finding.rule, finding.found) == ("result-validity", "INVALID")
    assert "see mlperf_log_summary.txt" in finding.fix


@pytest.mark.parametrize(
    ("scenario", "changed", "rule"),
    [
        ("Offline", {"effective_test_mode": "AccuracyOnly"}, "test-mode"),
        ("Offline", {"num_errors": 2}, "loadgen-errors"),
        ("Offline", {"effective_schedule_rng_seed": 1}, "seeds"),
        ("Offline", {"result_samples_per_second": 0}, "result-metric"),
        ("Server", {"effective_target_latency_ns": 100_000_001}, "server-latency"),
        ("Server", {"effective_target_latency_percentile": 0.98}, "latency-percentile"),
        ("SingleStream", {"effective_target_latency_percentile": 0.5}, "latency-percentile"),
        ("MultiStream", {"effective_target_latency_percentile": 0.999}, "latency-percentile"),
        ("MultiStream", {"effective_samples_per_query": 1}, "query-size"),
        ("SingleStream", {"effective_sample_concatenate_permutation": True}, "sample-order"),
        ("Server", {"requested_use_token_latencies": True}, "token-latencies"),
        ("Offline", {"effective_performance_issue_same": True}, "audit-settings"),
        ("Offline", {"effective_accuracy_log_sampling_target": 256}, "audit-settings"),
    ],
)
def test_what_no_length_explains_is_an_error(scenario: str, changed: dict[str, Any], rule: str) -> None:
    findings = performance(scenario, changed)
    assert of(findings, "error") == [rule]
    assert not is_short(findings)


@pytest.mark.parametrize(("rule", "test"), [("performance-log", ""), ("compliance-run", "TEST04")])
def test_a_log_that_cannot_be_read_is_one_error_and_nothing_else_is_asked(rule: str, test: str) -> None:
    [finding] = judge_performance_run(run_of({}, fault="is not UTF-8 text"), "Offline", RETINANET, test=test)
    assert (finding.rule, finding.severity, finding.file) == (rule, "error", "mlperf_log_detail.txt")


@pytest.mark.parametrize(
    ("scenario", "changed", "says"),
    [
        ("SingleStream", {"effective_target_latency_percentile": 0.5}, "target_latency_percentile 90; found: 50"),
        ("Server", {"effective_target_latency_percentile": 0.5}, "at least 99; found: 50"),
        ("MultiStream", {"effective_samples_per_query": 1}, "samples_per_query 8; found: 1"),
        ("Server", {"effective_target_latency_ns": 200_000_000}, "at most 100 ms; found: 200 ms"),
        ("Offline", {"effective_performance_issue_same": True}, "performance_issue_same 0; found: True"),
    ],
)
def test_a_short_run_that_is_another_test_is_told_and_bent(scenario: str, changed: dict[str, Any], says: str) -> None:
    findings = performance(scenario, changed | {"effective_min_duration_ms": 0})
    assert of(findings, "error") == []
    [bent] = [finding for finding in findings if is_bent([finding])]
    assert says in str(bent)


@pytest.mark.parametrize("percentile", [0.99, 0.999])
def test_a_harder_percentile_is_the_submitters_choice_in_server(percentile: float) -> None:
    assert performance("Server", {"effective_target_latency_percentile": percentile}) == ()


def test_a_run_that_loads_less_than_it_was_told_has_what_it_loaded() -> None:
    findings = performance("Offline", {"effective_performance_sample_count": 64, "qsl_reported_total_count": 10})
    assert [(finding.rule, finding.found) for finding in findings] == [("loaded-sample-count", "10")]


def test_a_compliance_tests_run_has_the_settings_of_its_audit_config() -> None:
    asked = asked_by_round(ROUND, "retinanet", "TEST01")
    values = {"effective_accuracy_log_rng_seed": ACCURACY_LOG_SEED, "effective_accuracy_log_sampling_target": 256}
    assert performance("Offline", values, asked) == ()
    for wrong in (
        {"effective_accuracy_log_rng_seed": ACCURACY_LOG_SEED + 1},
        {"effective_accuracy_log_sampling_target": 0},
    ):
        assert [finding.rule for finding in performance("Offline", values | wrong, asked)] == ["audit-settings"]


def test_a_short_run_says_what_official_length_needs_and_no_more() -> None:
    changed = {
        "effective_min_duration_ms": 0,
        "effective_samples_per_query": 500,
        "effective_performance_sample_count": 10,
    }
    findings = performance("Offline", changed)
    assert {note.rule: (note.expected, note.found) for note in findings} == {
        "min-duration": ("a minimum of 600 s", "0 s"),
        "samples-per-query": ("24,576 samples", "500"),
        "performance-sample-count": ("64 different samples", "10"),
    }
    assert of(findings, "error") == []
    assert is_short(findings)


def test_in_no_round_loadgens_own_configuration_asks() -> None:
    asked = Asked(min_duration_ms=600_000, min_queries={"SingleStream": 100}, performance_sample_count=64)
    seeds = {"effective_qsl_rng_seed": 1}
    assert performance("SingleStream", seeds | {"effective_min_query_count": 100}, asked) == ()
    [note] = performance("SingleStream", seeds | {"effective_min_query_count": 64}, asked)
    assert (note.rule, note.severity, note.expected, note.found) == ("min-query-count", "note", "100 queries", "64")


def test_test05_has_its_own_seeds() -> None:
    rules = rounds()["v4.1"]
    seeds = rules.test05_seeds
    assert asked_by_round(rules, "retinanet", "TEST05").seeds == seeds
    assert asked_by_round(rules, "retinanet", "TEST01").seeds == rules.seeds != seeds
