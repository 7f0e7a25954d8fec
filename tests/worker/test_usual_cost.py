from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import pytest

from pytest_mlperf.benchmarks.base import Benchmark
from pytest_mlperf.implementations.protocol import ExecutionLayout
from pytest_mlperf.scenarios.base import Tuned
from pytest_mlperf.worker.usual_cost import LOOKED_AT, with_usual_cost

if TYPE_CHECKING:
    from pytest_mlperf.benchmarks.base import Samples

LAYOUT = ExecutionLayout(streams=1, threads=1, batch=1)
TUNED = Tuned(LAYOUT, 10.0, 0.1, {1: 0.1, 2: 0.15})


@dataclass(frozen=True, kw_only=True)
class Costly(Benchmark):
    def cost(self, sample: Any) -> float:
        return float(sample)


def benchmark(kind: type[Benchmark]) -> Benchmark:
    return kind(edition="tiny", loadgen_model="", dataset=cast("Any", None), metric=cast("Any", None), models=())


def test_a_warm_up_with_a_cheap_sample_does_not_promise_that_all_are_cheap() -> None:
    samples = cast("Samples", [1.0, 3.0, 3.0, 5.0])
    found = with_usual_cost(TUNED, benchmark(Costly), samples, [0])
    assert found.query_seconds == pytest.approx(0.3)
    assert found.samples_per_second == pytest.approx(10 / 3)
    assert found.latency == {1: pytest.approx(0.3), 2: pytest.approx(0.45)}


def test_samples_of_equal_cost_change_nothing() -> None:
    samples = cast("Samples", [1.0, 3.0])
    assert with_usual_cost(TUNED, benchmark(Benchmark), samples, [0]) is TUNED
    assert with_usual_cost(TUNED, benchmark(Costly), samples, [0, 1]).query_seconds == pytest.approx(0.1)


def test_few_samples_are_opened_to_know_what_a_usual_one_costs() -> None:
    opened: list[int] = []

    class Many:
        def __len__(self) -> int:
            return 10_000

        def __getitem__(self, index: int) -> float:
            opened.append(index)
            return 1.0

    with_usual_cost(TUNED, benchmark(Costly), cast("Samples", Many()), [0])
    assert len(opened) <= LOOKED_AT + 3
