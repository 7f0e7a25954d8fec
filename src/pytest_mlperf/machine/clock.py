"""Times a test on a clock that nobody sets, and sees when somebody sets the wall clock, which LoadGen measures with."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import NamedTuple

import msgspec

#: How often the wall clock is compared: two steps that cancel out are seen if this lies between them.
INTERVAL_SECONDS = 0.25
#: The two clocks are read one after the other; a reading that takes longer than this is repeated.
_CLOSE_NS = 50_000
_READINGS = 50
_NS = 1_000_000_000


class Clock(msgspec.Struct, frozen=True, kw_only=True):
    """LoadGen's test on other clocks than LoadGen's.

    Attributes
    ----------
    shortest, longest
        Bounds of its duration in seconds, on CLOCK_MONOTONIC_RAW, which is neither set nor slewed: from the first query
        to the last answer, and from LoadGen's loading of the samples to its unloading of them.
    step
        How far the wall clock moved against CLOCK_MONOTONIC during that, in seconds. NTP slews both alike, so that this
        is 0 unless somebody set the clock.
    """

    shortest: float
    longest: float
    step: float


class _Reading(NamedTuple):
    apart: int
    taken: int


#: Returns CLOCK_MONOTONIC_RAW in nanoseconds; it is called on the timed path, where a function of ours would cost more.
raw_ns = partial(time.clock_gettime_ns, time.CLOCK_MONOTONIC_RAW)


class StepWatch:
    """Follows the wall clock's distance from CLOCK_MONOTONIC; `look` may be called from several threads."""

    def __init__(self) -> None:
        self._least = self._most = _apart()

    def look(self) -> None:
        """Compare the clocks now."""
        apart = _apart()
        self._least, self._most = min(self._least, apart), max(self._most, apart)

    @property
    def seconds(self) -> float:
        """The wall clock's way so far."""
        return (self._most - self._least) / _NS


class RunClock:
    """Times one test; a ``with`` block around it compares the wall clock from a thread of its own.

    Whoever runs the test calls `loaded`, `issued` and `unloading` when that happens, however often it does, and sets
    `answering` to `raw_ns` before each answer goes to LoadGen: that is on the timed path.
    """

    def __init__(self) -> None:
        self.answering = 0
        self._loaded = self._issued = self._unloading = 0
        self._steps = StepWatch()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="clock", daemon=True)

    def __enter__(self) -> RunClock:
        self._steps, self._loaded = StepWatch(), raw_ns()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.unloading()
        self._ended.set()
        self._thread.join()
        self._steps.look()

    def loaded(self) -> None:
        """Note that samples are loaded; the last time before the first query counts."""
        if not self._issued:
            self._loaded = raw_ns()

    def issued(self) -> None:
        """Note a query; the first counts."""
        if not self._issued:
            self._issued = raw_ns()

    def unloading(self) -> None:
        """Note that samples are unloaded, or that the test has ended; the first time after a query counts."""
        if self._issued and not self._unloading:
            self._unloading = raw_ns()

    def noted(self, loaded: int, issued: int, answering: int, unloading: int) -> None:
        """Take over what another process noted during the test; each is of `raw_ns`, 0 for what did not happen."""
        self._loaded, self._issued = loaded or self._loaded, issued
        self.answering, self._unloading = answering, unloading or self._unloading

    def result(self) -> Clock:
        """Return what was measured."""
        return Clock(
            shortest=max(0, self.answering - self._issued) / _NS,
            longest=max(0, self._unloading - self._loaded) / _NS,
            step=self._steps.seconds,
        )

    def _watch(self) -> None:
        while not self._ended.wait(INTERVAL_SECONDS):
            self._steps.look()


def _apart() -> int:
    """Return the wall clock minus CLOCK_MONOTONIC in nanoseconds, from the closest of some readings."""
    best = _read()
    for _ in range(_READINGS):
        if best.taken <= _CLOSE_NS:
            break
        best = min(best, _read(), key=lambda reading: reading.taken)
    return best.apart


def _read() -> _Reading:
    before = time.monotonic_ns()
    wall = time.time_ns()
    after = time.monotonic_ns()
    return _Reading(wall - (before + after) // 2, after - before)
