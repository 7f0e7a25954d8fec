"""Notes when queries come and when they are answered, in little time and bounded memory, for a sketch afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_mlperf.implementations.timeline import LatencySketch, Timeline
from pytest_mlperf.machine.clock import raw_ns

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from pytest_mlperf.scenarios.base import Scenario, Timed

#: Answers that a stream keeps, 24 bytes each; memory that is not needed is never touched.
MOST_KEPT = 1 << 18
MOST_BINS = 200
#: A bin has about so many answers at least, in the mean.
_IN_A_BIN = 16
_COLUMNS = 3
_NS_PER_MS = 1e6
_NS = 1e9


class AnswerTimes:
    """The answers of one stream: when their query came, when they were given, and how many samples they are of.

    When the array is full, about half of the queries are dropped, and later ones alike: those whose moment is odd in
    its last bits. So every stream drops the same queries.

    Parameters
    ----------
    by_answer
        All answers are of one query, so that the moment of the answer decides.
    most
        How many are kept.
    """

    def __init__(self, *, by_answer: bool, most: int = MOST_KEPT) -> None:
        self._kept = np.zeros(_COLUMNS * most, np.int64)
        self._view = self._kept.data
        self._by_answer = by_answer
        self._end = 0
        self.mask = 0

    def add(self, came: int, answered: int, samples: int) -> None:
        """Note one answer; this is on the timed path."""
        if (answered if self._by_answer else came) & self.mask:
            return
        end, view = self._end, self._view
        try:
            view[end] = came
        except IndexError:
            self._halve()
            self.add(came, answered, samples)
            return
        view[end + 1] = answered
        view[end + 2] = samples
        self._end = end + _COLUMNS

    def rows(self, mask: int) -> NDArray[np.int64]:
        """Return what is kept with a mask that has all bits of this one: ``int64[n, 3]``."""
        rows = self._kept[: self._end].reshape(-1, _COLUMNS)
        fits: NDArray[np.int64] = rows[(rows[:, int(self._by_answer)] & mask) == 0]
        return fits

    def _halve(self) -> None:
        # The last bits of a slow counter may always be 0.
        rows = self.rows(self.mask)
        while len(rows) > len(self._kept) // (2 * _COLUMNS):
            self.mask = self.mask << 1 | 1
            rows = self.rows(self.mask)
        self._end = rows.size
        self._kept[: self._end] = rows.ravel()


class RunTimes:
    """The answers of a performance test.

    Parameters
    ----------
    scenario
        Its scenario.
    most
        How many answers each stream keeps.
    """

    def __init__(self, scenario: Scenario, most: int = MOST_KEPT) -> None:
        self._timed = scenario.timed
        self._most = most
        self._streams: list[AnswerTimes] = []
        self._arrivals: dict[int, int] = {}
        self._first = 0
        self.issued = 0

    def came(self, ids: Sequence[int]) -> None:
        """Note that a query came; this is on the timed path."""
        self.issued = now = raw_ns()
        if not self._first:
            self._first = now
        if self._timed == "samples":
            for identifier in ids:
                self._arrivals[identifier] = now

    def stream(self) -> StreamTimes:
        """Return what takes the answers of one stream."""
        times = AnswerTimes(by_answer=not self._timed, most=self._most)
        self._streams.append(times)
        return StreamTimes(self, times, self._arrivals if self._timed == "samples" else None)

    def result(self, samples: int) -> tuple[LatencySketch | None, Timeline | None]:
        """Return what was noted of a test of so many samples; None for what there is nothing of."""
        mask = max((stream.mask for stream in self._streams), default=0)
        rows = np.concatenate([stream.rows(mask) for stream in self._streams] or [np.empty((0, _COLUMNS), np.int64)])
        return _sketched_of_streams(rows, self._first, samples if mask else None, self._timed)


class StreamTimes:
    """Takes the answers of one stream, which gives one at a time."""

    def __init__(self, test: RunTimes, times: AnswerTimes, arrivals: dict[int, int] | None) -> None:
        self._test = test
        self._add = times.add
        self._arrivals = arrivals

    def answered(self, ids: Sequence[int], now: int) -> None:
        """Note an answer, just before LoadGen gets it: this is on the timed path."""
        if self._arrivals is None:
            self._add(self._test.issued, now, len(ids))
            return
        for identifier in ids:
            self._add(self._arrivals.pop(identifier, now), now, 1)


def read_sketch(
    path: Path, first: int, samples: int | None, timed: Timed
) -> tuple[LatencySketch | None, Timeline | None]:
    """Return the sketch and the time line of the answers that the C++ program wrote into a file, and remove the file.

    `samples` is how many were answered, where some of the answers were dropped.
    """
    rows = np.fromfile(path, np.int64).reshape(-1, _COLUMNS)
    path.unlink()
    return _sketched_of_streams(rows, first, samples, timed)


def _sketched_of_streams(
    rows: NDArray[np.int64], first: int, samples: int | None, timed: Timed
) -> tuple[LatencySketch | None, Timeline | None]:
    if not len(rows):
        return None, None
    total = int(rows[:, 2].sum()) if samples is None else samples
    return sketched(rows[np.argsort(rows[:, 1], kind="stable")], first, total, timed)


def sketched(
    rows: NDArray[np.int64], first: int, samples: int, timed: Timed
) -> tuple[LatencySketch | None, Timeline | None]:
    """Return the sketch and the time line of answers.

    Parameters
    ----------
    rows
        ``int64[n, 3]``: when the query came, when it was answered, both in ns, and of how many samples; in the order of
        the answers. A query may have several answers; the last one is the end of it.
    first
        When the first query came.
    samples
        How many samples were answered, of which the rows may be a part.
    timed
        Whether ``queries`` or ``samples`` have a latency; empty for none.
    """
    came, answered, sizes = rows.T
    length = max(1, int(answered[-1]) - first)
    ends = answered
    if timed == "queries":
        last = np.flatnonzero(np.append(came[1:] != came[:-1], True))
        came, ends = came[last], answered[last]
    bins = max(1, min(MOST_BINS, len(ends) // _IN_A_BIN))
    places = np.minimum((answered - first) * bins // length, bins - 1)
    done = np.bincount(places, sizes, bins).astype(np.float64) * (samples / max(1, int(sizes.sum())))
    line = Timeline(bin_seconds=_short(length / bins / _NS), completed=tuple(int(each) for each in _whole(done)))
    if not timed:
        return None, line
    latencies = (ends - came) / _NS_PER_MS
    sketch = LatencySketch(of=timed, count=len(latencies), quantiles_ms=_quantiles(latencies, np.arange(101)))
    edges = np.searchsorted((ends - first) * bins // length, np.arange(1, bins))
    parts = [_quantiles(part, np.array([50, 99])) if len(part) else (None, None) for part in np.split(latencies, edges)]
    medians, tails = zip(*parts, strict=True)
    return sketch, Timeline(bin_seconds=line.bin_seconds, completed=line.completed, p50_ms=medians, p99_ms=tails)


def _quantiles(values: NDArray[np.float64], percent: NDArray[np.int64]) -> tuple[float, ...]:
    """Return percentiles as LoadGen takes them: the value at the place that is a part of the count, cut off."""
    ranked = np.sort(values)
    return tuple(_short(float(value)) for value in ranked[np.minimum(len(ranked) * percent // 100, len(ranked) - 1)])


def _whole(done: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return whole numbers with the same sums, as near as can be."""
    ends: NDArray[np.int64] = np.rint(np.cumsum(done)).astype(np.int64)
    return np.concatenate([ends[:1], ends[1:] - ends[:-1]])


def _short(value: float) -> float:
    return float(f"{value:.6g}")
