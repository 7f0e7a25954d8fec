"""MultiStream: several samples per query (8 by the rules); the next query comes when all are answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf.implementations.protocol import ExecutionLayout
from pytest_mlperf.scenarios.base import SUT, Figure, Scenario
from pytest_mlperf.scenarios.streams import Streams, share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_mlperf.scenarios.base import Answering, Guard, Machine, Serving


class MultiStream(Scenario):
    """The streams share the samples of a query, one by one or in one batch each."""

    name = "MultiStream"
    figure = Figure("early_stopping_latency_ms", "ms", 1e-6, "latency", estimate=True)

    def layouts(self, machine: Machine) -> list[ExecutionLayout]:
        """Return each split of the threads, with batches of 1 and of a stream's share of the query."""

        def batches(streams: int) -> list[int]:
            share_of_query = -(-machine.samples_per_query // streams)
            return list(dict.fromkeys((1, min(machine.max_batch, share_of_query))))

        layouts = [
            ExecutionLayout(streams=streams, threads=threads, batch=batch)
            for streams, threads in machine.splits()
            for batch in batches(streams)
        ]
        if machine.at_once is None:
            return layouts
        # A remote model may take long for samples one by one: all at once come first, and more than all are none.
        return [each for each in reversed(layouts) if each.streams <= machine.samples_per_query]

    def query_size(self, layout: ExecutionLayout, machine: Machine) -> int:
        """Return the number of samples of a query."""
        del layout
        return machine.samples_per_query

    def sut(self, serving: Serving) -> SUT:
        """Return a SUT that distributes each query over the streams."""
        return MultiStreamSUT(serving.streams, serving.tuned.layout.batch, serving.guard)


class MultiStreamSUT(SUT):
    """Answers a query in batches: the first stream in LoadGen's thread, the others in their own threads."""

    def __init__(self, streams: Sequence[Answering], batch: int, guard: Guard) -> None:
        self._own = streams[0]
        self._others = Streams(streams[1:], guard)
        self._batch = batch

    def issue(self, ids: list[int], indices: list[int]) -> None:
        """Distribute the query over the streams, and work on it in this thread too."""
        job = share(ids, indices, self._batch)
        self._others.start(job)
        job(self._own)

    def close(self) -> None:
        """Stop the streams."""
        self._others.close()


SCENARIO = MultiStream()
