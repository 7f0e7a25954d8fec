"""What the machine did while a performance run was timed: its clock, and whether it was quiet; one function each."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from pytest_mlperf.rules.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_mlperf.machine.clock import Clock
    from pytest_mlperf.rules.checks.case import RunCase
    from pytest_mlperf.rules.detail_log import DetailLog

#: A larger step than this fails a run. Reading two clocks one after the other is exact to microseconds.
_STEP = 0.001
#: LoadGen's duration may be beside ours by this part, which is twice what NTP slews at most, and by some milliseconds:
#: it writes whole ones, and the two are not taken at the same instruction.
_SLEWED, _UNSHARP = 0.001, 0.01
#: LoadGen's threads write into one log: a message may be a little older than the one before it.
_BACKWARDS_MS = 1_000.0
#: How LoadGen writes the test's begin and end.
_STAMP = "%m-%d-%Y %H:%M:%S.%f"
_FIX = "let nothing set the clock during a run (NTP may slew it), and repeat the run"


def clock(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when the clock that LoadGen measures with was set during the run, or went at another speed."""
    log, timed = case.run.detail, case.measured.clock
    found = _set(timed) if timed is not None else ""
    found = found or _backwards(log) or (_beside(log, timed) if timed is not None else "")
    if found:
        yield Finding(
            rule="clock",
            what="LoadGen's clock was set during the run, so that its figures are not those of the run",
            expected="a wall clock that goes as a monotonic one does",
            found=found,
            fix=_FIX,
            file=case.run.detail_file,
        )


def quiet_machine(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when a quiet machine was asked for, and it was busy."""
    if case.measured.busy:
        yield Finding(
            rule="quiet-machine",
            what="the machine was busy",
            expected="a machine that does nothing else",
            found="; ".join(case.measured.busy),
            fix="end the other programs, or wait for them, and repeat the run",
        )


def _set(timed: Clock) -> str:
    return f"it moved by {timed.step:.3g} s" if timed.step > _STEP else ""


def _backwards(log: DetailLog) -> str:
    """Say where a log shows by itself that time went backwards; a step forwards leaves no such trace."""
    if log.backwards_ms > _BACKWARDS_MS:
        return f"time_ms goes back by {log.backwards_ms / 1000:.3g} s from one line to the next"
    least = log.number("result_min_latency_ns")
    if least is not None and least < 0:
        return f"an answer {-least / 1e9:.3g} s before its question: result_min_latency_ns {least:.0f}"
    seconds = _duration(log)
    return f"power_end {-seconds:.3g} s before power_begin" if seconds is not None and seconds < 0 else ""


def _beside(log: DetailLog, timed: Clock) -> str:
    """Say where LoadGen's duration, or Offline's figure, is not within the bounds that a monotonic clock gave."""
    # Where samples are issued equally often, LoadGen fills the query up to whole passes over the data set.
    samples = log.number("generated_samples_per_query") or log.number("effective_samples_per_query")
    figure = log.number("result_samples_per_second")
    by_figure = samples / figure if samples and figure else None
    for seconds in (_duration(log), by_figure):
        least, most = timed.shortest * (1 - _SLEWED) - _UNSHARP, timed.longest * (1 + _SLEWED) + _UNSHARP
        if seconds is not None and not least <= seconds <= most:
            took = f"{timed.shortest:.3f} to {timed.longest:.3f} s"
            return f"a test of {seconds:.3f} s, which took {took} on a monotonic clock"
    return ""


def _duration(log: DetailLog) -> float | None:
    """Return how long LoadGen says that the system worked."""
    try:
        begin, end = (datetime.strptime(log.text(key), _STAMP) for key in ("power_begin", "power_end"))
    except ValueError:
        return None
    return (end - begin).total_seconds()
