"""What a performance run says of its test before that begins."""

from __future__ import annotations

import pytest

from pytest_mlperf.implementations.protocol import ExecutionLayout, WorkerResult
from pytest_mlperf.machine.clock import Clock
from pytest_mlperf.run.paces import pace_of
from pytest_mlperf.scenarios.base import Tuned
from pytest_mlperf.worker.loadgen import built_in_settings, official_length
from pytest_mlperf.worker.progress import _expected
from pytest_mlperf.worker.promise import promised
from tests.run.specs import a_spec

TUNED = Tuned(ExecutionLayout(streams=1, threads=1, batch=1), 100.0, 0.01, {})


def test_the_samples_that_loadgen_loads_are_a_part_of_what_is_told() -> None:
    settings = built_in_settings("resnet50", "SingleStream")
    official = official_length(settings)
    promise = promised(settings, a_spec(scenario="SingleStream"), official, 400, TUNED, 0.002)
    assert promise is not None
    assert promise.seconds == 600
    assert promise.loading == pytest.approx(0.8)  # 1,024 samples are wanted, 400 are there
    assert _expected(promise) == 600.8
    assert promised(settings, a_spec(mode="accuracy"), official, 400, TUNED) is None


def test_the_pace_of_a_performance_test_begins_with_its_first_query() -> None:
    settings = built_in_settings("resnet50", "SingleStream")
    promise = promised(settings, a_spec(scenario="SingleStream"), official_length(settings), 400, TUNED, 0.002)
    clock = Clock(shortest=2.0, longest=2.9, step=0.0)
    finished = WorkerResult(seconds={"load": 0.5, "test": 3.0}, promise=promise, clock=clock)
    pace = pace_of(finished, 4.0)
    assert (pace.wall, pace.test) == (4.0, 2.0)
    accuracy = pace_of(WorkerResult(seconds={"test": 3.0}, clock=clock), 4.0)
    assert accuracy.test == 3.0
