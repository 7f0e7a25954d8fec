"""Server: samples arrive at random moments; each must be answered within the latency bound."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from pytest_mlperf.scenarios.base import SUT, Figure, number
from pytest_mlperf.scenarios.early_stopping import queries_needed
from pytest_mlperf.scenarios.offline import Offline, OfflineSUT
from pytest_mlperf.scenarios.streams import Streams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pytest_mlperf.scenarios.base import Answering, Guard, Serving, Tuned

#: The default target_qps as a fraction of the measured throughput: with Poisson arrivals at full throughput, the queue
#: would grow without limit.
LOAD = 0.5
#: With more queries per second, the overhead of LoadGen and Python would be measured instead of the model.
MOST_RATE = 10_000.0
#: Early stopping allows so many late queries in a short run: it has 2,010 at the 99th percentile. A system of which
#: 0.3 % of the queries are late then passes 96 % of its runs; with 662, which allow one late query, it would pass 41 %.
ENOUGH_LATE = 10
#: Where they would take too long, fewer have to do, but enough for so many late ones: 1,001, with which a system of
#: which 0.1 % of the queries are late passes 98 % of its runs.
FEWEST_LATE = 3


class Server(Offline):
    """Tuned like Offline: layouts are tried at full load, and batches grow as long as throughput does."""

    name = "Server"
    timed = "samples"
    figure = Figure("result_completed_samples_per_sec", "queries/s", 1.0, "completed queries per second")

    def sut(self, serving: Serving) -> SUT:
        """Return a SUT that batches the waiting samples."""
        return ServerSUT(serving.streams, serving.tuned.latency, serving.bound, serving.guard)

    def rehearsal_sut(self, serving: Serving) -> SUT:
        """Return the SUT of Offline."""
        return OfflineSUT(serving.streams, serving.tuned.layout.batch, serving.guard)

    def suggested(self, tuned: Tuned) -> Iterator[tuple[str, str]]:
        """Yield the rate of queries."""
        yield "target_qps", number(self.queries_per_second(tuned))

    def fewest_queries(self, percentile: float, samples: int) -> int:
        """Return enough queries for a few late ones."""
        del samples
        return queries_needed(FEWEST_LATE, percentile)

    def short_queries(self, rate: float, seconds: float, percentile: float, most_seconds: float) -> int:
        """Return as many queries as let a healthy system pass, and fewer if they would take long."""
        affordable = math.ceil(most_seconds * rate)
        return max(min(queries_needed(ENOUGH_LATE, percentile), affordable), math.ceil(seconds * rate))

    def queries_per_second(self, tuned: Tuned) -> float:
        """Return the rate of queries."""
        return min(tuned.samples_per_second * LOAD, MOST_RATE)


class Waiting(NamedTuple):
    """A sample that has arrived: LoadGen's identifier, the sample's index, its arrival in seconds."""

    identifier: int
    sample: int
    arrived: float


class ServerSUT(SUT):
    """Dynamic batching: an idle stream takes the waiting samples, at most as many as still meet the bound.

    A sample never waits for a batch to fill while a stream is idle. Batches grow only when all streams are busy, which
    is when larger batches help.

    Parameters
    ----------
    streams
        The streams that answer batches.
    latency
        Seconds per batch, by batch size, measured in the warm-up.
    bound
        The scenario's latency bound in seconds.
    guard
        Ends the run when a stream raises.
    clock
        Returns seconds.
    """

    def __init__(
        self,
        streams: Sequence[Answering],
        latency: Mapping[int, float],
        bound: float,
        guard: Guard,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._latency = dict(sorted(latency.items()))
        self._bound = bound
        self._clock = clock
        self._queue: deque[Waiting] = deque()
        self._arrival = threading.Condition()
        self._closed = False
        self._streams = Streams(streams, guard)
        self._streams.start(self._serve)

    def issue(self, ids: list[int], indices: list[int]) -> None:
        """Queue the samples and wake a stream."""
        now = self._clock()
        with self._arrival:
            self._queue.extend(Waiting(i, index, now) for i, index in zip(ids, indices, strict=True))
            self._arrival.notify(len(ids))

    def close(self) -> None:
        """Stop the streams."""
        with self._arrival:
            self._closed = True
            self._arrival.notify_all()
        self._streams.close()

    def _serve(self, inference: Answering) -> None:
        while batch := self._take():
            inference.answer([waiting.identifier for waiting in batch], [waiting.sample for waiting in batch])

    def _take(self) -> list[Waiting]:
        with self._arrival:
            while not self._queue and not self._closed:
                self._arrival.wait()
            if not self._queue:
                return []
            waited = self._clock() - self._queue[0].arrived
            size = batch_size(len(self._queue), waited, self._bound, self._latency)
            return [self._queue.popleft() for _ in range(min(size, len(self._queue)))]


def batch_size(waiting: int, waited: float, bound: float, latency: Mapping[int, float]) -> int:
    """Return how many samples to take when the oldest of `waiting` has waited for `waited` seconds.

    This is the smallest measured size that takes all waiting samples, or else the largest size with which the oldest
    still meets the bound. If no size does, the oldest is late anyway, and the size with the best throughput makes the
    fewest other samples late.
    """
    sizes = sorted(latency)
    in_time = [size for size in sizes if waited + latency[size] <= bound]
    if not in_time:
        return max(sizes, key=lambda size: size / latency[size])
    return next((size for size in in_time if size >= waiting), in_time[-1])


SCENARIO = Server()
