"""Threads that run inferences in parallel."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_mlperf.scenarios.base import Answering, Guard

Job = Callable[["Answering"], None]


class Streams:
    """Runs the same job on several streams in parallel, each in a thread that waits between jobs.

    Parameters
    ----------
    inferences
        One for each stream.
    guard
        Ends the run when a job raises.
    """

    def __init__(self, inferences: Sequence[Answering], guard: Guard) -> None:
        self._queues: list[SimpleQueue[Job | None]] = [SimpleQueue() for _ in inferences]
        self._threads = [
            threading.Thread(target=guard.wrap(_work), args=(inference, queue), name=f"stream-{n}", daemon=True)
            for n, (inference, queue) in enumerate(zip(inferences, self._queues, strict=True))
        ]
        for thread in self._threads:
            thread.start()

    def __len__(self) -> int:
        return len(self._threads)

    def start(self, job: Job) -> None:
        """Start `job` on every stream, without waiting."""
        for queue in self._queues:
            queue.put(job)

    def close(self) -> None:
        """Let the streams finish their jobs, and end their threads."""
        for queue in self._queues:
            queue.put(None)
        for thread in self._threads:
            thread.join()


def _work(inference: Answering, queue: SimpleQueue[Job | None]) -> None:
    while (job := queue.get()) is not None:
        job(inference)


def share(ids: Sequence[int], indices: Sequence[int], batch: int) -> Job:
    """Return a job in which each stream takes the next batch of a query until none is left."""
    position = iter(range(0, len(ids), batch))  # next() on a range iterator is atomic under the GIL

    def job(inference: Answering) -> None:
        for start in position:
            end = start + batch
            inference.answer(ids[start:end], indices[start:end])

    return job
