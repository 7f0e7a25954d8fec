"""Server: samples arrive at random moments; each must be answered within the latency bound."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from pytest_mlperf.scenarios.base import SUT, Figure, number
from pytest_mlperf.scenarios.offline import Offline, OfflineSUT
from pytest_mlperf.scenarios.streams import Streams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pytest_mlperf.scenarios.base import Answering, Guard, Serving, Tuned

#: The part of the rehearsal's throughput that is offered when the user names no target_qps: Poisson arrivals at full
#: throughput would queue without end.
LOAD = 0.5
#: Queries a second beyond which LoadGen's and Python's own work for each query would be what is measured.
MOST_RATE = 10_000.0


class Server(Offline):
    """Tuned as Offline is: the streams are tried at full load, and batches grow while they pay."""

    name = "Server"
    figure = Figure("result_completed_samples_per_sec", "queries/s", 1.0, "completed queries per second")
    #: As MultiStream's, which leaves room for one query over the bound.
    fewest_queries = 662

    def sut(self, serving: Serving) -> SUT:
        """Return what batches the samples that wait."""
        return ServerSUT(serving.streams, serving.tuned.latency, serving.bound, serving.guard)

    def rehearsal_sut(self, serving: Serving) -> SUT:
        """Return Offline's."""
        return OfflineSUT(serving.streams, serving.tuned.layout.batch, serving.guard)

    def suggested(self, tuned: Tuned) -> Iterator[tuple[str, str]]:
        """Yield the rate to offer."""
        yield "target_qps", number(self.queries_per_second(tuned))

    def queries_per_second(self, tuned: Tuned) -> float:
        """Return the rate that is offered."""
        return min(tuned.samples_per_second * LOAD, MOST_RATE)


class Waiting(NamedTuple):
    """A sample that has arrived: LoadGen's identifier, the sample's index, its arrival in seconds."""

    identifier: int
    sample: int
    arrived: float


class ServerSUT(SUT):
    """Dynamic batching: an idle stream takes what waits, at most as many samples as still meet the bound.

    Nothing waits for company: while a stream is idle a batch is what has arrived, and batches grow only
    when all streams are busy, which is when they pay.

    Parameters
    ----------
    streams
        One each.
    latency
        Seconds that a batch takes, by batch size, as measured in the warm-up.
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

    That is the smallest measured size that takes all that wait, or the largest whose latency still lets the
    oldest meet the bound; when even the smallest does not, the bound is lost for the oldest, and the size of
    the best throughput loses it for the fewest.
    """
    sizes = sorted(latency)
    in_time = [size for size in sizes if waited + latency[size] <= bound]
    if not in_time:
        return max(sizes, key=lambda size: size / latency[size])
    return next((size for size in in_time if size >= waiting), in_time[-1])


SCENARIO = Server()
