from __future__ import annotations

from typing import Any

import pytest

from pytest_mlperf.benchmarks.base import Short
from pytest_mlperf.implementations.protocol import ExecutionLayout, RunSpec
from pytest_mlperf.scenarios import SCENARIOS
from pytest_mlperf.scenarios.base import Tuned, splits
from pytest_mlperf.worker.length import conf_entries

LAYOUT = ExecutionLayout(streams=1, threads=1, batch=1)
SPEC: dict[str, Any] = {
    "benchmark": "",
    "backend": "",
    "device": "cpu",
    "mode": "performance",
    "run_length": "short",
    "model": "",
    "model_format": "onnx",
    "precision": "fp32",
    "variant": "",
    "dataset": "",
    "output": "",
    "sample_count": 500,
}


SHORT = Short()


def settings(
    scenario: str, rate: float = 100.0, given: dict[str, str] | None = None, short: Short = SHORT, **options: Any
) -> dict[str, str]:
    samples = 8 if scenario == "MultiStream" else 1
    tuned = Tuned(LAYOUT, rate, samples / rate, {1: 1 / rate})
    entries = conf_entries(RunSpec(**(SPEC | {"scenario": scenario} | options)), "retinanet", short, tuned, given or {})
    assert {(entry.model, entry.scenario) for entry in entries} <= {("retinanet", scenario)}
    return {entry.key: entry.value for entry in entries}


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("rate", [0.01, 100.0, 1e6])
def test_a_short_run_has_no_duration_and_enough_queries_to_be_valid(scenario: str, rate: float) -> None:
    found = settings(scenario, rate)
    assert found["min_duration"] == "0"
    assert SCENARIOS[scenario].fewest_queries <= int(found["min_query_count"]) <= SHORT.most_queries


def test_what_is_short_is_the_tasks_own() -> None:
    slow = Short(samples=3, seconds=20.0, most_queries=1000)
    assert settings("Offline", 0.01, short=slow)["min_query_count"] == "3"
    assert settings("Offline", 10.0, short=slow)["min_query_count"] == "200"
    assert settings("Offline", 1e6, short=slow)["min_query_count"] == "1000"


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_an_official_run_leaves_duration_and_counts_to_the_round(scenario: str) -> None:
    assert not {"min_duration", "min_query_count", "max_query_count"} & settings(scenario, run_length="official").keys()


def test_an_official_offline_run_expects_more_than_the_warm_up_found_so_that_it_lasts() -> None:
    assert float(settings("Offline", 100.0, run_length="official")["target_qps"]) == pytest.approx(120)


def test_server_is_not_offered_more_than_loadgen_and_python_can_hand_over() -> None:
    assert float(settings("Server", 1e6)["target_qps"]) == 10_000


def test_server_is_offered_less_than_the_throughput() -> None:
    assert float(settings("Server", 100.0)["target_qps"]) == pytest.approx(50)


@pytest.mark.parametrize("mode", ["performance", "accuracy"])
def test_the_users_own_lines_are_not_overridden_by_suggestions(mode: str) -> None:
    given = {"target_qps": "7", "min_query_count": "5", "min_duration": "60000"}
    assert not given.keys() & settings("Server", given=given, mode=mode).keys()


def test_options_count_more_than_the_users_own_lines() -> None:
    given = {"target_qps": "7", "min_query_count": "5", "min_duration": "60000"}
    found = settings("Server", given=given, target_qps=9.5, test_query_count=10, min_duration=1.5)
    assert found == {"target_qps": "9.5", "min_query_count": "10", "min_duration": "1500"}


def test_a_query_count_ends_the_run_whatever_its_duration() -> None:
    found = settings("SingleStream", test_query_count=10, run_length="official")
    assert found == {"min_query_count": "10", "min_duration": "0"}


def test_accuracy_in_server_does_not_wait_for_arrivals() -> None:
    assert settings("Server", mode="accuracy") == {"target_qps": "100000"}


@pytest.mark.parametrize("threads", [1, 2, 3, 8, 12, 64])
def test_layouts_reach_from_one_stream_to_one_thread_a_stream_and_use_no_more_than_given(threads: int) -> None:
    found = splits(threads)
    assert found[0] == (1, threads)
    assert found[-1] == (threads, 1)
    assert all(streams * each <= threads for streams, each in found)
