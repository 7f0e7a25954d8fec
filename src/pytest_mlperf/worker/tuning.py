"""The warm-up: finds the fastest layout for the scenario on this machine, and measures it.

Small models run slower with many threads in one inference, large ones with many inferences at once, so the best
layout must be measured. Each candidate answers a rehearsal query with the scenario's own SUT, outside the timed test.
"""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from msgspec import structs

from pytest_mlperf.scenarios.base import Serving, Tuned
from pytest_mlperf.worker.closing import close_in_time

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_mlperf.backends.base import Model
    from pytest_mlperf.implementations.protocol import ExecutionLayout
    from pytest_mlperf.scenarios.base import Answering, Guard, Machine, Scenario
    from pytest_mlperf.worker.deferred import DeferredInference
    from pytest_mlperf.worker.inference import Inference

#: A trial runs at least this long, after one query to warm up.
TRIAL_SECONDS = 0.15
#: The same for a remote model: what lies between is not this machine's alone, and varies more.
REMOTE_TRIAL_SECONDS = 0.3
#: A remote model may take seconds for an answer; so long after its start, tuning tries nothing more.
REMOTE_SECONDS = 20.0
#: The part of Server's latency bound that an answer of a remote model may take at full load.
PROMPT = 0.5
#: A more complicated layout must beat a simpler one by this much.
GAIN = 1.03
LARGEST_BATCH = 1024


class Trials(Protocol):
    """Who tries layouts for a scenario on a machine."""

    @property
    def scenario(self) -> Scenario: ...  # noqa: D102 - see the class

    @property
    def machine(self) -> Machine: ...  # noqa: D102 - see the class

    def rehearse(self, layout: ExecutionLayout, *, again: bool = False) -> Tuned:
        """Answer rehearsal queries with a layout and measure it; `again` if another one was measured before."""
        ...

    def is_prompt(self, trial: Tuned) -> bool:
        """Return whether the layout of a trial answers soon enough to be taken."""
        ...

    def keep(self, layout: ExecutionLayout) -> object:
        """Close the models that a layout does not use."""
        ...


@dataclass(frozen=True)
class Bench:
    """What is needed to try a layout with this package's own SUT.

    ``samples`` are the indices of the loaded samples. ``deferred`` makes the one stream of a model that answers later,
    for a number of batches in flight; None for other models. ``bound`` is Server's latency bound in seconds.
    """

    scenario: Scenario
    models: Models
    inference: Callable[[Model], Inference]
    guard: Guard
    samples: Sequence[int]
    machine: Machine
    deferred: Callable[[Model, int], DeferredInference] | None = None
    bound: float = math.inf

    def is_prompt(self, trial: Tuned) -> bool:
        """Return whether a remote model answers well within Server's bound, with so much in flight."""
        return self.machine.at_once is None or _batch_seconds(trial) < self.bound * PROMPT

    def rehearse(self, layout: ExecutionLayout, *, again: bool = False) -> Tuned:
        """Answer rehearsal queries with a layout and measure it; `again` if another one was measured before."""
        return _rehearse(layout, self, again=again)

    def keep(self, layout: ExecutionLayout) -> list[Model]:
        """Return the models of a layout; close all others."""
        return self.models.keep(layout)


class _Patience:
    """Says when tuning has taken long enough; on this machine it never does."""

    def __init__(self, bench: Trials) -> None:
        self._end = time.perf_counter() + REMOTE_SECONDS if bench.machine.at_once is not None else math.inf

    @property
    def is_over(self) -> bool:
        return time.perf_counter() > self._end


def tune(bench: Trials) -> Tuned:
    """Try the scenario's layouts and return the best one with its measurements; free the models of the others."""
    best: Tuned | None = None
    patience = _Patience(bench)
    for layout in bench.scenario.layouts(bench.machine):
        if best is not None and patience.is_over:
            break
        trial = bench.rehearse(layout, again=best is not None)
        if best is None or (trial.samples_per_second > best.samples_per_second * GAIN and bench.is_prompt(trial)):
            best = trial
        bench.keep(best.layout)
    assert best is not None  # noqa: S101 - a scenario has at least one layout
    return _grow_batch(best, bench, patience) if bench.scenario.batch_grows else best


def measure(layout: ExecutionLayout, bench: Trials) -> Tuned:
    """Measure a given layout; for Server, with each batch size."""
    if not bench.scenario.batch_grows:
        return bench.rehearse(layout)
    trials = [bench.rehearse(structs.replace(layout, batch=size)) for size in _sizes(layout.batch)]
    latency = {trial.layout.batch: _batch_seconds(trial) for trial in trials}
    return Tuned(layout, trials[-1].samples_per_second, trials[-1].query_seconds, latency)


def untuned(layout: ExecutionLayout) -> Tuned:
    """Return a layout without measurements; Server then takes all waiting samples, up to the batch size."""
    return Tuned(layout, 0.0, 0.0, dict.fromkeys(_sizes(layout.batch), 0.0))


