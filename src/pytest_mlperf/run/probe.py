"""A run at one rate on the way to a Server case's peak: how the result records it, and what it says to the search."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import msgspec

from pytest_mlperf.run.peak_curve import Point

if TYPE_CHECKING:
    from pytest_mlperf.rules.detail_log import DetailLog

_NS_PER_MS = 1e6
_RECORDED = ("50", "90", "99")
_PERCENTILES = (*_RECORDED, "95", "97", "99.90")
_TOKENS = "requested_use_token_latencies"
#: What a run of a search is for.
Purpose = Literal["short", "full", "confirming"]
#: An excess that says nothing but the side.
_LEAST = 1e-6


class Probe(msgspec.Struct, frozen=True):
    """A run on the way to a Server case's highest valid rate, or the run that confirms it.

    Attributes
    ----------
    rate
        The rate that was offered, in queries per second.
    queries
        How many queries it had, or had answered when it was ended.
    late
        How many of them took longer than the latency bound; None if that is not known.
    latency_ms
        The percentiles 50, 90 and 99 of their latencies, as ``p50``; empty if it was ended.
    verdict
        ``VALID`` if no more were late than a valid run of the confirming run's length may have, ``INVALID`` if more
        were, and ``ended`` if the system fell behind so far that the run was ended.
    purpose
        ``short`` and ``full`` for probes, shorter than others or not; ``confirming`` for a run at the chosen rate.
    seconds
        How long it took with its process.
    """

    rate: float
    queries: int
    late: int | None
    verdict: Literal["VALID", "INVALID", "ended"]
    purpose: Purpose
    latency_ms: dict[str, float] = {}
    seconds: float = 0.0

    @property
    def told(self) -> str:
        """The probe in words: ``412 queries/s, 3 of 1,001 late``."""
        rate = f"{self.rate:,.4g} queries/s" if self.rate < 1e4 else f"{self.rate:,.0f} queries/s"
        if self.verdict == "ended":
            return f"{rate}, too much to keep up with"
        return f"{rate}, {self.verdict}" if self.late is None else f"{rate}, {self.late:,} of {self.queries:,} late"


def point_of(log: DetailLog, rate: float, share: float, *, full: bool) -> Point:
    """Return what the detail log of a run says of the peak.

    Parameters
    ----------
    log
        LoadGen's detail log of the run.
    rate
        The rate that was offered.
    share
        The part of its queries that may be late in the run that is to be VALID.
    full
        Whether the run is compared with that one.
    """
    offered, completed = log.number("result_scheduled_samples_per_sec"), log.number("result_completed_samples_per_sec")
    kept_up = completed / offered if offered and completed else 1.0
    late = late_of(log)
    if late is None:
        met = bool(log.values.get("result_perf_constraints_met"))
        in_time = met and (bool(log.values.get("early_stopping_met")) or not full)
        return Point(rate, not in_time, None, kept_up, full)
    queries, bound = log.number("result_query_count") or 0, log.number("effective_target_latency_ns") or 0
    is_late = late > share * queries
    excess = abs(_excess(log, late, share)) if is_late else -abs(_excess(log, late, share))
    fastest = log.number("result_min_latency_ns") or 0
    return Point(rate, is_late, excess, kept_up, full, hopeless=bool(queries) and fastest > bound)


def late_of(log: DetailLog) -> int | None:
    """Return how many queries were late; None if it is not their latency that has a bound."""
    late = log.number("result_overlatency_query_count")
    return None if late is None or log.values.get(_TOKENS) else int(late)


def percentiles_of(log: DetailLog) -> dict[str, float]:
    """Return the percentiles that a probe has, in ms."""
    found = {name: log.number(f"result_{name}.00_percentile_latency_ns") for name in _RECORDED}
    return {f"p{name}": value / _NS_PER_MS for name, value in found.items() if value is not None}


def _excess(log: DetailLog, late: int, share: float) -> float:
    """Return the logarithm of the latency that a part of the queries exceeds, over the bound.

    Between the percentiles that LoadGen logs, the logarithm of the part that is later falls about straight with that of
    the latency. How many were later than the bound is known too.
    """
    queries, bound = log.number("result_query_count"), log.number("effective_target_latency_ns")
    if not queries or not bound:
        return _LEAST
    known = {
        1 - float(name) / 100: log.number(f"result_{_logged(name)}_percentile_latency_ns") for name in _PERCENTILES
    }
    known[0.5 / queries] = log.number("result_max_latency_ns")
    if 0 < late < queries:
        known[(late + 0.5) / queries] = bound
    parts = sorted((part for part, value in known.items() if value), reverse=True)
    values = sorted(value for value in known.values() if value)
    steps = list(zip(parts, values, strict=True))
    for (more, low), (fewer, high) in pairwise(steps):
        if fewer <= share <= more:
            part = math.log(more / share) / math.log(more / fewer) if more > fewer else 0.0
            return math.log(low / bound) + part * math.log(high / low) or _LEAST
    nearest = values[-1] if share < parts[-1] else values[0]
    return math.log(nearest / bound) or _LEAST


def _logged(percentile: str) -> str:
    return percentile if "." in percentile else f"{percentile}.00"
