"""Answers the samples of one stream and completes its queries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mlperf_loadgen as lg

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pytest_mlperf.backends.base import Model
    from pytest_mlperf.benchmarks.base import Benchmark, Records
    from pytest_mlperf.worker.library import SampleLibrary
    from pytest_mlperf.worker.progress import Reporter


class Inference:
    """Answers batches with one model.

    Parameters
    ----------
    benchmark, model, library, reporter
        The benchmark that encodes answers, the model, the loaded samples, and the progress.
    first_tokens
        Whether LoadGen measures the time to the first token.
    """

    def __init__(
        self,
        benchmark: Benchmark,
        model: Model,
        library: SampleLibrary,
        reporter: Reporter,
        *,
        first_tokens: bool = False,
    ) -> None:
        self._answer = benchmark.answer
        self._model = model
        self._batch = library.batch
        self._reporter = reporter
        self._first_tokens = first_tokens

    def infer(self, indices: Sequence[int]) -> Records:
        """Answer one batch of loaded samples without telling LoadGen."""
        return self._answer(self._model, self._batch(indices), indices, _ignore)

    def answer(self, ids: Sequence[int], indices: Sequence[int]) -> None:
        """Answer one batch and complete its samples; LoadGen copies the bytes before this returns."""
        first = _FirstTokens(ids) if self._first_tokens else _ignore
        data, offsets = self._answer(self._model, self._batch(indices), indices, first)
        address = data.__array_interface__["data"][0]
        response = lg.QuerySampleResponse
        lg.QuerySamplesComplete(
            [
                response(identifier, address + start, end - start)
                for identifier, start, end in zip(ids, offsets, offsets[1:], strict=False)
            ]
        )
        self._reporter.done += len(ids)


def _ignore(place: int, token: NDArray[Any]) -> None:
    """Ignore a first token, if its time is not measured."""


class _FirstTokens:
    """Tells LoadGen of the first token of each sample of a batch."""

    def __init__(self, ids: Sequence[int]) -> None:
        self._ids = ids

    def __call__(self, place: int, token: NDArray[Any]) -> None:
        address = token.__array_interface__["data"][0]
        lg.FirstTokenComplete([lg.QuerySampleResponse(self._ids[place], address, token.nbytes)])
