"""How many queries LoadGen makes before a performance test begins, and how long it takes to answer them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlperf_loadgen import TestSettings

    from pytest_mlperf.implementations.protocol import OfficialLength

#: Offline's samples are counted for 10 % more than the minimum duration, the queries of streams for twice it
#: (GenerateQueries in loadgen/loadgen.cc of mlcommons/inference).
OFFLINE_SLACK, STREAM_SLACK = 1.1, 2
_NANOSECONDS = 1e9
#: Latencies are given in milliseconds.
NANOSECONDS_IN_MS = 1e6


@dataclass(frozen=True, kw_only=True)
class Length:
    """What decides how long a performance test is.

    Attributes
    ----------
    scenario
        The scenario.
    min_duration_ms, min_query_count
        The minimum duration, and the minimum of queries; in Offline, of samples.
    target_qps
        The rate of Server, and the expected one of Offline.
    latency_ns
        The expected latency of a stream's query.
    samples_per_query
        Samples of a query; Offline's one query has as many as there are.
    set_size
        The samples that are loaded, where each is issued equally often; 0 where they are drawn.
    """

    scenario: str
    min_duration_ms: int
    min_query_count: int
    target_qps: float = 1.0
    latency_ns: int = 1
    samples_per_query: int = 1
    set_size: int = 0

    @classmethod
    def of(cls, settings: TestSettings, scenario: str, samples: int) -> Length:
        """Return that of LoadGen's settings, for a number of samples in the data set."""
        is_multi = scenario == "MultiStream"
        return cls(
            scenario=scenario,
            min_duration_ms=settings.min_duration_ms,
            min_query_count=settings.min_query_count,
            target_qps=settings.offline_expected_qps if scenario == "Offline" else settings.server_target_qps,
            latency_ns=settings.multi_stream_expected_latency_ns
            if is_multi
            else settings.single_stream_expected_latency_ns,
            samples_per_query=settings.multi_stream_samples_per_query if is_multi else 1,
            set_size=min(settings.performance_sample_count_override or samples, samples)
            if settings.sample_concatenate_permutation
            else 0,
        )

    @classmethod
    def asked(cls, official: OfficialLength, scenario: str, samples: int) -> Length:
        """Return that of a run of official length, for a number of samples in the data set."""
        return cls(
            scenario=scenario,
            min_duration_ms=official.min_duration_ms,
            min_query_count=official.min_query_count,
            samples_per_query=official.samples_per_query if scenario == "MultiStream" else 1,
            set_size=min(official.performance_sample_count or samples, samples) if official.equal_issue else 0,
        )

    def changed(self, values: Mapping[str, str]) -> Length:
        """Return this with the values of a user.conf, by key."""
        return replace(
            self,
            min_duration_ms=int(values.get("min_duration", self.min_duration_ms)),
            min_query_count=int(values.get("min_query_count", self.min_query_count)),
            target_qps=float(values.get("target_qps", self.target_qps)),
            latency_ns=int(float(values["target_latency"]) * NANOSECONDS_IN_MS)
            if "target_latency" in values
            else self.latency_ns,
            samples_per_query=int(values.get("samples_per_query", self.samples_per_query)),
        )

    @property
    def is_counted(self) -> bool:
        """Whether a stream's test ends with its queries alone, and these are as many as are made for its duration.

        That is so in SingleStream with equal issue (the constructor of TestSettingsInternal in
        loadgen/test_settings_internal.cc).
        """
        return self.scenario == "SingleStream" and self.set_size > 0

    def in_sets(self, count: float) -> float:
        """Return a number of queries or samples, made up to whole sets where each sample is issued equally often."""
        return math.ceil(count / self.set_size) * self.set_size if self.set_size else count


class Generated(NamedTuple):
    """The queries of a performance test, and their samples in all.

    ``by_duration`` says whether the minimum duration and the rate decided, and not the minimum of queries;
    ``is_stream`` that the rate is that of an expected latency.
    """

    queries: float
    samples: float
    by_duration: bool
    is_stream: bool


def generated(length: Length) -> Generated:
    """Return what LoadGen makes by its settings."""
    seconds, least = length.min_duration_ms / 1000, length.min_query_count
    if length.scenario == "Offline":
        by_time = OFFLINE_SLACK * seconds * length.target_qps
        return Generated(1, length.in_sets(max(by_time, least)), by_time > least, is_stream=False)
    if length.scenario == "Server":
        by_time = seconds * length.target_qps
        queries = length.in_sets(max(by_time, least))
        return Generated(queries, queries, by_time > least, is_stream=False)
    by_time = STREAM_SLACK * seconds * _NANOSECONDS / length.latency_ns
    queries = max(by_time, least)
    if length.is_counted:  # whole sets get one more
        queries = length.in_sets(int(queries) + 1)
    return Generated(queries, queries * length.samples_per_query, by_time > least, is_stream=True)


def seconds_of_test(length: Length, samples_per_second: float, query_seconds: float) -> float:
    """Return how long a performance test takes; 0 if the rates are not known.

    Offline answers all that was generated. Server offers it at its own rate. A stream ends when it has lasted its
    minimum duration and answered its minimum of queries, whatever was generated; see `Length.is_counted` for another.

    Parameters
    ----------
    length
        What decides the test's length.
    samples_per_second, query_seconds
        How fast the system answers: its throughput, and a stream's query.
    """
    if length.scenario == "Offline":
        return generated(length).samples / samples_per_second if samples_per_second else 0.0
    if length.scenario == "Server":
        return generated(length).queries / length.target_qps
    queries = generated(length).queries if length.is_counted else length.min_query_count
    return max(length.min_duration_ms / 1000, queries * query_seconds) if query_seconds else 0.0


def duration_for(length: Length, seconds: float, query_seconds: float) -> float:
    """Return the minimum duration, in seconds, with which a stream's test takes so many seconds."""
    if not length.is_counted or not query_seconds:
        return seconds
    queries = max(0.0, seconds / query_seconds - length.set_size)
    return min(seconds, queries * length.latency_ns / _NANOSECONDS / STREAM_SLACK)
