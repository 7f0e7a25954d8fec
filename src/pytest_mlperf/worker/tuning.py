"""Before the test: which layout serves the scenario best on this machine, and how fast it is.

Small models lose to the threads of one inference, large ones to the memory of many; nobody knows before
measuring. Each candidate serves a rehearsal query with the scenario's own SUT, outside the timed test.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec import structs

from pytest_mlperf.implementations.protocol import ExecutionLayout
from pytest_mlperf.scenarios.multi_stream import MultiStream
from pytest_mlperf.scenarios.offline import Offline
from pytest_mlperf.scenarios.single_stream import SingleStream

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_mlperf.backends.base import Session
    from pytest_mlperf.scenarios.base import SUT, Inference
    from pytest_mlperf.worker.guard import Guard

#: A trial runs at least this long, after one query to warm up.
TRIAL_SECONDS = 0.15
#: A more complicated layout must beat a simpler one by this much.
GAIN = 1.03
LARGEST_BATCH = 1024
#: Samples in memory for the rehearsal; longer queries repeat them.
REHEARSAL_SAMPLES = 16


@dataclass(frozen=True)
class Tuned:
    """The chosen layout and what it did in rehearsal.

    ``latency`` is the seconds that a stream takes for a batch, by batch size, with all streams at work.
    """

    layout: ExecutionLayout
    samples_per_second: float
    query_seconds: float
    latency: dict[int, float]


@dataclass(frozen=True)
class Bench:
    """What a layout is tried with: for which scenario, and on what.

    ``samples`` are the indices in memory; ``samples_per_query`` is MultiStream's.
    """

    scenario: str
    sessions: Sessions
    inference: Callable[[Session], Inference]
    guard: Guard
    samples: Sequence[int]
    threads: int
    max_batch: int
    samples_per_query: int


def available_cores() -> int:
    """Return the cores that this process may use: its affinity, and its cgroup's quota where there is one."""
    cores = len(os.sched_getaffinity(0))
    try:
        with open("/sys/fs/cgroup/cpu.max", encoding="ascii") as file:  # noqa: PTH123 - a kernel interface
            quota, period = file.read().split()
    except (OSError, ValueError):
        return cores
    return cores if quota == "max" else max(1, min(cores, int(quota) // int(period)))


def splits(threads: int) -> list[tuple[int, int]]:
    """Return ways to share `threads` as (streams, threads each), from one stream to one thread a stream."""
    streams = [1]
    while streams[-1] * 2 <= threads:
        streams.append(streams[-1] * 2)
    if streams[-1] != threads:
        streams.append(threads)
    return [(n, threads // n) for n in streams]


def default_layout(bench: Bench) -> ExecutionLayout:
    """Return a sound layout without measuring, for accuracy runs."""
    if bench.scenario == "SingleStream":
        return ExecutionLayout(streams=1, threads=bench.threads, batch=1)
    batch = min(bench.max_batch, 8)
    return ExecutionLayout(streams=bench.threads, threads=1, batch=batch)


def tune(bench: Bench) -> Tuned:
    """Try the layouts that may serve the scenario and return the best with its figures."""
    if bench.scenario == "SingleStream":
        candidates = [ExecutionLayout(streams=1, threads=n, batch=1) for _, n in splits(bench.threads)]
        return _best(candidates, bench, lambda _: 1)
    if bench.scenario == "MultiStream":
        return _best(_multi_stream_layouts(bench), bench, lambda _: bench.samples_per_query)
    one_by_one = [ExecutionLayout(streams=s, threads=t, batch=1) for s, t in splits(bench.threads)]
    return _grow_batch(_best(one_by_one, bench, _two_rounds), bench)


def measure(layout: ExecutionLayout, bench: Bench) -> Tuned:
    """Return what a known layout does in rehearsal, for each batch that Server may take."""
    if bench.scenario == "SingleStream":
        return _rehearse(layout, bench, 1)
    if bench.scenario == "MultiStream":
        return _rehearse(layout, bench, bench.samples_per_query)
    sizes = [structs.replace(layout, batch=size) for size in _sizes(layout.batch)]
    trials = [_rehearse(size, bench, _two_rounds(size)) for size in sizes]
    latency = {trial.layout.batch: _batch_seconds(trial) for trial in trials}
    return Tuned(layout, trials[-1].samples_per_second, trials[-1].query_seconds, latency)


def untuned(layout: ExecutionLayout) -> Tuned:
    """Return a layout without figures: Server then takes whatever waits, up to the batch."""
    return Tuned(layout, 0.0, 0.0, dict.fromkeys(_sizes(layout.batch), 0.0))


def _sizes(largest: int) -> list[int]:
    """Return the powers of two up to a batch, and the batch."""
    powers = [1 << n for n in range(largest.bit_length()) if 1 << n <= largest]
    return sorted({*powers, largest})


def _two_rounds(layout: ExecutionLayout) -> int:
    return 2 * layout.streams * layout.batch


def _multi_stream_layouts(bench: Bench) -> list[ExecutionLayout]:
    def batches(streams: int) -> list[int]:
        share_of_query = -(-bench.samples_per_query // streams)
        return list(dict.fromkeys((1, min(bench.max_batch, share_of_query))))

    return [
        ExecutionLayout(streams=streams, threads=threads, batch=batch)
        for streams, threads in splits(bench.threads)
        for batch in batches(streams)
    ]


def _grow_batch(best: Tuned, bench: Bench) -> Tuned:
    """Double the batch while it pays, and keep the latency of each size that was tried."""
    latency = {best.layout.batch: _batch_seconds(best)}
    while (batch := best.layout.batch * 2) <= bench.max_batch:
        layout = ExecutionLayout(streams=best.layout.streams, threads=best.layout.threads, batch=batch)
        trial = _rehearse(layout, bench, _two_rounds(layout))
        latency[batch] = _batch_seconds(trial)
        if trial.samples_per_second < best.samples_per_second * GAIN:
            break
        best = trial
    kept = {size: seconds for size, seconds in latency.items() if size <= best.layout.batch}
    return Tuned(best.layout, best.samples_per_second, best.query_seconds, kept)


def _batch_seconds(tuned: Tuned) -> float:
    return tuned.layout.streams * tuned.layout.batch / tuned.samples_per_second


def _best(
    candidates: Sequence[ExecutionLayout],
    bench: Bench,
    query: Callable[[ExecutionLayout], int],
) -> Tuned:
    trials = [_rehearse(layout, bench, query(layout)) for layout in candidates]
    best = trials[0]
    for trial in trials[1:]:
        if trial.samples_per_second > best.samples_per_second * GAIN:
            best = trial
    return best


class _Rehearsal:
    """An inference whose answers are counted instead of sent to LoadGen."""

    def __init__(self, inference: Inference, finished: threading.Semaphore) -> None:
        self._infer = inference.infer
        self._finished = finished

    def answer(self, ids: Sequence[int], indices: Sequence[int]) -> None:
        self._infer(indices)
        self._finished.release(len(ids))


def _rehearse(layout: ExecutionLayout, bench: Bench, query: int) -> Tuned:
    finished = threading.Semaphore(0)
    sessions = bench.sessions.get(layout.streams, layout.threads)
    actors = [_Rehearsal(bench.inference(session), finished) for session in sessions]
    sut = _rehearsal_sut(layout, actors, bench)
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


def _rehearsal_sut(layout: ExecutionLayout, actors: Sequence[_Rehearsal], bench: Bench) -> SUT:
    if bench.scenario == "SingleStream":
        return SingleStream(actors[0])
    if bench.scenario == "MultiStream":
        return MultiStream(actors, layout.batch, bench.guard)
    return Offline(actors, layout.batch, bench.guard)  # Server's streams are tried at full load, too


class Sessions:
    """Gives sessions to streams, loading each no more often than the runtime needs.

    Parameters
    ----------
    load
        Loads the model for a number of threads.
    concurrent
        Whether one session serves several streams at once.
    """

    def __init__(self, load: Callable[[int], Session], *, concurrent: bool) -> None:
        self._load = load
        self._concurrent = concurrent
        self._loaded: dict[tuple[int, int], Session] = {}

    def get(self, streams: int, threads: int) -> list[Session]:
        """Return a session for each of `streams`, with `threads` threads each."""
        keys = [(0 if self._concurrent else stream, threads) for stream in range(streams)]
        for key in keys:
            if key not in self._loaded:
                self._loaded[key] = self._load(threads)
        return [self._loaded[key] for key in keys]

    def keep(self, layout: ExecutionLayout) -> list[Session]:
        """Return the sessions of a layout and free all others: their memory is not the run's."""
        kept = self.get(layout.streams, layout.threads)
        self._loaded = {key: session for key, session in self._loaded.items() if session in kept}
        return kept
