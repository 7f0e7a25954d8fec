"""What a run tells of its latencies is what happened, in bounded memory and little time."""

from __future__ import annotations

import timeit
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlperf.machine.clock import raw_ns
from pytest_mlperf.scenarios import SCENARIOS
from pytest_mlperf.worker.answer_times import MOST_BINS, RunTimes, sketched

if TYPE_CHECKING:
    from pytest_mlperf.implementations.timeline import LatencySketch, Timeline

MS = 1_000_000


def played(
    latencies: list[int], monkeypatch: pytest.MonkeyPatch, scenario: str = "SingleStream", most: int = 1 << 18
) -> tuple[LatencySketch | None, Timeline | None]:
    """Return what is kept of queries that come one after the other and take so many ns."""
    now = 1_000_003
    monkeypatch.setattr("pytest_mlperf.worker.answer_times.raw_ns", lambda: now)
    times = RunTimes(SCENARIOS[scenario], most)
    stream = times.stream()
    for identifier, latency in enumerate(latencies):
        times.came([identifier])
        now += latency
        stream.answered([identifier], now)
        now += 1_001
    return times.result(len(latencies))


def test_the_quantiles_are_those_that_loadgen_would_take(monkeypatch: pytest.MonkeyPatch) -> None:
    latencies = [(each * 37 % 1000 + 1) * MS for each in range(1000)]
    sketch, line = played(latencies, monkeypatch)
    assert sketch is not None
    assert (sketch.of, sketch.count) == ("queries", 1000)
    assert sketch.quantiles_ms[0] == 1
    assert sketch.quantiles_ms[90] == 901
    assert sketch.quantiles_ms[100] == 1000
    assert line is not None
    assert sum(line.completed) == 1000
    assert line.bin_seconds * len(line.completed) == pytest.approx(sum(latencies) / 1e9 + 999 * 1_001e-9, rel=1e-5)


def test_a_query_of_several_streams_ends_with_its_last_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 5
    monkeypatch.setattr("pytest_mlperf.worker.answer_times.raw_ns", lambda: now)
    times = RunTimes(SCENARIOS["MultiStream"])
    first, second = times.stream(), times.stream()
    for latency in (3 * MS, 5 * MS):
        times.came(range(8))
        first.answered(range(4), now + 1 * MS)
        second.answered(range(4, 8), now + latency)
        now += latency
    sketch, line = times.result(16)
    assert sketch is not None
    assert line is not None
    assert (sketch.count, sketch.quantiles_ms[0], sketch.quantiles_ms[100]) == (2, 3, 5)
    assert sum(line.completed) == 16


def test_samples_of_server_wait_each_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0
    monkeypatch.setattr("pytest_mlperf.worker.answer_times.raw_ns", lambda: now)
    times = RunTimes(SCENARIOS["Server"])
    stream = times.stream()
    for identifier, now in enumerate((1 * MS, 2 * MS, 4 * MS)):  # noqa: B007 - the clock
        times.came([identifier])
    stream.answered([0, 1, 2], 10 * MS)
    sketch, line = times.result(3)
    assert sketch is not None
    assert line is not None
    assert sketch.of == "samples"
    assert sorted(set(sketch.quantiles_ms)) == [6, 8, 9]


def test_offline_has_a_throughput_and_no_latency(monkeypatch: pytest.MonkeyPatch) -> None:
    sketch, line = played([1000] * 5000, monkeypatch, "Offline", most=1 << 10)
    assert sketch is None
    assert line is not None
    assert sum(line.completed) == 5000
    assert line.p50_ms == ()


def test_more_answers_than_are_kept_are_a_fair_part_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = np.random.default_rng(1)
    latencies = (chance.gamma(2, 2, 20_000) * MS).astype(int).tolist()
    whole, line = played(latencies, monkeypatch)
    part, _ = played(latencies, monkeypatch, most=1024)
    assert whole is not None
    assert part is not None
    assert line is not None
    assert 256 < part.count <= 1024
    assert part.quantiles_ms[50] == pytest.approx(whole.quantiles_ms[50], rel=0.15)
    assert len(line.completed) == MOST_BINS


@given(st.lists(st.tuples(st.integers(1, 10**9), st.integers(1, 64)), min_size=1, max_size=300), st.booleans())
def test_each_sample_is_in_one_bin_and_quantiles_rise(answers: list[tuple[int, int]], timed: bool) -> None:
    ends = np.cumsum([step for step, _ in answers]) + 17
    starts = np.append(17, ends[:-1])
    rows = np.column_stack([starts, ends, [size for _, size in answers]]).astype(np.int64)
    samples = int(rows[:, 2].sum())
    sketch, line = sketched(rows, 17, samples, "queries" if timed else "")
    assert line is not None
    assert sum(line.completed) == samples
    assert 1 <= len(line.completed) <= MOST_BINS
    if timed:
        assert sketch is not None
        assert list(sketch.quantiles_ms) == sorted(sketch.quantiles_ms)
        assert len(line.p50_ms) == len(line.completed)
        assert any(value is not None for value in line.p99_ms)


def test_a_query_is_noted_in_a_microsecond_at_most() -> None:
    times = RunTimes(SCENARIOS["SingleStream"])
    stream = times.stream()

    def query() -> None:
        times.came((1,))
        stream.answered((1,), raw_ns())

    assert min(timeit.repeat(query, number=2_000, repeat=20)) / 2_000 < 2e-6  # a busy machine has to pass, too
