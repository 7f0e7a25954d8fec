"""The child's progress: a counter that the SUT increments, and a thread that reports it to the parent."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

import msgspec

from pytest_mlperf.implementations.protocol import PROGRESS_FD_VARIABLE, Progress

if TYPE_CHECKING:
    from pytest_mlperf.implementations.protocol import Promise

INTERVAL_SECONDS = 0.5


class Reporter:
    """Reports progress to the parent twice a second, from its own thread.

    The timed path only does ``reporter.done += n``. An increment may be lost if two streams add at once; the number
    is only displayed, and the result comes from LoadGen's own count.
    """

    def __init__(self) -> None:
        self.done = 0
        self._phase = "starting"
        self._total: int | None = None
        self._least_seconds: float | None = None
        self._promise: Promise | None = None
        self._since = time.monotonic()
        self._changed = threading.Event()
        descriptor = os.environ.get(PROGRESS_FD_VARIABLE)
        self._pipe = int(descriptor) if descriptor else None
        if self._pipe is not None:
            threading.Thread(target=self._report, name="progress", daemon=True).start()

    def enter(
        self,
        phase: str,
        total: int | None = None,
        least_seconds: float | None = None,
        promise: Promise | None = None,
    ) -> None:
        """Start a new phase with `total` samples to do, if known, and a minimum duration, if it has one."""
        self._phase, self._total, self._least_seconds, self.done = phase, total, least_seconds, 0
        self._promise = promise
        self._since = time.monotonic()
        self._changed.set()

    def _report(self) -> None:
        assert self._pipe is not None  # noqa: S101 - for the type checker; checked where the thread starts
        encoder = msgspec.json.Encoder()
        while True:
            line = encoder.encode(
                Progress(
                    phase=self._phase,
                    done=self.done,
                    total=self._total,
                    seconds=round(time.monotonic() - self._since, 1),
                    least_seconds=self._least_seconds,
                    expected_seconds=_expected(self._promise),
                    length=_length(self._promise),
                )
            )
            try:
                os.write(self._pipe, line + b"\n")
            except OSError:  # the parent has ended; the lifeline ends this process
                return
            self._changed.wait(INTERVAL_SECONDS)
            self._changed.clear()


def _expected(promise: Promise | None) -> float | None:
    return round(promise.loading + promise.seconds, 1) if promise is not None and promise.seconds else None


def _length(promise: Promise | None) -> str:
    if promise is None:
        return ""
    return "official" if promise.official else "short"
