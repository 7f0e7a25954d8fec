"""Offline: one query with all samples; only the throughput counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf.implementations.protocol import ExecutionLayout
from pytest_mlperf.scenarios.base import SUT, Figure, Scenario, number
from pytest_mlperf.scenarios.streams import Streams, share

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_mlperf.scenarios.base import Answering, Guard, Machine, Serving, Timed, Tuned

#: LoadGen computes the number of Offline's samples from the expected throughput, plus 10 %. A short warm-up may be
#: off by more, and a run that ends before its minimum duration is INVALID.
MARGIN = 1.2
#: With fewer samples, streams would be idle for much of a run.
FEWEST_SAMPLES = 16


class Offline(Scenario):
    """Streams take one batch after the other; batches grow as long as throughput does."""

    name = "Offline"
    timed: Timed = ""
    figure = Figure("result_samples_per_second", "samples/s", 1.0, "samples per second")
    batch_grows = True

    def layouts(self, machine: Machine) -> list[ExecutionLayout]:
        """Return each split of the threads, one sample per call."""
        return [ExecutionLayout(streams=streams, threads=threads, batch=1) for streams, threads in machine.splits()]

    def query_size(self, layout: ExecutionLayout, machine: Machine) -> int:
        """Return two batches for each stream."""
        del machine
        return 2 * layout.streams * layout.batch

    def sut(self, serving: Serving) -> SUT:
        """Return a SUT whose streams take one batch after the other."""
        return OfflineSUT(serving.streams, serving.tuned.layout.batch, serving.guard, serving.cost)

    def suggested(self, tuned: Tuned) -> Iterator[tuple[str, str]]:
        """Yield the expected throughput, from which LoadGen computes the number of samples."""
        yield "target_qps", number(tuned.samples_per_second * MARGIN)

    def fewest_queries(self, percentile: float, samples: int) -> int:
        """Return a few samples, no more than in the accuracy run: no latency counts, so any number can be VALID."""
        del percentile
        return min(FEWEST_SAMPLES, samples)

    def queries_per_second(self, tuned: Tuned) -> float:
        """Return the samples per second."""
        return tuned.samples_per_second


class OfflineSUT(SUT):
    """Streams take one batch of the query after the other, the most expensive samples first.

    In accuracy mode LoadGen issues a query for each loaded set and waits for it before it unloads the set.
    """

    def __init__(
        self,
        streams: Sequence[Answering],
        batch: int,
        guard: Guard,
        cost: Callable[[int], float] | None = None,
    ) -> None:
        self._streams = Streams(streams, guard)
        self._batch = batch
        self._cost = cost

    def issue(self, ids: list[int], indices: list[int]) -> None:
        """Give the query to the streams."""
        if self._cost is not None:
            ids, indices = _by_cost(ids, indices, self._cost)
        self._streams.start(share(ids, indices, self._batch))

    def close(self) -> None:
        """Stop the streams."""
        self._streams.close()


def _by_cost(ids: list[int], indices: list[int], cost: Callable[[int], float]) -> tuple[list[int], list[int]]:
    """Sort a query by cost, the most expensive samples first, so that the streams finish at about the same time."""
    costs = {index: cost(index) for index in set(indices)}
    order = sorted(range(len(indices)), key=lambda place: -costs[indices[place]])
    return [ids[place] for place in order], [indices[place] for place in order]


SCENARIO = Offline()
