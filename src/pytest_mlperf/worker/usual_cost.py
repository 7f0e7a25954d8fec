"""What a usual sample costs against those of the warm-up: volumes and texts differ, and a test has all of them."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from pytest_mlperf.scenarios.base import Tuned
from pytest_mlperf.worker.place import has_costs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_mlperf.benchmarks.base import Benchmark, Samples

#: About so many samples stand for all: to open one may take as long as an inference.
LOOKED_AT = 24


def with_usual_cost(tuned: Tuned, benchmark: Benchmark, samples: Samples, rehearsed: Sequence[int]) -> Tuned:
    """Return the measurements of a warm-up as they would be for usual samples of the data set.

    Parameters
    ----------
    tuned
        The measurements.
    benchmark
        The benchmark; if it does not say what samples cost, all cost the same.
    samples
        The data set's samples.
    rehearsed
        The indices of those that the warm-up answered.
    """
    if not has_costs(benchmark) or not rehearsed or not len(samples):
        return tuned
    spread = range(0, len(samples), max(1, len(samples) // LOOKED_AT))
    usual = statistics.fmean(benchmark.cost(samples[index]) for index in spread)
    seen = statistics.fmean(benchmark.cost(samples[index]) for index in rehearsed)
    if usual <= 0 or seen <= 0:
        return tuned
    times = usual / seen
    return Tuned(
        tuned.layout,
        tuned.samples_per_second / times,
        tuned.query_seconds * times,
        {batch: seconds * times for batch, seconds in tuned.latency.items()},
    )
