"""A performance run's figures, each under the name and in the unit that MLPerf reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pytest_mlperf.scenarios import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_mlperf.rules.detail_log import DetailLog
    from pytest_mlperf.scenarios.base import Figure

NANOSECONDS_PER_MS = 1e6


#: Where each scenario's result stands in the detail log.
RESULT_FIELDS: Mapping[str, Figure] = {name: scenario.figure for name, scenario in SCENARIOS.items()}


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
