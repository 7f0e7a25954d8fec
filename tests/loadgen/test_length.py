from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from pytest_mlperf.benchmarks.base import Short
from pytest_mlperf.implementations.protocol import ExecutionLayout, RunSpec
from pytest_mlperf.loadgen.generated import Length, seconds_of_test
from pytest_mlperf.loadgen.length import Shorter, Wanted
from pytest_mlperf.scenarios import SCENARIOS
from pytest_mlperf.scenarios.base import Tuned, splits
from pytest_mlperf.scenarios.early_stopping import chance_of_at_most, queries_needed
from pytest_mlperf.scenarios.server import ENOUGH_LATE

LAYOUT = ExecutionLayout(streams=1, threads=1, batch=1)
SPEC: dict[str, Any] = {
    "benchmark": "",
    "backend": "",
    "device": "cpu",
    "mode": "performance",
    "run_length": "short",
    "model": "",
    "model_format": "onnx",
    "model_precision": "fp32",
    "precision": "fp32",
    "variant": "",
    "dataset": "",
    "output": "",
    "sample_count": 500,
}


SHORT = Short()


def settings(
    scenario: str,
    rate: float = 100.0,
    given: dict[str, str] | None = None,
    short: Short = SHORT,
    percentile: float | None = None,
    seconds: float | None = None,
    **options: Any,
) -> dict[str, str]:
    samples = 8 if scenario == "MultiStream" else 1
    tuned = Tuned(LAYOUT, rate, samples / rate, {1: 1 / rate})
    spec = RunSpec(**(SPEC | {"scenario": scenario} | options))
    percentile = percentile or (0.9 if scenario == "SingleStream" else 0.99)
    wanted = Wanted(
        model="retinanet",
        scenario=scenario,
        mode=spec.mode,
        options=spec,
        short=short,
        given=given or {},
        percentile=percentile,
    )
    entries = wanted.entries(tuned, Shorter(seconds, seconds) if seconds is not None else None)
    assert {(entry.model, entry.scenario) for entry in entries} <= {("retinanet", scenario)}
    return {entry.key: entry.value for entry in entries}


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("rate", [0.01, 100.0, 1e6])
def test_a_short_run_has_no_duration_and_enough_queries_to_be_valid(scenario: str, rate: float) -> None:
    found = settings(scenario, rate)
    assert found["min_duration"] == "0"
    assert FEWEST[scenario] <= int(found["min_query_count"]) <= SHORT.most_queries


#: What LoadGen asks of a valid run, and in Server what it asks for three late queries.
FEWEST = {"Offline": 16, "Server": 1001, "SingleStream": 64, "MultiStream": 662}


@pytest.mark.parametrize(
    ("rate", "queries"),
    [(10.0, 1001), (200.0, 1001), (300.0, 1500), (402.0, 2010), (1000.0, 2010), (4000.0, 4000), (1e6, 20_000)],
)
def test_a_short_server_run_has_room_for_late_queries_and_for_more_where_they_take_seconds(
    rate: float, queries: int
) -> None:
    # Half of the rate is offered.
    assert settings("Server", rate)["min_query_count"] == str(queries)


@pytest.mark.parametrize(("late", "queries", "chance"), [(1, 662, 0.41), (ENOUGH_LATE, 2010, 0.95)])
def test_a_healthy_server_passes_a_short_run(late: int, queries: int, chance: float) -> None:
    assert queries_needed(late, 0.99) == queries
    assert chance_of_at_most(late, queries, 0.003) == pytest.approx(chance, abs=0.01)


def test_a_short_server_run_counts_its_queries_from_the_rate_that_is_offered() -> None:
    assert settings("Server", 1e6, target_qps=5.0)["min_query_count"] == "1001"
    assert settings("Server", 1e6, given={"target_qps": "5"})["min_query_count"] == "1001"


@pytest.mark.parametrize(("scenario", "fewest"), [("SingleStream", 6636), ("MultiStream", 6636), ("Server", 10_042)])
def test_the_percentile_of_the_run_says_how_many_queries_are_enough(scenario: str, fewest: int) -> None:
    # pointpainting's SingleStream is judged by the percentile 99.9.
    assert settings(scenario, 0.01, percentile=0.999)["min_query_count"] == str(fewest)
    assert settings(scenario, 0.01, given={"target_latency_percentile": "99.9"})["min_query_count"] == str(fewest)


