"""The warm-up: finds the fastest layout for the scenario on this machine, and measures it.

Small models run slower with many threads in one inference, large ones with many inferences at once, so the best
layout must be measured. Each candidate answers a rehearsal query with the scenario's own SUT, outside the timed test.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec import structs

from pytest_mlperf.scenarios.base import Serving, Tuned
from pytest_mlperf.worker.closing import close_in_time
from pytest_mlperf.worker.pilot import EFFORTS, MEDIUM, QUICK, Effort, Pilot, Trials, seconds_of_a_batch
from pytest_mlperf.worker.rehearsal import DeferredRehearsal, Rehearsal, Unanswered

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_mlperf.backends.base import Model
    from pytest_mlperf.implementations.protocol import ExecutionLayout, RunSpec, Trial
    from pytest_mlperf.scenarios.base import Answering, Guard, Machine, Scenario
    from pytest_mlperf.worker.deferred import DeferredInference
    from pytest_mlperf.worker.inference import Inference

#: The part of Server's latency bound that an answer of a remote model may take at full load.
PROMPT = 0.5
LARGEST_BATCH = 1024
#: Where only the throughput counts, a rehearsal query lasts about so many seconds, or has so many times the batches.
LONG_QUERY, MOST_BATCHES = 0.004, 200
#: Where a batch takes longer, in seconds, a layout is warmed up once, by one batch for each stream.
SLOW_BATCH = 0.25
#: So many times the scenario's query is one of a rehearsal for models in other processes.
FAR_QUERY = 4
#: Where a batch takes less, what each call costs may be a part of it, and less of twice the batch: one that gains too
#: little alone may be on the way to one that gains enough.
QUICK_SECONDS = 0.01


@dataclass(frozen=True)
class Bench:
    """What is needed to try a layout with this package's own SUT.

    ``samples`` are the indices of the loaded samples. ``deferred`` makes the one stream of a model that answers later,
    for a number of batches in flight; None for other models. ``bound`` is Server's latency bound in seconds.
    ``elsewhere`` says that models answer in other processes, so that a call costs more than its samples.
    """

    scenario: Scenario
    models: Models
    inference: Callable[[Model], Inference]
    guard: Guard
    samples: Sequence[int]
    machine: Machine
    deferred: Callable[[Model, int], DeferredInference] | None = None
    bound: float = math.inf
    elsewhere: bool = False

    def is_prompt(self, trial: Tuned) -> bool:
        """Return whether a model in another process answers well within Server's bound, with so much in flight."""
        here = self.machine.at_once is None and not self.elsewhere
        return here or seconds_of_a_batch(trial) < self.bound * PROMPT

    def rehearse(self, layout: ExecutionLayout, seconds: float, *, warm: bool, first: bool) -> Tuned:
        """Answer rehearsal queries with a layout and measure it; see `Trials`."""
        return _rehearse(layout, self, seconds, warm=warm, first=first)

    def keep(self, layout: ExecutionLayout) -> list[Model]:
        """Return the models of a layout; close all others."""
        return self.models.keep(layout)


def tune(trials: Trials, effort: Effort = QUICK) -> tuple[Tuned, tuple[Trial, ...]]:
    """Find the scenario's best layout on this machine; free the models of the others.

    Returns
    -------
    Tuned, tuple of Trial
        The layout with its measurements, and all that was tried.
    """
    pilot = Pilot(trials, effort)
    best, *others = trials.scenario.layouts(trials.machine)
    for layout in others:
        if pilot.gives_up:
            break
        if pilot.is_better(layout, best):
            best = layout
        trials.keep(best)
    if not trials.scenario.batch_grows:
        return pilot.expected(best), pilot.record
    return _grown(best, trials, pilot), pilot.record


def warm_up(trials: Trials, spec: RunSpec, versions: Mapping[str, str]) -> tuple[Tuned, tuple[Trial, ...]]:
    """Return the layout of a performance run with its measurements, and what was tried to find it.

    Parameters
    ----------
    trials
        Who tries layouts.
    spec
        The run. Its own layout comes first, then one that an earlier run found.
    versions
        What the run runs with: the layout of an earlier run is that of the same versions.
    """
    layout, kept = spec.layout, spec.kept
    if layout is None and kept is not None and kept.versions == versions:
        layout = kept.layout
    if layout is None and spec.tune == "off":
        layout = trials.scenario.layouts(trials.machine)[0]
    effort = effort_of(spec)
    return tune(trials, effort) if layout is None else (measure(layout, trials, effort), ())


def effort_of(spec: RunSpec) -> Effort:
    """Return how thoroughly a run's layouts are compared."""
    effort = EFFORTS.get(spec.tune, QUICK)
    return MEDIUM if spec.budget is not None and effort is QUICK else effort


