"""What a performance run promises before its test begins: how long that takes, and whether it is of official length."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf.implementations.protocol import Promise
from pytest_mlperf.loadgen.generated import Length, seconds_of_test

if TYPE_CHECKING:
    from mlperf_loadgen import TestSettings

    from pytest_mlperf.implementations.protocol import OfficialLength, RunSpec
    from pytest_mlperf.scenarios.base import Tuned

#: What a process takes before it can look at the time, and after its test, in seconds.
AROUND = 1.0


def seconds_left(spec: RunSpec, elapsed: float) -> float | None:
    """Return how long the test may take, if the run's time is limited and `elapsed` seconds of it are over."""
    return max(0.0, spec.budget - elapsed - AROUND) if spec.budget is not None else None


def promised(
    settings: TestSettings,
    spec: RunSpec,
    official: OfficialLength,
    samples: int,
    tuned: Tuned,
    load_seconds: float = 0.0,
) -> Promise | None:
    """Return the promise of a performance run; None for any other.

    Parameters
    ----------
    settings
        LoadGen's settings of the test.
    spec
        The run.
    official
        What the round asks.
    samples
        How many samples there are to load.
    tuned
        The measurements of the warm-up.
    load_seconds
        What it took to load a sample for the warm-up.
    """
    if spec.mode != "performance":
        return None
    long = settings.min_duration_ms >= official.min_duration_ms
    many = settings.min_query_count >= official.min_query_count
    loaded = min(settings.performance_sample_count_override or samples, samples)
    return Promise(
        seconds=seconds_of_test(
            Length.of(settings, spec.scenario, samples), tuned.samples_per_second, tuned.query_seconds
        ),
        official=long and many and loaded >= official.performance_sample_count,
        samples_per_second=tuned.samples_per_second,
        query_seconds=tuned.query_seconds,
        loading=loaded * load_seconds,
    )
