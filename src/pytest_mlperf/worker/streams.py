"""Makes the streams of a layout: one for each of its models, or a single one for a model that answers later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_mlperf.backends.base import DeferredModel
from pytest_mlperf.worker.deferred import MOST_THREADS, DeferredInference, is_one_call
from pytest_mlperf.worker.inference import Inference, KeptInference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_mlperf.backends.base import Model
    from pytest_mlperf.benchmarks.base import Benchmark
    from pytest_mlperf.implementations.protocol import ExecutionLayout
    from pytest_mlperf.machine.clock import RunClock
    from pytest_mlperf.scenarios.base import Answering, Guard
    from pytest_mlperf.worker.answer_times import RunTimes
    from pytest_mlperf.worker.library import SampleLibrary
    from pytest_mlperf.worker.progress import Reporter
    from pytest_mlperf.worker.unfinished import Unfinished


@dataclass(frozen=True)
class Parts:
    """What every stream of a run needs."""

    benchmark: Benchmark
    library: SampleLibrary
    reporter: Reporter
    guard: Guard

    def inference(self, model: Model) -> Inference:
        """Return a stream for a rehearsal."""
        return Inference(self.benchmark, model, self.library, self.reporter)

    def deferred(self, model: Model, at_once: int) -> DeferredInference:
        """Return the stream for a rehearsal of a model that answers later."""
        assert isinstance(model, DeferredModel)  # noqa: S101 - for the type checker; see `is_deferred`
        return DeferredInference(self.benchmark, model, self.library, self.reporter, self.guard, at_once=at_once)

    def is_deferred(self, model: Model) -> bool:
        """Return whether a model answers later, and is used in that way."""
        return isinstance(model, DeferredModel) and is_one_call(self.benchmark)

    def at_once(self, model: Model) -> int | None:
        """Return how many batches may be in flight; None for a model on this machine."""
        if not isinstance(model, DeferredModel):
            return None
        return model.at_once if is_one_call(self.benchmark) else min(model.at_once, MOST_THREADS)

    def streams(
        self,
        models: Sequence[Model],
        layout: ExecutionLayout,
        clock: RunClock,
        times: RunTimes | None,
        *,
        first_tokens: bool,
        unfinished: Unfinished | None = None,
    ) -> list[Answering]:
        """Return the streams of a test.

        `times` notes when they answer; `unfinished` keeps the answers of an accuracy run.
        """
        parts = (self.library, self.reporter)
        first = models[0]
        if isinstance(first, DeferredModel) and self.is_deferred(models[0]):
            return [
                DeferredInference(
                    self.benchmark,
                    first,
                    *parts,
                    self.guard,
                    at_once=layout.streams,
                    first_tokens=first_tokens,
                    clock=clock,
                    times=times.stream() if times is not None else None,
                )
            ]
        if unfinished is not None:
            return [KeptInference(self.benchmark, model, *parts, unfinished, clock) for model in models]
        return [
            Inference(
                self.benchmark,
                model,
                *parts,
                first_tokens=first_tokens,
                clock=clock,
                times=times.stream() if times is not None else None,
            )
            for model in models
        ]
