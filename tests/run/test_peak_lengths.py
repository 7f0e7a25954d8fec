"""How long the runs of a search are: the confirming run is as long as without one, and probes are in proportion."""

from __future__ import annotations

import math
from typing import Any

import pytest
from msgspec import structs

from pytest_mlperf.errors import OptionError
from pytest_mlperf.implementations.protocol import OfficialLength
from pytest_mlperf.run.peak_lengths import AS_LONG, FEWEST, FULL_PART, Lengths
from pytest_mlperf.scenarios.early_stopping import late_allowed
from tests.run.specs import a_spec
from tests.support.mlperf_test_runtimes import CLASSIFIER

OFFICIAL = OfficialLength(
    min_duration_ms=600_000,
    min_query_count=270_336,
    samples_per_query=1,
    performance_sample_count=1024,
    target_latency_ns=15_000_000,
    target_latency_percentile=0.99,
)
SPEC = a_spec(scenario="Server")


def lengths(given: dict[str, str] | None = None, **options: Any) -> Lengths:
    return Lengths(structs.replace(SPEC, **options), CLASSIFIER, given or {}, OFFICIAL)


@pytest.mark.parametrize(("rate", "queries"), [(10.0, 1001), (150.0, 1500), (400.0, 2010), (3000.0, 6000)])
def test_full_probes_of_a_short_run_are_as_long_as_it(rate: float, queries: int) -> None:
    short = lengths()
    assert short.confirming(rate) == short.full(rate) == queries
    assert short.share(rate) == (late_allowed(queries, 0.99) + 0.5) / queries


@pytest.mark.parametrize(("rate", "queries"), [(3.0, FEWEST), (100.0, 200), (400.0, 502), (3000.0, 1500)])
def test_short_probes_take_no_longer_than_a_short_run(rate: float, queries: int) -> None:
    assert lengths().short(rate) == queries


@pytest.mark.parametrize("rate", [40.0, 400.0, 4000.0])
def test_full_probes_of_official_length_are_a_part_of_it(rate: float) -> None:
    official = lengths(run_length="official")
    assert official.confirming(rate) == max(270_336, 600 * rate)
    assert official.full(rate) == math.ceil(official.confirming(rate) / FULL_PART)
    assert official.short(rate) == lengths().short(rate)


@pytest.mark.parametrize(
    ("given", "options"),
    [
        ({}, {"test_query_count": 700}),
        ({"min_query_count": "700", "min_duration": "0"}, {}),
        ({"min_query_count": "700"}, {"min_duration": 0.0}),
    ],
)
def test_what_the_user_asks_for_is_asked_of_the_confirming_run(given: dict[str, str], options: dict[str, Any]) -> None:
    found = lengths(given, **options)
    assert found.confirming(400) == 700
    assert found.full(400) == 700
    assert found.short(400) == 502


def test_a_minimum_duration_makes_the_confirming_run_longer_and_not_every_probe() -> None:
    found = lengths(min_duration=60.0)
    assert found.confirming(400) == 24_000
    assert found.full(400) == 2 * 2010
    assert lengths(min_duration=15.0).full(400) == 15 * 400 <= AS_LONG * 2010


def test_with_a_time_budget_the_search_and_the_run_fit() -> None:
    found = lengths(run_length="official", budget=100.0)
    assert found.confirming(400) == 50 * 400
    assert found.full(400) == 2 * 2010
    assert lengths(run_length="official", budget=0.0).confirming(400) == 2010


def test_a_run_that_can_never_be_valid_is_an_error() -> None:
    with pytest.raises(OptionError) as error:
        lengths(test_query_count=400).share(400)
    assert "no rate of 400 queries can be VALID" in str(error.value)
    assert "459 queries or more" in str(error.value)


def test_the_percentile_of_the_users_file_counts() -> None:
    found = lengths({"target_latency_percentile": "90"}, test_query_count=100)
    assert found.share(400) == (late_allowed(100, 0.9) + 0.5) / 100
