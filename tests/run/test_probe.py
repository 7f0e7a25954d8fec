"""What LoadGen's log of a probe says: on which side of the peak it was, and how far."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlperf.rules.detail_log import DetailLog
from pytest_mlperf.run.probe import Probe, late_of, percentiles_of, point_of

NAMES = ("50.00", "90.00", "95.00", "97.00", "99.00", "99.90")
SHARE = 10.5 / 2010


def log_of(latencies: list[float], bound: float = 15e6, **changed: Any) -> DetailLog:
    """Return what LoadGen logs of a run with these latencies, in ns."""
    ranked = sorted(latencies)
    values: dict[str, Any] = {
        f"result_{name}_percentile_latency_ns": ranked[int(len(ranked) * float(name) / 100)] for name in NAMES
    }
    values |= {
        "result_query_count": len(ranked),
        "result_overlatency_query_count": sum(value > bound for value in ranked),
        "result_min_latency_ns": ranked[0],
        "result_max_latency_ns": ranked[-1],
        "effective_target_latency_ns": bound,
        "result_scheduled_samples_per_sec": 412.0,
        "result_completed_samples_per_sec": 400.0,
    }
    return DetailLog({**values, **changed})


@given(latencies=st.lists(st.floats(1e5, 1e9), min_size=100, max_size=400), share=st.floats(0.001, 0.02))
def test_the_excess_is_above_nought_just_where_too_many_are_late(latencies: list[float], share: float) -> None:
    log = log_of(latencies)
    point = point_of(log, 400, share, full=True)
    late = sum(value > 15e6 for value in latencies)
    assert late_of(log) == late
    assert point.late is (late > share * len(latencies))
    assert point.excess is not None
    assert (point.excess > 0) is point.late
    assert point.hopeless is (min(latencies) > 15e6)
    assert point.kept_up == pytest.approx(400 / 412)


@pytest.mark.parametrize("scale", [1.5e6, 2.5e6, 4e6])
def test_the_excess_is_that_of_the_latency_which_early_stopping_allows_to_be_late(scale: float) -> None:
    latencies = [2e6 - scale * math.log((place + 0.5) / 2010) for place in range(2010)]
    exact = math.log((2e6 - scale * math.log(SHARE)) / 15e6)
    assert point_of(log_of(latencies), 400, SHARE, full=True).excess == pytest.approx(exact, abs=0.03)


def test_of_tokens_only_the_side_is_known() -> None:
    met = {"requested_use_token_latencies": True, "result_perf_constraints_met": True, "early_stopping_met": False}
    log = log_of([1e6] * 100, **met)
    assert late_of(log) is None
    full, short = (point_of(log, 4, SHARE, full=full) for full in (True, False))
    assert (full.late, full.excess) == (True, None)
    assert short.late is False  # a short probe has too few queries for early stopping


def test_a_probe_is_told_in_words() -> None:
    latency = percentiles_of(log_of([1e6] * 100))
    assert latency == {"p50": 1.0, "p90": 1.0, "p99": 1.0}
    probe = Probe(412.0, 1001, late=3, verdict="VALID", purpose="full", latency_ms=latency)
    assert probe.told == "412 queries/s, 3 of 1,001 late"
    assert Probe(12345.0, 9, late=None, verdict="INVALID", purpose="full").told == "12,345 queries/s, INVALID"
    assert Probe(1.5, 9, late=None, verdict="ended", purpose="short").told == "1.5 queries/s, too much to keep up with"
