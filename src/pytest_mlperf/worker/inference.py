"""Answers the samples of one stream and completes its queries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf.worker.completion import Completion, FirstTokens, ignore
from pytest_mlperf.worker.elsewhere import Elsewhere

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_mlperf.backends.base import Model
    from pytest_mlperf.benchmarks.base import Benchmark, Records
    from pytest_mlperf.machine.clock import RunClock
    from pytest_mlperf.worker.answer_times import StreamTimes
    from pytest_mlperf.worker.library import SampleLibrary
    from pytest_mlperf.worker.progress import Reporter
    from pytest_mlperf.worker.unfinished import Unfinished


class Inference:
    """Answers batches with one model.

    Parameters
    ----------
    benchmark, model, library, reporter
        The benchmark that encodes answers, the model, the loaded samples, and the progress.
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
        model: Model,
        library: SampleLibrary,
        reporter: Reporter,
        *,
        first_tokens: bool = False,
        clock: RunClock | None = None,
        times: StreamTimes | None = None,
    ) -> None:
        self._answer = model.answer_elsewhere if isinstance(model, Elsewhere) else benchmark.answer
        self._model = model
        self._batch = library.batch
        self._first_tokens = first_tokens
        self._complete = Completion(reporter, clock, times).complete

    def infer(self, indices: Sequence[int]) -> Records:
        """Answer one batch of loaded samples without telling LoadGen."""
        return self._answer(self._model, self._batch(indices), indices, ignore)

    def answer(self, ids: Sequence[int], indices: Sequence[int]) -> None:
        """Answer one batch and complete its samples."""
        first = FirstTokens(ids) if self._first_tokens else ignore
        self._complete(ids, self._answer(self._model, self._batch(indices), indices, first))


class KeptInference(Inference):
    """The same, with answers that are kept in case the run does not end, and those that such a run has left."""

    def __init__(
        self,
        benchmark: Benchmark,
        model: Model,
        library: SampleLibrary,
        reporter: Reporter,
        unfinished: Unfinished,
        clock: RunClock,
    ) -> None:
        super().__init__(benchmark, model, library, reporter, clock=clock)
        self._unfinished = unfinished

    def answer(self, ids: Sequence[int], indices: Sequence[int]) -> None:
        """Answer one batch, unless it was answered before, and complete its samples."""
        records = self._unfinished.get(indices)
        if records is None:
            records = self.infer(indices)
            self._unfinished.add(indices, records)
        self._complete(ids, records)