def measure(layout: ExecutionLayout, trials: Trials, effort: Effort = QUICK) -> Tuned:
    """Measure a given layout; for Server, with each batch size."""
    pilot = Pilot(trials, effort)
    expected = pilot.expected(layout)
    if not trials.scenario.batch_grows:
        return expected
    sizes = [pilot.usual(structs.replace(layout, batch=size)) for size in _sizes(layout.batch)]
    latency = {trial.layout.batch: seconds_of_a_batch(trial) for trial in sizes}
    return Tuned(layout, expected.samples_per_second, expected.query_seconds, latency)


def rehearsed(trials: Trials, samples: Sequence[int], tuned: Tuned) -> Sequence[int]:
    """Return which of the samples that were loaded for it the rehearsal queries of a layout had."""
    query = trials.scenario.query_size(tuned.layout, trials.machine)
    if trials.scenario.batch_grows and tuned.samples_per_second * LONG_QUERY > query:  # it was made longer
        return samples
    return samples[:query]


def untuned(layout: ExecutionLayout) -> Tuned:
    """Return a layout without measurements; Server then takes all waiting samples, up to the batch size."""
    return Tuned(layout, 0.0, 0.0, dict.fromkeys(_sizes(layout.batch), 0.0))


def _sizes(largest: int) -> list[int]:
    """Return the powers of two up to `largest`, and `largest`."""
    powers = [1 << n for n in range(largest.bit_length()) if 1 << n <= largest]
    return sorted({*powers, largest})


def _grown(layout: ExecutionLayout, trials: Trials, pilot: Pilot) -> Tuned:
    """Return the layout with the largest batch that pays, and the latency of each size up to it.

    With one sample a call a split of the threads may be slower that is faster with many: so the other splits are
    compared once more, with that batch.
    """
    chosen = _largest(layout, trials, pilot)
    if chosen.batch > 1 and trials.machine.at_once is None:
        for other in trials.scenario.layouts(trials.machine):
            if other.streams != chosen.streams and not pilot.gives_up:
                many = structs.replace(other, batch=chosen.batch)
                if pilot.is_better(many, chosen):
                    chosen = _largest(many, trials, pilot)
                trials.keep(chosen)
    best = pilot.expected(chosen)
    sizes = [structs.replace(chosen, batch=size) for size in _sizes(chosen.batch)]
    latency = {each.batch: seconds_of_a_batch(pilot.usual(each)) for each in sizes}
    return Tuned(best.layout, best.samples_per_second, best.query_seconds, latency)


def _largest(layout: ExecutionLayout, trials: Trials, pilot: Pilot) -> ExecutionLayout:
    """Double the batch while throughput grows; where calls are quick, one size that does not pay is passed over."""
    chosen, last = layout, layout
    while (batch := last.batch * 2) <= trials.machine.max_batch and not pilot.gives_up:
        missed = chosen is not last
        last = structs.replace(layout, batch=batch)
        if pilot.is_better(last, chosen):
            chosen = last
        elif missed or seconds_of_a_batch(pilot.usual(last)) > QUICK_SECONDS:
            break
    return chosen


def _rehearse(layout: ExecutionLayout, bench: Bench, least: float, *, warm: bool, first: bool) -> Tuned:
    """Measure a layout for `least` seconds; see `Trials`."""
    unanswered = Unanswered()
    models = bench.models.get(layout.streams, layout.threads)
    streams: Sequence[Answering]
    if bench.deferred is not None:
        streams = [DeferredRehearsal(bench.deferred(models[0], layout.streams), unanswered)]
    else:
        streams = [Rehearsal(bench.inference(model), unanswered) for model in models]
    sut = bench.scenario.rehearsal_sut(Serving(streams, Tuned(layout, 0.0, 0.0, {}), bench.guard))
    query = bench.scenario.query_size(layout, bench.machine)
    wants_rate = bench.scenario.batch_grows and bench.machine.at_once is None
    if wants_rate and bench.elsewhere:  # at a query's end the way is waited for, in the test but once
        query *= FAR_QUERY

    def serve(query: int) -> float:
        indices = [bench.samples[n % len(bench.samples)] for n in range(query)]
        start = time.perf_counter()
        unanswered.expect(query)
        sut.issue(indices, indices)
        unanswered.wait()
        return time.perf_counter() - start

    seconds = []
    if wants_rate:
        at_once = layout.streams * layout.batch
        size = query if warm else at_once
        once = serve(size)
        if once * at_once / size > SLOW_BATCH:
            seconds = [once] if warm else []
        else:  # in a short query, how soon the threads wake up would be measured
            query *= max(1, min(MOST_BATCHES, int(LONG_QUERY * size / (once * query))))
    elif not warm:
        once = serve(query)
        # A remote model that takes long has no use for a warm-up of each layout.
        if bench.machine.at_once is not None and not first and once > least:
            seconds = [once]
    total = sum(seconds)
    while total < least:
        seconds.append(serve(query))
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
