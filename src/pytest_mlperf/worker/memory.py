"""The memory that a test needs for its queries and its samples, counted before LoadGen takes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_mlperf.errors import RequirementError
from pytest_mlperf.loadgen.generated import Length, generated
from pytest_mlperf.machine.memory import free_memory

if TYPE_CHECKING:
    from mlperf_loadgen import TestSettings

#: Bytes that LoadGen 6.0.17 and its Python binding take, measured with 200,000 to 2,000,000 queries: of a query, of
#: each of its samples, and of a sample of Offline's one query, whose numbers are Python lists, too.
_QUERY, _SAMPLE, _OFFLINE_SAMPLE = 280, 60, 140
_GIBIBYTE = 1 << 30


@dataclass(frozen=True)
class Need:
    """Memory that a test needs, and which settings it is counted from.

    ``options`` are for people: settings of user.conf and options.
    """

    size: float
    of: str
    options: str


def check_memory(settings: TestSettings, scenario: str, mode: str, sample: Any, samples: int) -> None:
    """Raise if a test needs more memory than is free.

    Parameters
    ----------
    settings
        LoadGen's settings of the test.
    scenario, mode
        Of the test.
    sample, samples
        One sample, and how many the test can load.

    Raises
    ------
    RequirementError
        The queries or the samples do not fit.
    """
    needs = [_loaded(settings, sample, samples)]
    if mode == "performance":
        needs.append(_queries(settings, scenario, samples))
    total, free = sum(need.size for need in needs), free_memory()
    if free is not None and total > free:
        largest = max(needs, key=lambda need: need.size)
        raise RequirementError(
            f"the test needs more memory than is free: {largest.of}",
            expected=f"at most {free / _GIBIBYTE:.1f} GiB",
            found=f"about {total / _GIBIBYTE:,.1f} GiB",
            fix=f"lower {largest.options}",
        )


def _queries(settings: TestSettings, scenario: str, samples: int) -> Need:
    """Return the memory of the queries that LoadGen makes before the first one."""
    made = generated(Length.of(settings, scenario, samples))
    if made.by_duration:
        options = f"--min-duration, or {'raise --target-latency' if made.is_stream else 'lower --target-qps'}"
    else:
        options = "--test-query-count, or min_query_count in user.conf"
    if scenario == "Offline":
        return Need(made.samples * _OFFLINE_SAMPLE, f"{made.samples:,.0f} samples in Offline's query", options)
    each = made.samples / made.queries
    if each * _SAMPLE > _QUERY * 10:
        options = "samples_per_query in user.conf"
    size = made.queries * _QUERY + made.samples * _SAMPLE
    return Need(size, f"{made.queries:,.0f} queries of {each:,.0f} samples", options)


def _loaded(settings: TestSettings, sample: Any, samples: int) -> Need:
    count = min(settings.performance_sample_count_override or samples, samples)
    size = sum(getattr(value, "nbytes", 0) for value in sample.values()) if isinstance(sample, Mapping) else 0
    return Need(
        count * size,
        f"{count:,} samples of {size / (1 << 20):.3g} MiB in memory",
        "performance_sample_count_override in user.conf, or --dataset-size",
    )
