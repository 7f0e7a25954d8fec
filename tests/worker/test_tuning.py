"""The warm-up loads no more models than it needs, and lets go of those that it does not keep."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from pytest_mlperf.implementations.protocol import ExecutionLayout
from pytest_mlperf.scenarios import SCENARIOS
from pytest_mlperf.scenarios.base import Machine, Tuned
from pytest_mlperf.worker.guard import Guard
from pytest_mlperf.worker.tuning import SLOW_BATCH, Bench, Models, rehearsed, tune

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_mlperf.backends.base import Inputs, Outputs
    from pytest_mlperf.worker.inference import Inference


@dataclass
class Runtime:
    """Models that one thread at a time may use; those that are open are counted."""

    concurrent: bool = False
    opened: list[int] = field(default_factory=list)
    most: int = 0

    def load(self, threads: int) -> Counted:
        self.opened.append(threads)
        self.most = max(self.most, len(self.opened))
        return Counted(self, threads, concurrent=self.concurrent)


@dataclass
class Counted:
    runtime: Runtime
    threads: int
    concurrent: bool
    device: str = "cpu"
    max_batch: int | None = 4
    weight_types: Sequence[str] = ()

    def run(self, inputs: Inputs, graph: str = "") -> Outputs:
        return (np.zeros(1),)

    def close(self) -> None:
        self.runtime.opened.remove(self.threads)


@dataclass
class Nothing:
    """An inference that does nothing, in some time."""

    seconds: float = 0.0
    batches: list[int] = field(default_factory=list)

    def infer(self, indices: Sequence[int]) -> None:
        self.batches.append(len(indices))
        time.sleep(self.seconds)


def bench(runtime: Runtime, scenario: str, threads: int, tmp_path: Path) -> Bench:
    inference: Any = lambda model: Nothing()  # noqa: E731
    machine = Machine(threads, max_batch=4, samples_per_query=8)
    return Bench(SCENARIOS[scenario], Models(runtime.load), inference, Guard(tmp_path), range(4), machine)


@dataclass
class Costs:
    """Trials of a model of which a call costs something, and each sample of it something else, in seconds."""

    call: float
    sample: float
    scenario: Any = SCENARIOS["Offline"]
    machine: Machine = field(default_factory=lambda: Machine(1, max_batch=1024, samples_per_query=8))

    def rehearse(self, layout: ExecutionLayout, seconds: float, *, warm: bool, first: bool) -> Tuned:
        return Tuned(layout, layout.batch / (self.call + layout.batch * self.sample), 0.0, {})

    def is_prompt(self, trial: Tuned) -> bool:
        return True

    def keep(self, layout: ExecutionLayout) -> None: ...


@pytest.mark.parametrize(
    ("call", "sample", "batch", "tried"),
    [
        # 2.6 % with two samples and 4 % with four: either half of the way is too little, the whole is not.
        (15e-6, 267e-6, 4, [1, 2, 4, 8, 16]),
        (1e-3, 1e-3, 32, [1, 2, 4, 8, 16, 32, 64]),
        (0.0, 267e-6, 1, [1, 2, 4]),
        # What takes long is not tried twice: no cost of a call is a part of it.
        (1e-3, 50e-3, 1, [1, 2]),
    ],
)
def test_a_batch_grows_as_far_as_it_pays(call: float, sample: float, batch: int, tried: list[int]) -> None:
    tuned, record = tune(Costs(call, sample))
    assert (tuned.layout.batch, [each.layout.batch for each in record]) == (batch, tried)
    assert list(tuned.latency) == [size for size in tried if size <= batch]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_models_of_other_layouts_are_closed(scenario: str, tmp_path: Path) -> None:
    runtime = Runtime()
    tried = bench(runtime, scenario, 16, tmp_path)
    tuned, _ = tune(tried)
    # Those of the best so far and of the layout on trial, not of every layout.
    assert runtime.most <= 16 + 8
    tried.models.keep(tuned.layout)
    assert runtime.opened == [tuned.layout.threads] * tuned.layout.streams
    tried.models.close()
    assert runtime.opened == []


def test_a_model_that_serves_all_streams_is_loaded_once_for_a_number_of_threads(tmp_path: Path) -> None:
    runtime = Runtime(concurrent=True)
    tried = bench(runtime, "Offline", 16, tmp_path)
    tuned, _ = tune(tried)
    assert runtime.most <= 2
    assert len(tried.models.keep(tuned.layout)) == tuned.layout.streams
    assert len(runtime.opened) == 1


def test_a_model_of_slow_batches_is_warmed_up_once_by_one_on_each_stream(tmp_path: Path) -> None:
    slow = Nothing(1.1 * SLOW_BATCH)
    tried = replace(bench(Runtime(), "Offline", 2, tmp_path), inference=lambda _: cast("Inference", slow))
    layout = ExecutionLayout(streams=2, threads=1, batch=1)
    found = tried.rehearse(layout, 0.03, warm=False, first=True)
    assert slow.batches == [1] * 6  # the first two warm up
    assert found.samples_per_second == pytest.approx(2 / slow.seconds, rel=0.2)
    assert found.query_seconds == pytest.approx(2 * slow.seconds, rel=0.2)
    again = tried.rehearse(layout, 0.03, warm=True, first=False)
    assert slow.batches == [1] * 10
    assert again.samples_per_second == pytest.approx(2 / slow.seconds, rel=0.2)
    assert list(rehearsed(tried, tried.samples, again)) == [0, 1, 2, 3]


def test_a_model_of_quick_batches_answers_many_in_a_query(tmp_path: Path) -> None:
    quick = Nothing()
    tried = replace(bench(Runtime(), "Offline", 2, tmp_path), inference=lambda _: cast("Inference", quick))
    found = tried.rehearse(ExecutionLayout(streams=2, threads=1, batch=1), 0.01, warm=True, first=False)
    assert len(quick.batches) > 20
    assert list(rehearsed(tried, tried.samples, found)) == [0, 1, 2, 3]
