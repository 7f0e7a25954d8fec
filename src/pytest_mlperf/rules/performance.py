"""A performance run's figures, each under the name and in the unit that MLPerf reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pytest_mlperf.rules.figure_names import bound_of, name_of, percentile_of
from pytest_mlperf.scenarios import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_mlperf.rules.detail_log import DetailLog
    from pytest_mlperf.scenarios.base import Figure

NANOSECONDS_PER_MS = 1e6


#: Where each scenario's result stands in the detail log.
RESULT_FIELDS: Mapping[str, Figure] = {name: scenario.figure for name, scenario in SCENARIOS.items()}


class Performance(msgspec.Struct, frozen=True, kw_only=True):
    """What a performance run measured.

    Attributes
    ----------
    value, unit
        The scenario's result, None when LoadGen gives none, and its unit.
    words, short
        Its name in full, and what stands before it in the table: ``90th-percentile latency, early stopping``, and
        ``p90, early stopping``.
    percentile
        The percentile of the latencies that counts, as a fraction; None in Offline, where none does.
    bound
        Server's bound on it: ``p99 within 100 ms``.
    valid
        Whether LoadGen calls the run VALID.
    samples
        The samples of the run.
    latency_ms
        Percentiles of the samples' latencies, in MultiStream of the queries'; empty in Offline, whose samples are one
        query: what LoadGen logs there counts from the start of the test.
    """

    value: float | None
    unit: str
    words: str
    valid: bool
    samples: int
    latency_ms: dict[str, float]
    short: str = ""
    percentile: float | None = None
    bound: str = ""


def performance_of(scenario: str, log: DetailLog) -> Performance:
    """Return the figures of a performance run's detail log."""
    field, name = RESULT_FIELDS[scenario], name_of(scenario, log)
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
        words=name.words,
        short=name.short,
        percentile=percentile_of(log) if scenario != "Offline" else None,
        bound=bound_of(scenario, log),
        valid=log.fault is None and log.values.get("result_validity") == "VALID",
        samples=int(log.number("result_query_count") or 0) * per_query,
        latency_ms=latency,
    )


def _latency(scenario: str, log: DetailLog, percentile: str) -> float | None:
    if scenario == "Offline":
        return None
    kind = "percentile_per_query_latency_ns" if scenario == "MultiStream" else "percentile_latency_ns"
    return log.number(f"result_{percentile}.00_{kind}")
