"""Measures what a layout answers while samples arrive one by one, as in Server: it may be less than at full load.

At full load batches are alike and nothing else happens in the process. Arriving samples make batches of any size and
mixture, and take time themselves.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from msgspec import structs

from pytest_mlperf.scenarios.base import Serving, Tuned
from pytest_mlperf.worker.pilot import GAIN
from pytest_mlperf.worker.rehearsal import Rehearsal, Unanswered
from pytest_mlperf.worker.tuning import effort_of, measure

if TYPE_CHECKING:
    from pytest_mlperf.implementations.protocol import RunSpec
    from pytest_mlperf.worker.tuning import Bench

#: How long samples arrive, in seconds.
SECONDS = 0.5
#: The part of the rate at full load at which they arrive, and the part of that which is answered by who keeps up.
OFFERED, KEPT_UP = 0.8, 0.9
#: With fewer samples in that time, their arrival costs nothing beside the model.
FEWEST = 50
#: At a higher rate, this process would measure itself.
MOST_RATE = 10_000.0


def with_arrivals(bench: Bench, tuned: Tuned, spec: RunSpec) -> Tuned:
    """Return the layout of a warm-up with the rate that it has where samples arrive one by one.

    If that is less, the other splits of the threads are measured, too, unless the user has chosen the layout.

    Parameters
    ----------
    bench
        What tries layouts.
    tuned
        What the warm-up has found.
    spec
        The run.
    """
    if bench.scenario.timed != "samples" or bench.machine.at_once is not None or bench.elsewhere:
        return tuned
    best = arriving(bench, tuned)
    if best is tuned or spec.layout is not None or spec.tune == "off":
        return best
    for layout in bench.scenario.layouts(bench.machine):
        if layout.streams == tuned.layout.streams:
            continue
        other = measure(structs.replace(layout, batch=tuned.layout.batch), bench, effort_of(spec))
        other = arriving(bench, other)
        if other.samples_per_second > GAIN * best.samples_per_second:
            best = other
        bench.keep(best.layout)
    return best


def arriving(bench: Bench, tuned: Tuned) -> Tuned:
    """Return the same measurements if the layout keeps up with arriving samples, else with the rate of its answers."""
    rate = min(OFFERED * tuned.samples_per_second, MOST_RATE)
    count = int(SECONDS * rate)
    if count < FEWEST:
        return tuned
    arrived, answered = _seconds(bench, tuned, rate, count)
    if arrived >= KEPT_UP * answered:
        return tuned
    return Tuned(tuned.layout, count / answered, tuned.query_seconds, tuned.latency)


def _seconds(bench: Bench, tuned: Tuned, rate: float, count: int) -> tuple[float, float]:
    """Let samples arrive; return after how many seconds the last one came, and when all were answered."""
    unanswered = Unanswered()
    models = bench.models.get(tuned.layout.streams, tuned.layout.threads)
    streams = [Rehearsal(bench.inference(model), unanswered) for model in models]
    sut = bench.scenario.sut(Serving(streams, tuned, bench.guard, bench.bound))
    chance = random.Random(0)  # noqa: S311 - for arrivals, not for secrets
    unanswered.expect(count)
    arrives, start = 0.0, time.perf_counter()
    for number in range(count):
        arrives += chance.expovariate(rate)
        if (early := arrives - (time.perf_counter() - start)) > 0:
            time.sleep(early)
        sut.issue([number], [chance.choice(bench.samples)])
    arrived = time.perf_counter() - start  # not when it should have come: to be late with it is not the layout's fault
    unanswered.wait()
    answered = time.perf_counter() - start
    sut.close()
    return arrived, answered
