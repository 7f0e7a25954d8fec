"""The warm-up: finds the fastest layout for the scenario on this machine, and measures it.

Small models run slower with many threads in one inference, large ones with many inferences at once, so the best
layout must be measured. Each candidate answers a rehearsal query with the scenario's own SUT, outside the timed test.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec import structs

from pytest_mlperf.scenarios.base import Serving, Tuned

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_mlperf.backends.base import Model
    from pytest_mlperf.implementations.protocol import ExecutionLayout
    from pytest_mlperf.scenarios.base import Guard, Machine, Scenario
    from pytest_mlperf.worker.inference import Inference

#: A trial runs at least this long, after one query to warm up.
TRIAL_SECONDS = 0.15
#: A more complicated layout must beat a simpler one by this much.
GAIN = 1.03
LARGEST_BATCH = 1024


@dataclass(frozen=True)
class Bench:
    """What is needed to try a layout.

    ``samples`` are the indices of the loaded samples.
    """

    scenario: Scenario
    models: Models
    inference: Callable[[Model], Inference]
    guard: Guard
    samples: Sequence[int]
    machine: Machine


def available_cores() -> int:
    """Return the cores that this process may use: its affinity, limited by the cgroup's quota."""
    cores = len(os.sched_getaffinity(0))
    try:
        with open("/sys/fs/cgroup/cpu.max", encoding="ascii") as file:  # noqa: PTH123 - a kernel interface
            quota, period = file.read().split()
    except (OSError, ValueError):
        return cores
    return cores if quota == "max" else max(1, min(cores, int(quota) // int(period)))


def tune(bench: Bench) -> Tuned:
    """Try the scenario's layouts and return the best one with its measurements; free the models of the others."""
    best: Tuned | None = None
    for layout in bench.scenario.layouts(bench.machine):
        trial = _rehearse(layout, bench)
        if best is None or trial.samples_per_second > best.samples_per_second * GAIN:
            best = trial
        bench.models.keep(best.layout)
    assert best is not None  # noqa: S101 - a scenario has at least one layout
    return _grow_batch(best, bench) if bench.scenario.batch_grows else best


def measure(layout: ExecutionLayout, bench: Bench) -> Tuned:
    """Measure a given layout; for Server, with each batch size."""
    if not bench.scenario.batch_grows:
        return _rehearse(layout, bench)
    trials = [_rehearse(structs.replace(layout, batch=size), bench) for size in _sizes(layout.batch)]
    latency = {trial.layout.batch: _batch_seconds(trial) for trial in trials}
    return Tuned(layout, trials[-1].samples_per_second, trials[-1].query_seconds, latency)


def untuned(layout: ExecutionLayout) -> Tuned:
    """Return a layout without measurements; Server then takes all waiting samples, up to the batch size."""
    return Tuned(layout, 0.0, 0.0, dict.fromkeys(_sizes(layout.batch), 0.0))


def _sizes(largest: int) -> list[int]:
    """Return the powers of two up to `largest`, and `largest`."""
    powers = [1 << n for n in range(largest.bit_length()) if 1 << n <= largest]
    return sorted({*powers, largest})


def _grow_batch(best: Tuned, bench: Bench) -> Tuned:
    """Double the batch while throughput grows, and keep the latency of each size."""
    latency = {best.layout.batch: _batch_seconds(best)}
    while (batch := best.layout.batch * 2) <= bench.machine.max_batch:
        trial = _rehearse(structs.replace(best.layout, batch=batch), bench)
        latency[batch] = _batch_seconds(trial)
        if trial.samples_per_second < best.samples_per_second * GAIN:
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


def _rehearse(layout: ExecutionLayout, bench: Bench) -> Tuned:
    finished = threading.Semaphore(0)
    models = bench.models.get(layout.streams, layout.threads)
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

    serve()
    total, seconds = 0.0, []
    while total < TRIAL_SECONDS:
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
    """

    def __init__(self, load: Callable[[int], Model]) -> None:
        self._load = load
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
                model.close()
        return kept

    def close(self) -> None:
        """Close every model."""
        for model in self._loaded.values():
            model.close()
        self._loaded.clear()

    def _one(self, stream: int, threads: int) -> Model:
        key = stream, threads
        if key not in self._loaded:
            self._loaded[key] = self._load(threads)
        return self._loaded[key]
