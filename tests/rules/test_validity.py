from __future__ import annotations

from typing import Any

import pytest

from pytest_mlperf.rules.accuracy import Accuracy, check_target
from pytest_mlperf.rules.detail_log import DetailLog
from pytest_mlperf.rules.length import Needed, check_accuracy_length, check_performance_length
from pytest_mlperf.rules.performance import performance_of
from pytest_mlperf.rules.validity import check_validity

INVALID: dict[str, Any] = {
    "result_validity": "INVALID",
    "result_min_duration_met": True,
    "result_min_queries_met": True,
    "early_stopping_met": True,
    "effective_min_duration_ms": 600_000,
    "effective_min_query_count": 100,
    "effective_target_qps": 50,
    "effective_target_latency_ns": 100_000_000,
    "effective_target_latency_percentile": 0.99,
    "result_99.00_percentile_latency_ns": 123_456_789,
    "result_max_latency_ns": 2_000_000_000,
    "result_query_count": 64,
}


@pytest.mark.parametrize(
    ("scenario", "changed", "rule", "says"),
    [
        ("Offline", {"result_min_duration_met": False}, "min-duration", "expected: at least 600 s; found: 2 s"),
        ("SingleStream", {"result_min_duration_met": False}, "min-duration", "lower --target-latency"),
        ("Server", {"result_min_queries_met": False}, "min-queries", "expected: 100 queries; found: 64"),
        ("Server", {"result_perf_constraints_met": False}, "latency-bound", "at most 100 ms; found: 123.5 ms"),
        (
            "MultiStream",
            {"early_stopping_met": False, "early_stopping_result": " * Only 3."},
            "early-stopping",
            "Only 3.",
        ),
        ("Offline", {}, "validity", "see mlperf_log_summary.txt"),
    ],
)
def test_each_unmet_condition_is_named_with_what_to_do(
    scenario: str, changed: dict[str, Any], rule: str, says: str
) -> None:
    [finding] = check_validity(scenario, DetailLog(INVALID | changed))
    assert finding.rule == rule
    assert finding.severity == "error"
    assert says in str(finding)
    assert len(str(finding).splitlines()) == 3


def test_several_unmet_conditions_are_all_named() -> None:
    log = DetailLog(INVALID | {"result_min_duration_met": False, "early_stopping_met": False})
    assert [finding.rule for finding in check_validity("Server", log)] == ["min-duration", "early-stopping"]


def test_a_valid_run_has_no_finding() -> None:
    assert not list(check_validity("Server", DetailLog({"result_validity": "VALID"})))


@pytest.mark.parametrize(
    ("scenario", "key", "raw", "value", "unit"),
    [
        ("Offline", "result_samples_per_second", 12.5, 12.5, "samples/s"),
        ("Server", "result_completed_samples_per_sec", 7, 7.0, "queries/s"),
        ("SingleStream", "early_stopping_latency_ss", 2_500_000, 2.5, "ms"),
        ("MultiStream", "early_stopping_latency_ms", 5_000_000, 5.0, "ms"),
    ],
)
def test_a_result_has_the_key_and_the_unit_of_its_scenario(
    scenario: str, key: str, raw: float, value: float, unit: str
) -> None:
    figures = performance_of(scenario, DetailLog({key: raw, "result_validity": "VALID"}))
    assert (figures.value, figures.unit, figures.valid) == (value, unit, True)


def test_a_result_that_loadgen_does_not_give_is_none_and_not_zero() -> None:
    # SingleStream with too few queries for early stopping reports a latency of 0.
    assert performance_of("SingleStream", DetailLog({"early_stopping_latency_ss": 0})).value is None


def test_offline_counts_the_samples_of_its_one_query() -> None:
    log = DetailLog({"result_query_count": 1, "effective_samples_per_query": 24_576})
    assert performance_of("Offline", log).samples == 24_576


NEEDED = Needed(min_duration_ms=600_000, min_query_count=24_576, performance_sample_count=64)


def test_a_short_run_says_what_official_length_needs() -> None:
    log = DetailLog(
        {
            "effective_min_duration_ms": 0,
            "effective_samples_per_query": 500,
            "effective_min_query_count": 1,
            "effective_performance_sample_count": 10,
        }
    )
    found = {note.rule: (note.expected, note.found) for note in check_performance_length("Offline", log, NEEDED)}
    assert found == {
        "official-duration": ("a minimum of 600 s", "0 s"),
        "official-queries": ("24,576 samples", "500"),
        "official-sample-count": ("64", "10"),
    }


def test_a_run_of_official_length_lacks_nothing() -> None:
    log = DetailLog(
        {
            "effective_min_duration_ms": 600_000,
            "effective_samples_per_query": 24_576,
            "effective_performance_sample_count": 64,
        }
    )
    assert not list(check_performance_length("Offline", log, NEEDED))


def accuracy(value: float) -> Accuracy:
    return Accuracy(
        metric="mAP", unit="%", value=value, target=37.1745, reference=37.55, samples=500, dataset_size=24_781
    )


@pytest.mark.parametrize("value", [37.1745, 38.0])
def test_a_metric_at_or_above_its_target_passes(value: float) -> None:
    assert not list(check_target(accuracy(value)))


@pytest.mark.parametrize("value", [37.17449, 0.0, float("nan")])
def test_a_metric_below_its_target_fails_with_both_figures(value: float) -> None:
    [finding] = check_target(accuracy(value))
    assert finding.severity == "error"
    assert "at least 37.175 % (99.0% of the reference's 37.550 %)" in str(finding)
    assert f"found: {value:.3f} % on 500 samples" in str(finding)


def test_accuracy_of_a_part_is_labelled() -> None:
    [note] = check_accuracy_length(500, 24_781)
    assert (note.severity, note.expected, note.found) == ("note", "24,781 samples", "500")
    assert not list(check_accuracy_length(24_781, 24_781))