def _sizes(largest: int) -> list[int]:
    """Return the powers of two up to `largest`, and `largest`."""
    powers = [1 << n for n in range(largest.bit_length()) if 1 << n <= largest]
    return sorted({*powers, largest})


def _grow_batch(best: Tuned, bench: Trials, patience: _Patience) -> Tuned:
    """Double the batch while throughput grows, and keep the latency of each size."""
    latency = {best.layout.batch: _batch_seconds(best)}
    while (batch := best.layout.batch * 2) <= bench.machine.max_batch and not patience.is_over:
        trial = bench.rehearse(structs.replace(best.layout, batch=batch), again=True)
        latency[batch] = _batch_seconds(trial)
        if trial.samples_per_second < best.samples_per_second * GAIN or not bench.is_prompt(trial):
            break
        best = trial
    kept = {size: seconds for size, seconds in latency.items() if size <= best.layout.batch}
    return Tuned(best.layout, best.samples_per_second, best.query_seconds, kept)


def _batch_seconds(tuned: Tuned) -> float:
    return tuned.layout.streams * tuned.layout.batch / tuned.samples_per_second


class _Rehearsal:
    """An inference whose answers are counted instead of sent to LoadGen."""

    def __init__(self, inference: Inference, finished: threading.Semaphore) -> None:
        self._infer = inference.infer
        self._finished = finished

    def answer(self, ids: Sequence[int], indices: Sequence[int]) -> None:
        self._infer(indices)
        self._finished.release(len(ids))


class _DeferredRehearsal:
    """The same for a model that answers later."""

    def __init__(self, inference: DeferredInference, finished: threading.Semaphore) -> None:
        self._begin = inference.begin
        self._finished = finished

    def answer(self, ids: Sequence[int], indices: Sequence[int]) -> None:
        self._begin(indices, lambda _: self._finished.release(len(ids)))


def _rehearse(layout: ExecutionLayout, bench: Bench, *, again: bool = False) -> Tuned:
    """Measure a layout; `again` if the model has answered with another layout already."""
    finished = threading.Semaphore(0)
    models = bench.models.get(layout.streams, layout.threads)
    streams: Sequence[Answering]
    if bench.deferred is not None:
        streams = [_DeferredRehearsal(bench.deferred(models[0], layout.streams), finished)]
    else:
        streams = [_Rehearsal(bench.inference(model), finished) for model in models]
    sut = bench.scenario.rehearsal_sut(Serving(streams, Tuned(layout, 0.0, 0.0, {}), bench.guard))
    query = bench.scenario.query_size(layout, bench.machine)
    indices = [bench.samples[n % len(bench.samples)] for n in range(query)]

    def serve() -> float:
        start = time.perf_counter()
        sut.issue(indices, indices)
        for _ in indices:
            finished.acquire()
        return time.perf_counter() - start

    first = serve()
    # A remote model that takes long has no use for a warm-up of each layout.
    is_remote = bench.machine.at_once is not None
    least = REMOTE_TRIAL_SECONDS if is_remote else TRIAL_SECONDS
    seconds = [first] if again and is_remote and first > least else []
    total = sum(seconds)
    while total < least:
        seconds.append(serve())
        total += seconds[-1]
    sut.close()
    return Tuned(layout, query * len(seconds) / total, sorted(seconds)[len(seconds) // 2], {})


class Models:
    """Loads models for streams; a concurrent model is loaded once and shared.

    Parameters
    ----------
    load
        Loads the model for a number of threads.
    backend
        The backend's name, for an error.
    """

    def __init__(self, load: Callable[[int], Model], backend: str = "the backend") -> None:
        self._load = load
        self._backend = backend
        self._loaded: dict[tuple[int, int], Model] = {}

    def get(self, streams: int, threads: int) -> list[Model]:
        """Return a model for each of `streams`, with `threads` threads each; a concurrent model is shared by all."""
        first = self._one(0, threads)
        if first.concurrent:
            return [first] * streams
        return [first, *(self._one(stream, threads) for stream in range(1, streams))]

    def keep(self, layout: ExecutionLayout) -> list[Model]:
        """Return the models of a layout; close all others, so that their memory does not count for the run."""
        kept = self.get(layout.streams, layout.threads)
        for key, model in tuple(self._loaded.items()):
            if not any(model is each for each in kept):
                del self._loaded[key]
                close_in_time(model.close, self._backend)
        return kept

    def close(self) -> None:
        """Close every model."""
        for model in self._loaded.values():
            close_in_time(model.close, self._backend)
        self._loaded.clear()

    def _one(self, stream: int, threads: int) -> Model:
        key = stream, threads
        if key not in self._loaded:
            self._loaded[key] = self._load(threads)
        return self._loaded[key]
