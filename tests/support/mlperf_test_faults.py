"""Runtimes with a fault: one that is slow, sets the clock or is elsewhere, and those that fail in every way."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from mlperf_test_runtimes import Runtime

if TYPE_CHECKING:
    from pytest_mlperf.backends.base import Inputs, Outputs


class Slow(Runtime):
    """Takes 5 ms a sample, sleeping."""

    def run(self, inputs: Inputs) -> Outputs:
        time.sleep(0.005)
        return (inputs["x"],)


class SetsClock(Slow):
    """As slow; after 20 samples of the test, tests/machine/stepped_clock.c sets the clock, for $STEP_BACK seconds."""

    def __init__(self) -> None:
        self._calls = 0

    def run(self, inputs: Inputs) -> Outputs:
        self._calls += Path("mlperf_log_detail.txt").exists()
        if self._calls == 20:
            flag, back = Path(os.environ["STEP_FILE"]), float(os.environ["STEP_BACK"])
            flag.touch()
            if back:
                time.sleep(back)
                flag.unlink()
        return super().run(inputs)


class Meets(Runtime):
    """Infers when two processes have come to the directory $MLPERF_TEST_MEETING, not before."""

    def __init__(self) -> None:
        self._place = Path(os.environ["MLPERF_TEST_MEETING"])

    def run(self, inputs: Inputs) -> Outputs:
        (self._place / str(os.getpid())).touch()
        while len(list(self._place.iterdir())) < 2:
            time.sleep(0.01)
        return (inputs["x"],)


class LateFault(Runtime):
    """Works for 20 inferences, then fails."""

    def __init__(self) -> None:
        self._calls = 0

    def run(self, inputs: Inputs) -> Outputs:
        self._calls += 1
        if self._calls > 20:
            self.fail()
        return (inputs["x"],)

    def fail(self) -> None:
        raise NotImplementedError


class Raises(LateFault):
    """A failed inference."""

    def fail(self) -> None:
        raise RuntimeError("the 21st inference failed")


class Aborts(LateFault):
    """A runtime that aborts the process."""

    def fail(self) -> None:
        os.write(2, b"runtime: internal invariant violated\n")
        os.abort()


class Segfaults(LateFault):
    """A runtime that reads where it must not."""

    def fail(self) -> None:
        ctypes.string_at(0)


class Hangs(LateFault):
    """An inference that never returns."""

    def fail(self) -> None:
        threading.Event().wait()


class Stalls(Hangs):
    """A hang beside a process of the runtime's own."""

    def fail(self) -> None:
        subprocess.Popen(["sleep", "3600.125"])
        super().fail()


class Forks(LateFault):
    """Dies, and a process that it forked lives on with every descriptor."""

    def fail(self) -> None:
        if os.fork() == 0:
            time.sleep(3600.125)
        os.kill(os.getpid(), signal.SIGKILL)


class Killed(LateFault):
    """What the kernel does when memory ends."""

    def fail(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class Exits(LateFault):
    """A runtime that leaves the process as if all were well."""

    def fail(self) -> None:
        sys.exit(0)


class Starves(LateFault):
    """An allocation that cannot be met."""

    def fail(self) -> None:
        np.empty(1 << 60, np.uint8)


class Malformed(Runtime):
    """A detector whose outputs do not belong together."""

    formats: tuple[str, ...] = ("onnx",)

    def run(self, inputs: Inputs) -> Outputs:
        return np.zeros((3, 4), np.float32), np.zeros(2, np.int64), np.full(3, 0.5, np.float32)


class Elsewhere(Runtime):
    """Is asked for cuda and works on the cpu."""

    devices: tuple[str, ...] = ("cpu", "cuda")
