"""ONNX Runtime that writes down how long each of its calls takes, for the overhead bench."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlperf.backends.onnxruntime import OnnxRuntime, OnnxRuntimeSession

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from pytest_mlperf.benchmarks.base import Contract

#: Names the file that takes the seconds of each call, float64, in order, behind the number of calls.
FILE_VARIABLE = "BENCH_SECONDS_OF_CALLS"
CAPACITY = 100_000


class TimedSession:
    """A session whose calls are timed."""

    def __init__(self, session: OnnxRuntimeSession, seconds: NDArray[np.float64]) -> None:
        self._session = session
        self._seconds = seconds
        self.device = session.device
        self.max_batch = session.max_batch

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> Sequence[NDArray[Any]]:
        """Run one batch."""
        start = time.perf_counter()
        outputs = self._session.run(inputs)
        seconds = time.perf_counter() - start
        number = int(self._seconds[0]) + 1
        self._seconds[number] = seconds
        self._seconds[0] = number
        return outputs


class TimedOnnxRuntime(OnnxRuntime):
    """ONNX Runtime with timed sessions."""

    def load(self, model: Path, contract: Contract, device: str, threads: int) -> TimedSession:  # type: ignore[override]
        """Load an ONNX file."""
        seconds = np.memmap(os.environ[FILE_VARIABLE], np.float64, "r+", shape=(CAPACITY,))
        return TimedSession(super().load(model, contract, device, threads), seconds)