@pytest.mark.parametrize("value", ["0", "100", "250"])
def test_a_percentile_that_no_run_can_meet_does_not_count_queries(value: str) -> None:
    assert settings("MultiStream", 0.01, given={"target_latency_percentile": value})["min_query_count"] == "662"


@pytest.mark.parametrize("how", [{"min_duration": 1.0}, {"given": {"min_duration": "1000"}}])
@pytest.mark.parametrize(("scenario", "most"), [("Offline", 100), ("SingleStream", 100), ("MultiStream", 662)])
def test_a_minimum_duration_of_a_second_takes_a_second(scenario: str, most: int, how: dict[str, Any]) -> None:
    # Not the 24,576 samples of the round: LoadGen counts Offline's samples from the duration and the rate.
    found = settings(scenario, 100.0, **how)
    assert int(found["min_query_count"]) <= most
    assert found.get("min_duration", "1000") == "1000"


def test_no_minimum_duration_takes_as_little_as_can_be_valid() -> None:
    assert settings("Offline", 100.0, min_duration=0.0)["min_query_count"] == "16"


def test_a_long_minimum_duration_is_not_made_longer_by_a_count() -> None:
    assert settings("SingleStream", 100.0, min_duration=60.0)["min_query_count"] == "200"


def test_an_official_run_of_a_second_keeps_the_counts_of_the_round() -> None:
    assert settings("Offline", run_length="official", min_duration=1.0).keys() == {"target_qps", "min_duration"}


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


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("left", [5.0, 30.0, 700.0, 10_000.0])
@pytest.mark.parametrize("rate", [0.5, 40.0, 3000.0])
@pytest.mark.parametrize("set_size", [0, 43])
def test_a_run_is_as_long_as_the_time_allows(scenario: str, left: float, rate: float, set_size: int) -> None:
    spec = RunSpec(**(SPEC | {"scenario": scenario, "run_length": "official"}))
    percentile = 0.9 if scenario == "SingleStream" else 0.99
    wanted = Wanted(
        model="retinanet",
        scenario=scenario,
        mode="performance",
        options=spec,
        short=SHORT,
        given={},
        percentile=percentile,
    )
    samples = 8 if scenario == "MultiStream" else 1
    tuned = Tuned(LAYOUT, rate, samples / rate, {1: 1 / rate})
    official = Length(
        scenario=scenario,
        min_duration_ms=600_000,
        min_query_count=24_576 if scenario == "Offline" else 100,
        samples_per_query=samples,
        set_size=set_size,
    )
    values = {entry.key: entry.value for entry in wanted.within(tuned, official, left)}
    hint = wanted.latency_ns(tuned, official)
    seconds = seconds_of_test(replace(official.changed(values), latency_ns=hint), rate, samples / rate)
    needed = wanted.seconds(tuned, official)
    fewest = SCENARIOS[scenario].fewest_queries(percentile, SHORT.samples)
    if needed <= left:
        assert "min_query_count" not in values
    else:
        pace = rate / 2 if scenario == "Server" else rate
        least, a_set = fewest * samples / pace, set_size * samples / pace
        assert seconds <= max(left, 1.01 * least + a_set)
        assert seconds >= 0.85 * left - 2 * a_set or values["min_query_count"] == str(fewest)


def test_a_stream_whose_queries_are_counted_lasts_less_than_twice_its_minimum_duration() -> None:
    # 3D-UNet: LoadGen makes the queries of twice the duration, and each volume is to be answered equally often.
    tuned = Tuned(LAYOUT, 10.0, 0.1, {})
    official = Length(scenario="SingleStream", min_duration_ms=600_000, min_query_count=64, set_size=43)
    spec = RunSpec(**(SPEC | {"scenario": "SingleStream", "run_length": "official"}))
    wanted = Wanted(
        model="3d-unet",
        scenario="SingleStream",
        mode="performance",
        options=spec,
        short=SHORT,
        given={},
        percentile=0.9,
    )
    assert 1.6 * 600 <= wanted.seconds(tuned, official) <= 1.6 * 600 + 4.3
    assert wanted.seconds(tuned, replace(official, set_size=0)) == 600
    # A latency of the user's makes as many as it says: 2 x 600 s / 0.2 s and up to a whole set.
    for mine in (replace(wanted, options=structs.replace(spec, target_latency=200.0)), given(wanted, "200")):
        assert mine.seconds(tuned, official) == pytest.approx(0.1 * 6020)


def given(wanted: Wanted, latency: str) -> Wanted:
    return replace(wanted, given={"target_latency": latency})


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
