"""Completes LoadGen's samples with the records of a batch."""

from __future__ import annotations

from itertools import repeat
from operator import sub
from typing import TYPE_CHECKING, Any

import mlperf_loadgen as lg

from pytest_mlperf.benchmarks.base import TokenRecords
from pytest_mlperf.errors import RunError
from pytest_mlperf.machine.clock import RunClock, raw_ns

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from pytest_mlperf.benchmarks.base import Records
    from pytest_mlperf.worker.answer_times import StreamTimes
    from pytest_mlperf.worker.progress import Reporter


class Completion:
    """Gives LoadGen the answers of a test, from any thread.

    Parameters
    ----------
    reporter
        Counts the samples.
    clock
        Times the test; None for a rehearsal.
    times
        Notes when each answer is given; None where that is not kept.
    """

    def __init__(self, reporter: Reporter, clock: RunClock | None = None, times: StreamTimes | None = None) -> None:
        self._reporter = reporter
        self._clock = clock or RunClock()
        self._times = times

    def complete(self, ids: Sequence[int], records: Records) -> None:
        """Complete the samples of a batch; LoadGen copies the bytes before this returns."""
        data, offsets = records
        tokens = records.tokens if isinstance(records, TokenRecords) else ()
        if len(offsets) != len(ids) + 1:
            raise _miscounted(len(offsets) - 1, len(ids))
        if tokens and len(tokens) != len(ids):
            raise _miscounted(len(tokens), len(ids))
        address = data.__array_interface__["data"][0]
        if isinstance(offsets, range):  # all of one size; map() is as fast as LoadGen's binding
            starts: Iterable[int] = range(address + offsets.start, address + offsets[-1], offsets.step)
            sizes: Iterable[int] = repeat(offsets.step)
        else:
            starts = [address + start for start in offsets[:-1]]
            sizes = map(sub, offsets[1:], offsets)
        responses = list(map(lg.QuerySampleResponse, ids, starts, sizes, *((tokens,) if tokens else ())))
        self._clock.answering = now = raw_ns()
        if self._times is not None:
            self._times.answered(ids, now)
        lg.QuerySamplesComplete(responses)
        self._reporter.done += len(ids)


class FirstTokens:
    """Tells LoadGen of the first token of each sample of a batch."""

    def __init__(self, ids: Sequence[int]) -> None:
        self._ids = ids

    def __call__(self, place: int, token: NDArray[Any]) -> None:
        """Take the first token of a sample."""
        address = token.__array_interface__["data"][0]
        lg.FirstTokenComplete([lg.QuerySampleResponse(self._ids[place], address, token.nbytes)])


def ignore(place: int, token: NDArray[Any]) -> None:
    """Ignore a first token, if its time is not measured."""


def _miscounted(answers: int, samples: int) -> RunError:
    return RunError(
        f"the model gave {answers} answers to a batch of {samples} samples",
        expected="one answer to each sample",
        found=f"{answers}",
        fix="use the benchmark's own model, or --max-batchsize 1 if it takes one sample at a time",
    )
