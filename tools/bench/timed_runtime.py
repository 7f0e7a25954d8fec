"""ONNX Runtime that writes down how long each of its calls takes, for the overhead bench."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlperf.backends.onnxruntime import OnnxRuntime, OnnxRuntimeModel

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from pytest_mlperf.backends.base import Inputs, Outputs
    from pytest_mlperf.benchmarks.base import ModelFile

#: Names the file that takes the seconds of each call, float64, in order, behind the number of calls.
FILE_VARIABLE = "BENCH_SECONDS_OF_CALLS"
CAPACITY = 100_000


class TimedModel:
    """A model whose calls are timed."""

    def __init__(self, model: OnnxRuntimeModel, seconds: NDArray[np.float64]) -> None:
        self._model = model
        self._seconds = seconds
        self.device = model.device
        self.max_batch = model.max_batch
        self.concurrent = model.concurrent
        self.weight_types = model.weight_types

    def close(self) -> None:
        """Close it."""
        self._model.close()

    def run(self, inputs: Inputs, graph: str = "") -> Outputs:
        """Run one batch."""
        start = time.perf_counter()
        outputs = self._model.run(inputs, graph)
        seconds = time.perf_counter() - start
        number = int(self._seconds[0]) + 1
        self._seconds[number] = seconds
        self._seconds[0] = number
        return outputs


class TimedOnnxRuntime(OnnxRuntime):
    """ONNX Runtime with timed models."""

    def load(  # type: ignore[override]
        self, file: Path | str, model: ModelFile, device: str, threads: int, options: Mapping[str, str]
    ) -> TimedModel:
        """Load an ONNX file."""
        seconds = np.memmap(os.environ[FILE_VARIABLE], np.float64, "r+", shape=(CAPACITY,))
        return TimedModel(super().load(file, model, device, threads, options), seconds)
