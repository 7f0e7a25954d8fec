"""A figure is named after the percentile that the run was given, wherever it is shown."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from pytest_mlperf.report.junit import properties
from pytest_mlperf.report.row import row
from pytest_mlperf.rules.detail_log import DetailLog
from pytest_mlperf.rules.figure_names import ordinal
from pytest_mlperf.rules.performance import performance_of
from pytest_mlperf.run.result import RunResult

LATENCIES = {f"result_{p}.00_percentile_latency_ns": 2_000_000 for p in (50, 90, 99)}
FIGURES = {
    "early_stopping_latency_ss": 2_500_000,
    "early_stopping_latency_ms": 5_000_000,
    "result_samples_per_second": 12.5,
    "result_completed_samples_per_sec": 7,
}


def run(scenario: str, percentile: object, **log: object) -> RunResult:
    values: dict[str, Any] = {
        **FIGURES,
        **LATENCIES,
        "effective_scenario": scenario,
        "effective_target_latency_percentile": percentile,
        **log,
    }
    return RunResult(
        case="case",
        benchmark="benchmark",
        edition="tiny",
        implementation="python",
        backend="onnxruntime",
        device="cpu",
        scenario=scenario,
        mode="performance",
        run_length="short",
        verdict="VALID",
        performance=performance_of(scenario, DetailLog(values)),
    )


@pytest.mark.parametrize(
    ("scenario", "percentile", "words", "cell"),
    [
        ("SingleStream", 0.9, "90th-percentile latency, early stopping", "p90, early stopping: 2.5 ms"),
        ("SingleStream", 0.999, "99.9th-percentile latency, early stopping", "p99.9, early stopping: 2.5 ms"),
        ("MultiStream", 0.99, "99th-percentile latency, early stopping", "p99, early stopping: 5 ms"),
        ("MultiStream", 0.5, "50th-percentile latency, early stopping", "p50, early stopping: 5 ms"),
        ("MultiStream", "x", "latency of an unknown percentile, early stopping", "early stopping: 5 ms"),
        ("Server", 0.97, "completed queries per second, p97 within 100 ms", "7 queries/s"),
        ("Offline", 0.99, "samples per second", "12.5 samples/s"),
    ],
)
def test_table_json_and_junit_have_the_name_of_the_figure_by_the_percentile_of_the_run(
    scenario: str, percentile: object, words: str, cell: str
) -> None:
    result = run(scenario, percentile, effective_target_latency_ns=100_000_000)
    assert row(result).result == cell
    assert row(result).target == ("p97 within 100 ms" if scenario == "Server" else "–")
    assert dict(properties(result))["mlperf.result_name"] == words
    stated = json.loads(msgspec.json.encode(result))["performance"]
    assert stated["words"] == words
    assert stated["percentile"] == (percentile if isinstance(percentile, float) and scenario != "Offline" else None)


def test_a_server_without_a_bound_of_its_own_states_none() -> None:
    assert row(run("Server", 0.99, effective_target_latency_ns=0)).target == "–"  # LoadGen counts tokens instead


def test_offline_has_no_latencies_anywhere() -> None:
    # Its samples are one query: what LoadGen logs is the time since the start of the test.
    result = run("Offline", 0.99)
    assert row(result).latencies == "–"
    assert not [name for name, _ in properties(result) if "latency" in name]
    assert json.loads(msgspec.json.encode(result))["performance"]["latency_ms"] == {}


@pytest.mark.parametrize(
    ("percentile", "text"),
    [(0.9, "90th"), (0.91, "91st"), (0.92, "92nd"), (0.93, "93rd"), (0.11, "11th"), (0.999, "99.9th"), (0.01, "1st")],
)
def test_a_percentile_is_an_ordinal_number(percentile: float, text: str) -> None:
    assert ordinal(percentile) == text
