"""SingleStream: one sample per query; the next comes when it is answered; only the latency counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf.implementations.protocol import ExecutionLayout
from pytest_mlperf.scenarios.base import SUT, Figure, Scenario

if TYPE_CHECKING:
    from pytest_mlperf.scenarios.base import Answering, Machine, Serving


class SingleStream(Scenario):
    """One stream; the warm-up finds the best number of threads for an inference."""

    name = "SingleStream"
    figure = Figure("early_stopping_latency_ss", "ms", 1e-6, "latency", estimate=True)

    def layouts(self, machine: Machine) -> list[ExecutionLayout]:
        """Return one stream with all threads, and with fewer."""
        threads = dict.fromkeys(threads for _, threads in machine.splits())
        return [ExecutionLayout(streams=1, threads=each, batch=1) for each in threads]

    def query_size(self, layout: ExecutionLayout, machine: Machine) -> int:
        """Return 1."""
        del layout, machine
        return 1

    def sut(self, serving: Serving) -> SUT:
        """Return a SUT that answers in LoadGen's thread."""
        return SingleStreamSUT(serving.streams[0])

    def untuned(self, machine: Machine) -> ExecutionLayout:
        """Return one stream with all threads."""
        _, threads = machine.splits()[0]
        return ExecutionLayout(streams=1, threads=threads, batch=1)


class SingleStreamSUT(SUT):
    """Answers in LoadGen's thread, because switching to another thread would add latency."""

    def __init__(self, inference: Answering) -> None:
        self._answer = inference.answer

    def issue(self, ids: list[int], indices: list[int]) -> None:
        """Answer the query before returning."""
        self._answer(ids, indices)


SCENARIO = SingleStream()
