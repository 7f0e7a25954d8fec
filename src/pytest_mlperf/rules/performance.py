"""A performance run's figures, each under the name and in the unit that MLPerf reports."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_mlperf.rules.detail_log import DetailLog

NANOSECONDS_PER_MS = 1e6


class ResultField(NamedTuple):
    """Where a scenario's result stands in the detail log (RESULT_FIELD_NEW of the official checker)."""

    key: str
    unit: str
    scale: float
    words: str


RESULT_FIELDS: Mapping[str, ResultField] = {
    "Offline": ResultField("result_samples_per_second", "samples/s", 1.0, "samples per second"),
    "Server": ResultField("result_completed_samples_per_sec", "queries/s", 1.0, "completed queries per second"),
    "SingleStream": ResultField("early_stopping_latency_ss", "ms", 1e-6, "90th percentile latency"),
    "MultiStream": ResultField("early_stopping_latency_ms", "ms", 1e-6, "99th percentile latency"),
}


class Performance(msgspec.Struct, frozen=True, kw_only=True):
    """What a performance run measured. ``value`` is None when LoadGen gives none; latencies are in ms.

    In Offline all samples are one query, so a sample's latency counts from the start of the test.
    """

    value: float | None
    unit: str
    words: str
    valid: bool
    samples: int
    latency_ms: dict[str, float]


def performance_of(scenario: str, log: DetailLog) -> Performance:
    """Return the figures of a performance run's detail log."""
    field = RESULT_FIELDS[scenario]
    raw = log.number(field.key)
    per_query = int(log.number("effective_samples_per_query") or 1)
    latency = {
        f"p{percentile}": nanoseconds / NANOSECONDS_PER_MS
        for percentile in ("50", "90", "99")
        if (nanoseconds := _latency(scenario, log, percentile)) is not None
    }
    return Performance(
        value=raw * field.scale if raw else None,
        unit=field.unit,
        words=field.words,
        valid=log.fault is None and log.values.get("result_validity") == "VALID",
        samples=int(log.number("result_query_count") or 0) * per_query,
        latency_ms=latency,
    )


def _latency(scenario: str, log: DetailLog, percentile: str) -> float | None:
    kind = "percentile_per_query_latency_ns" if scenario == "MultiStream" else "percentile_latency_ns"
    return log.number(f"result_{percentile}.00_{kind}")
