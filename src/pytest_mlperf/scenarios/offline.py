"""Offline: one query with every sample; only the throughput counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf.implementations.protocol import ExecutionLayout
from pytest_mlperf.scenarios.base import SUT, Figure, Scenario, number, splits
from pytest_mlperf.scenarios.streams import Streams, share

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_mlperf.scenarios.base import Answering, Guard, Machine, Serving, Tuned

#: LoadGen counts Offline's samples from the expected throughput, with a tenth to spare; a warm-up of a moment
#: may be off by more, and a run that ends before its minimum duration is lost.
MARGIN = 1.2


class Offline(Scenario):
    """Streams take batches in turn, which grow while they pay."""

    name = "Offline"
    figure = Figure("result_samples_per_second", "samples/s", 1.0, "samples per second")
    #: One query is enough; the number is its samples.
    fewest_queries = 16
    batch_grows = True

    def layouts(self, machine: Machine) -> list[ExecutionLayout]:
        """Return each split of the threads, one sample a call."""
        return [
            ExecutionLayout(streams=streams, threads=threads, batch=1) for streams, threads in splits(machine.threads)
        ]

    def query_size(self, layout: ExecutionLayout, machine: Machine) -> int:
        """Return two batches for each stream."""
        del machine
        return 2 * layout.streams * layout.batch

    def sut(self, serving: Serving) -> SUT:
        """Return what lets the streams take batches in turn."""
        return OfflineSUT(serving.streams, serving.tuned.layout.batch, serving.guard, serving.cost)

    def suggested(self, tuned: Tuned) -> Iterator[tuple[str, str]]:
        """Yield the throughput to expect, from which LoadGen counts the samples."""
        yield "target_qps", number(tuned.samples_per_second * MARGIN)

    def queries_per_second(self, tuned: Tuned) -> float:
        """Return the samples a second."""
        return tuned.samples_per_second


class OfflineSUT(SUT):
    """Streams take batches of the query in turn until it is empty, the samples of most work first.

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
        """Hand the query to the streams."""
        if self._cost is not None:
            ids, indices = _by_cost(ids, indices, self._cost)
        self._streams.start(share(ids, indices, self._batch))

    def close(self) -> None:
        """Stop the streams."""
        self._streams.close()


def _by_cost(ids: list[int], indices: list[int], cost: Callable[[int], float]) -> tuple[list[int], list[int]]:
    """Sort a query so that a batch's samples are of equal work, the longest first: the end is then short."""
    costs = {index: cost(index) for index in set(indices)}
    order = sorted(range(len(indices)), key=lambda place: -costs[indices[place]])
    return [ids[place] for place in order], [indices[place] for place in order]


SCENARIO = Offline()
