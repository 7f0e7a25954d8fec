"""A model that answers later has as many batches in flight as it may, no more, and every answer gets to its sample."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_mlperf.benchmarks.base import Benchmark, Records
from pytest_mlperf.benchmarks.resnet50 import TINY
from pytest_mlperf.scenarios import SCENARIOS
from pytest_mlperf.scenarios.base import Machine
from pytest_mlperf.worker import pilot
from pytest_mlperf.worker.deferred import DeferredInference
from pytest_mlperf.worker.guard import Guard
from pytest_mlperf.worker.library import SampleLibrary
from pytest_mlperf.worker.progress import Reporter
from pytest_mlperf.worker.tuning import Bench, Models, tune

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_mlperf.backends.base import Answered, Inputs, Outputs

ECHO = Benchmark(edition="tiny", loadgen_model="null", dataset=TINY.dataset, metric=TINY.metric, models=TINY.models)


class Numbers:
    def __len__(self) -> int:
        return 100

    def __getitem__(self, index: int) -> Inputs:
        return {"x": np.full(1, index, np.float32)}


class Later:
    """Answers each batch with itself from a timer's thread, `seconds` later; counts what is in flight."""

    device = "remote"
    max_batch: int | None = 8
    concurrent = True
    weight_types: Sequence[str] = ()

    def __init__(self, seconds: float, at_once: int = 64) -> None:
        self.at_once = at_once
        self.most = 0
        self.started = 0
        self._seconds = seconds
        self._in_flight = 0
        self._lock = threading.Lock()

    def run(self, inputs: Inputs, graph: str = "") -> Outputs:
        raise AssertionError

    def start(self, inputs: Inputs, graph: str, answered: Answered) -> None:
        with self._lock:
            self.started += 1
            self._in_flight += 1
            self.most = max(self.most, self._in_flight)

        def answer() -> None:
            with self._lock:
                self._in_flight -= 1
            answered.done([inputs["x"]])

        threading.Timer(self._seconds, answer).start()

    def close(self) -> None:
        pass


@pytest.fixture
def library() -> SampleLibrary:
    library = SampleLibrary(Numbers(), 1)
    library.load(range(100))
    return library


def inference(model: Later, library: SampleLibrary, output: Path, at_once: int) -> DeferredInference:
    return DeferredInference(ECHO, model, library, Reporter(), Guard(output), at_once=at_once)


@pytest.mark.parametrize("at_once", [1, 3, 8])
def test_no_more_are_in_flight_than_may_be_and_each_gets_its_answer(
    library: SampleLibrary, tmp_path: Path, at_once: int
) -> None:
    model, found, ended = Later(0.01), dict[int, float](), threading.Semaphore(0)
    stream = inference(model, library, tmp_path, at_once)

    def take(index: int, records: Records) -> None:
        found[index] = float(records.data.view(np.float32)[0])
        ended.release()

    for index in range(40):
        stream.begin([index], lambda records, index=index: take(index, records))  # type: ignore[misc]
    for _ in range(40):
        assert ended.acquire(timeout=20)
    assert model.most == at_once
    assert found == {index: float(index) for index in range(40)}


def test_who_would_have_many_more_in_flight_waits(library: SampleLibrary, tmp_path: Path) -> None:
    model = Later(0.3)
    stream = inference(model, library, tmp_path, 2)
    started = time.monotonic()
    ended = threading.Semaphore(0)
    for _ in range(4):  # two in flight, and two ready beside them
        stream.begin([0], lambda _: ended.release())
    assert time.monotonic() - started < 0.25
    stream.begin([0], lambda _: ended.release())
    assert time.monotonic() - started > 0.25
    for _ in range(5):
        assert ended.acquire(timeout=20)
    assert model.started == 5


def bench(model: Later, library: SampleLibrary, output: Path, scenario: str, bound: float) -> Bench:
    machine = Machine(2, max_batch=8, samples_per_query=8, at_once=model.at_once)
    unused: Any = None
    return Bench(
        SCENARIOS[scenario],
        Models(lambda threads: model),
        unused,
        Guard(output),
        range(4),
        machine,
        deferred=lambda _, at_once: inference(model, library, output, at_once),
        bound=bound,
    )


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_warm_up_of_a_slow_model_takes_no_minutes(
    library: SampleLibrary, tmp_path: Path, scenario: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pilot, "REMOTE", replace(pilot.REMOTE, budget=1.0, latest=1.0))
    started = time.monotonic()
    tuned, _ = tune(bench(Later(0.4), library, tmp_path, scenario, 10.0))
    # One query more may have begun before the end; in Offline it has two rounds of batches.
    assert time.monotonic() - started < 5
    assert tuned.layout.threads == 1


def test_a_model_that_only_takes_time_gets_many_requests_at_once(library: SampleLibrary, tmp_path: Path) -> None:
    tuned, _ = tune(bench(Later(0.05, at_once=16), library, tmp_path, "Offline", float("inf")))
    assert tuned.layout.streams >= 8


def test_server_keeps_well_within_its_bound(library: SampleLibrary, tmp_path: Path) -> None:
    tuned, _ = tune(bench(Later(0.05, at_once=16), library, tmp_path, "Server", 0.06))
    assert (tuned.layout.streams, tuned.layout.batch) == (1, 1)
