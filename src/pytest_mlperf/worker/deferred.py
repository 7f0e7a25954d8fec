"""Starts batches on a model that answers later, and completes their samples when it does."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_mlperf.benchmarks.base import Benchmark as BaseBenchmark
from pytest_mlperf.worker.completion import Completion, FirstTokens, ignore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from pytest_mlperf.backends.base import DeferredModel, Inputs, Outputs
    from pytest_mlperf.benchmarks.base import Benchmark, FirstToken, Records
    from pytest_mlperf.machine.clock import RunClock
    from pytest_mlperf.scenarios.base import Guard
    from pytest_mlperf.worker.answer_times import StreamTimes
    from pytest_mlperf.worker.library import SampleLibrary
    from pytest_mlperf.worker.progress import Reporter

#: A benchmark that calls its model more than once for an answer has a thread for each batch in flight.
MOST_THREADS = 16


def is_one_call(benchmark: Benchmark) -> bool:
    """Return whether an answer of the benchmark is one call of its model, so that it need not be waited for."""
    return type(benchmark).answer is BaseBenchmark.answer


class DeferredInference:
    """Has up to so many batches in flight; who starts many more waits until some of them are answered.

    Parameters
    ----------
    benchmark, model, library, reporter
        The benchmark that encodes answers, the model, the loaded samples, and the progress.
    guard
        Ends the run when an answer is a failure or cannot be encoded.
    at_once
        The most batches in flight.
    first_tokens
        Whether LoadGen measures the time to the first token.
    clock
        Times the test; None for a rehearsal.
    times
        Notes when each answer is given; None where that is not kept.
    """

    def __init__(
        self,
        benchmark: Benchmark,
        model: DeferredModel,
        library: SampleLibrary,
        reporter: Reporter,
        guard: Guard,
        *,
        at_once: int,
        first_tokens: bool = False,
        clock: RunClock | None = None,
        times: StreamTimes | None = None,
    ) -> None:
        self._benchmark = benchmark
        self._model = model
        self._batch = library.batch
        self._guard = guard
        self._at_once = at_once
        self._in_flight = 0
        self._ready: deque[_Batch] = deque()
        self._room = threading.Condition()
        self._first_tokens = first_tokens
        self._complete = Completion(reporter, clock, times).complete

    def answer(self, ids: Sequence[int], indices: Sequence[int]) -> None:
        """Start one batch; its samples are completed when it is answered."""
        first = FirstTokens(ids) if self._first_tokens else ignore
        self.begin(indices, lambda records: self._complete(ids, records), first)

    def begin(self, indices: Sequence[int], then: Callable[[Records], None], first: FirstToken = ignore) -> None:
        """Start one batch of loaded samples; `then` gets its records, in another thread.

        As many batches as may be in flight are made ready beside them: waking a thread for each would cost more than
        sending it. With that many, wait until half of them are gone.
        """
        samples = self._batch(indices)
        inputs = self._benchmark.collate(samples)

        def finish(outputs: Outputs) -> None:
            then(self._benchmark.encode(outputs, samples, indices))
            self._next()

        batch = _Batch(inputs, _Answered(self._guard.wrap(finish), self._guard.wrap(first), self._guard))
        with self._room:
            if len(self._ready) >= self._at_once:
                self._room.wait_for(lambda: len(self._ready) <= self._at_once // 2)
            if self._in_flight == self._at_once:
                self._ready.append(batch)
                return
            self._in_flight += 1
        self._start(batch)

    def _next(self) -> None:
        """Start a batch in the place of one that has been answered."""
        with self._room:
            if not self._ready:
                self._in_flight -= 1
                return
            batch = self._ready.popleft()
            if len(self._ready) == self._at_once // 2:
                self._room.notify_all()
        self._start(batch)

    def _start(self, batch: _Batch) -> None:
        self._model.start(batch.inputs, "", batch.answered)


class _Batch(NamedTuple):
    """What goes out, and who takes the answer."""

    inputs: Inputs
    answered: _Answered


@dataclass(frozen=True)
class _Answered:
    """A batch in flight."""

    done: Callable[[Outputs], None]
    first: Callable[[int, NDArray[Any]], None]
    _guard: Guard

    def failed(self, error: BaseException) -> None:
        """End the run."""

        def fail() -> None:
            raise error

        self._guard.wrap(fail)()
