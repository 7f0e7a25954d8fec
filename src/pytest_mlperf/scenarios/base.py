"""What every SUT shares: inference of some loaded samples, and the answer to LoadGen."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Protocol

import mlperf_loadgen as lg

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_mlperf.backends.base import Session
    from pytest_mlperf.benchmarks.base import Benchmark, Records
    from pytest_mlperf.worker.library import SampleLibrary
    from pytest_mlperf.worker.progress import Reporter


class Answering(Protocol):
    """One stream's way from samples to answers; what a SUT distributes its queries over."""

    def answer(self, ids: Sequence[int], indices: Sequence[int]) -> None:
        """Infer some loaded samples as one batch and complete them."""
        ...


class Inference:
    """From sample indices to completed queries, for one session; it keeps no state of its own.

    Parameters
    ----------
    benchmark, session, library, reporter
        What encodes, what infers, where the samples are, and who is told.
    """

    def __init__(self, benchmark: Benchmark, session: Session, library: SampleLibrary, reporter: Reporter) -> None:
        self._encode = benchmark.encode
        self._run = session.run
        self._batch = library.batch
        self._reporter = reporter

    def infer(self, indices: Sequence[int]) -> Records:
        """Run one batch of loaded samples."""
        return self._encode(self._run(self._batch(indices)), indices)

    def answer(self, ids: Sequence[int], indices: Sequence[int]) -> None:
        """Run one batch and complete its samples; LoadGen copies the bytes before this returns."""
        data, offsets = self.infer(indices)
        address = data.__array_interface__["data"][0]
        response = lg.QuerySampleResponse
        lg.QuerySamplesComplete(
            [
                response(identifier, address + start, end - start)
                for identifier, start, end in zip(ids, offsets, offsets[1:], strict=False)
            ]
        )
        self._reporter.done += len(ids)


class SUT(ABC):
    """A scenario's strategy. LoadGen calls `issue` and `flush` from the thread that runs StartTest."""

    @abstractmethod
    def issue(self, ids: list[int], indices: list[int]) -> None:
        """Take a query's samples: LoadGen's identifiers and the samples' indices, in step."""

    def flush(self) -> None:
        """LoadGen has issued its last query; a SUT that holds samples back must send them off."""

    def close(self) -> None:
        """Stop the SUT's threads after the test."""
