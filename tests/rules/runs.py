"""The logs of runs: a valid one of official length, and changed ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_mlperf.rules.asked import PERCENTILES, QUERY_SIZES, Asked, asked_by_round
from pytest_mlperf.rules.detail_log import DetailLog
from pytest_mlperf.rules.judge import (
    judge_performance_run,
)
from pytest_mlperf.rules.performance import RESULT_FIELDS
from pytest_mlperf.rules.reading.files import MISSING, Text
from pytest_mlperf.rules.reading.submission import Run
from pytest_mlperf.rules.round import find_round

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_mlperf.rules.finding import Finding
    from tests.rules.submissions import Submission

    Copy = Callable[[str], Submission]

ROUND = find_round("v5.1")
RETINANET = asked_by_round(ROUND, "retinanet")
SEEDS = {f"effective_{name}": getattr(ROUND.seeds, name) for name in ROUND.seeds.__struct_fields__}
FIGURES = {field.key: 1_000_000 for field in RESULT_FIELDS.values()}

#: What a valid run of official length leaves, in any scenario.
VALID: dict[str, Any] = {
    **SEEDS,
    **FIGURES,
    "effective_test_mode": "PerformanceOnly",
    "effective_min_duration_ms": 600_000,
    "effective_min_query_count": 1,
    "effective_samples_per_query": 24_576,
    "effective_performance_sample_count": 64,
    "effective_target_qps": 50,
    "effective_target_latency_ns": 100_000_000,
    "effective_target_latency_percentile": 0.99,
    "result_validity": "VALID",
    "result_min_duration_met": True,
    "result_min_queries_met": True,
    "result_perf_constraints_met": True,
    "early_stopping_met": True,
    "result_99.00_percentile_latency_ns": 123_456_789,
    "result_max_latency_ns": 2_000_000_000,
    "result_query_count": 64,
    "num_errors": 0,
}


def run_of(values: Mapping[str, Any], **log: Any) -> Run:
    return Run("", None, DetailLog(values, **log), Text("mlperf_log_summary.txt", fault=MISSING))


def performance(scenario: str, changed: dict[str, Any], asked: Asked = RETINANET, **log: Any) -> tuple[Finding, ...]:
    of_scenario = {
        "effective_scenario": scenario,
        "effective_samples_per_query": QUERY_SIZES.get(scenario, VALID["effective_samples_per_query"]),
        "effective_target_latency_percentile": PERCENTILES.get(scenario, 0.99),
    }
    values = VALID | of_scenario | changed
    return judge_performance_run(run_of(values, **log), scenario, asked)


def of(findings: tuple[Finding, ...], severity: str) -> list[str]:
    return [finding.rule for finding in findings if finding.severity == severity]
