"""How many queries LoadGen makes before a performance test begins (GenerateQueries in loadgen/loadgen.cc)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mlperf_loadgen import TestSettings

#: Offline's samples are counted for 10 % more than the minimum duration, the queries of streams for twice it.
_OFFLINE_SLACK, _STREAM_SLACK = 1.1, 2
_NANOSECONDS = 1e9


class Generated(NamedTuple):
    """The queries of a performance test, and their samples in all.

    ``by_duration`` says whether the minimum duration and the rate decided, and not the minimum of queries;
    ``is_stream`` that the rate is that of an expected latency.
    """

    queries: float
    samples: float
    by_duration: bool
    is_stream: bool


def generated(settings: TestSettings, scenario: str) -> Generated:
    """Return what LoadGen makes by its settings."""
    seconds, least = settings.min_duration_ms / 1000, settings.min_query_count
    if scenario == "Offline":
        by_time = _OFFLINE_SLACK * seconds * settings.offline_expected_qps
        return Generated(1, max(by_time, least), by_time > least, is_stream=False)
    if scenario == "Server":
        by_time = seconds * settings.server_target_qps
        return Generated(max(by_time, least), max(by_time, least), by_time > least, is_stream=False)
    is_multi = scenario == "MultiStream"
    latency = settings.multi_stream_expected_latency_ns if is_multi else settings.single_stream_expected_latency_ns
    by_time = _STREAM_SLACK * seconds * _NANOSECONDS / latency
    queries = max(by_time, least)
    each = settings.multi_stream_samples_per_query if is_multi else 1
    return Generated(queries, queries * each, by_time > least, is_stream=True)
