"""What Server answers where samples arrive one by one decides its rate, and its layout if that is too little."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from pytest_mlperf.implementations.protocol import ExecutionLayout
from pytest_mlperf.scenarios.base import Tuned
from pytest_mlperf.worker.arrivals import arriving, with_arrivals
from tests.run.specs import a_spec
from tests.worker.test_tuning import Nothing, Runtime, bench

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlperf.worker.inference import Inference
    from pytest_mlperf.worker.tuning import Bench

ONE = ExecutionLayout(streams=1, threads=2, batch=1)
SERVER = a_spec(scenario="Server")


@pytest.fixture
def server(tmp_path: Path) -> Bench:
    """A model that takes 2 ms a sample, however many threads it has."""
    model = Nothing(0.002)
    tried = bench(Runtime(concurrent=True), "Server", 2, tmp_path)
    machine = replace(tried.machine, max_batch=1)
    return replace(tried, inference=lambda _: cast("Inference", model), machine=machine, bound=1.0)


def known(rate: float, layout: ExecutionLayout = ONE) -> Tuned:
    return Tuned(layout, rate, 0.002, {1: 0.002})


def test_a_layout_that_keeps_up_is_expected_to_do_what_it_did_at_full_load(server: Bench) -> None:
    tuned = known(250.0)
    assert arriving(server, tuned) is tuned


def test_a_layout_that_falls_behind_has_the_rate_of_its_answers(server: Bench) -> None:
    tuned = known(2000.0)
    found = arriving(server, tuned)
    assert 100 < found.samples_per_second < 500
    assert (found.layout, found.query_seconds, found.latency) == (tuned.layout, tuned.query_seconds, tuned.latency)


def test_of_few_samples_in_the_time_nothing_is_measured(server: Bench) -> None:
    slow = replace(server, inference=lambda _: cast("Inference", Nothing(1000.0)))
    tuned = known(100.0)
    assert arriving(slow, tuned) is tuned


def test_another_split_is_taken_that_answers_more(server: Bench) -> None:
    found = with_arrivals(server, known(2000.0), SERVER)
    assert found.layout == ExecutionLayout(streams=2, threads=1, batch=1)
    assert 200 < found.samples_per_second < 1000


@pytest.mark.parametrize("changed", [{"layout": ONE}, {"tune": "off"}])
def test_the_layout_of_a_user_stays(server: Bench, changed: dict[str, object]) -> None:
    found = with_arrivals(server, known(2000.0), a_spec(scenario="Server", **changed))
    assert found.layout == ONE
    assert found.samples_per_second < 500


def test_other_scenarios_and_models_elsewhere_are_as_they_were(tmp_path: Path, server: Bench) -> None:
    tuned = known(2000.0)
    assert with_arrivals(bench(Runtime(), "Offline", 2, tmp_path), tuned, a_spec()) is tuned
    assert with_arrivals(replace(server, elsewhere=True), tuned, SERVER) is tuned
    assert with_arrivals(replace(server, machine=replace(server.machine, at_once=4)), tuned, SERVER) is tuned
