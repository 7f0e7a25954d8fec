"""The progress of a run: one line that renews itself on a terminal, a line a minute anywhere else."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

    from pytest_mlperf.runner import OnProgress
    from pytest_mlperf.worker.protocol import Progress

TERMINAL_SECONDS = 0.5
FILE_SECONDS = 60.0
#: The rate is that of the last so many seconds: a run does not start at its pace.
WINDOW_SECONDS = 10.0


class Rate:
    """Samples per second over the last moments."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: list[tuple[float, int]] = []

    def update(self, done: int) -> float:
        """Take the number of samples done so far; return the rate."""
        now = self._clock()
        if self._seen and done < self._seen[-1][1]:  # a new phase counts from 0
            self._seen.clear()
        self._seen.append((now, done))
        while now - self._seen[0][0] > WINDOW_SECONDS and len(self._seen) > 2:
            self._seen.pop(0)
        (first, before), (last, after) = self._seen[0], self._seen[-1]
        return (after - before) / (last - first) if last > first else 0.0


def describe(progress: Progress, rate: float) -> str:
    """Return the progress in words: phase, samples done, rate, time left."""
    words = [progress.phase]
    if progress.done or progress.total:
        of = f"/{progress.total:,}" if progress.total else ""
        words.append(f"{progress.done:,}{of} samples")
    if rate:
        words.append(f"{rate:,.4g}/s")
        if progress.total and progress.total > progress.done:
            words.append(f"{_duration((progress.total - progress.done) / rate)} left")
    return ", ".join(words)


@contextmanager
def show_progress(reporter: pytest.TerminalReporter | None, title: str) -> Iterator[OnProgress]:
    """Show what a run reports while the block lasts; `reporter` is None on a worker of pytest-xdist."""
    if reporter is None:
        yield lambda _: None
    elif reporter.isatty:
        yield from _on_terminal(reporter, title)
    else:
        yield from _in_file(reporter, title)


def _on_terminal(reporter: pytest.TerminalReporter, title: str) -> Iterator[OnProgress]:
    rate, shown = Rate(), [float("-inf")]
    writer = reporter._tw

    def update(progress: Progress) -> None:
        speed, now = rate.update(progress.done), time.monotonic()
        if now - shown[0] < TERMINAL_SECONDS:
            return
        if shown[0] == float("-inf"):
            reporter.ensure_newline()
        shown[0] = now
        line = f"  {title}: {describe(progress, speed)}"[: writer.fullwidth - 1]
        writer.write(f"\r\x1b[K{line}", flush=True)

    try:
        yield update
    finally:
        if shown[0] != float("-inf"):
            writer.write("\r\x1b[K", flush=True)


def _in_file(reporter: pytest.TerminalReporter, title: str) -> Iterator[OnProgress]:
    rate, shown = Rate(), [time.monotonic()]

    def update(progress: Progress) -> None:
        speed, now = rate.update(progress.done), time.monotonic()
        if now - shown[0] >= FILE_SECONDS:
            shown[0] = now
            reporter.ensure_newline()
            reporter.write_line(f"  {title}: {describe(progress, speed)}")

    yield update


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds:02} s"
