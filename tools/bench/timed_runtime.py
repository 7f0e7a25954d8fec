"""ONNX Runtime that writes down how long each of its calls takes, for the overhead bench."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlperf.backends.onnxruntime import OnnxRuntime, OnnxRuntimeModel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_mlperf.backends.base import Inputs, Outputs
    from pytest_mlperf.benchmarks.base import ModelFile

#: Names the file that takes the seconds of each call, float64, in order, when the model is closed.
FILE_VARIABLE = "BENCH_SECONDS_OF_CALLS"


class TimedModel:
    """A model whose calls are timed, with as little as can be done in a query that LoadGen times."""

    def __init__(self, model: OnnxRuntimeModel, file: Path) -> None:
        self._model = model
        self._file = file
        self._seconds: list[float] = []
        self.device = model.device
        self.max_batch = model.max_batch
        self.concurrent = model.concurrent
        self.weight_types = model.weight_types

    def close(self) -> None:
        """Close it, and write the file."""
        self._model.close()
        np.array(self._seconds).tofile(self._file)

    def run(self, inputs: Inputs, graph: str = "") -> Outputs:
        """Run one batch."""
        start = time.perf_counter()
        outputs = self._model.run(inputs, graph)
        self._seconds.append(time.perf_counter() - start)
        return outputs


class TimedOnnxRuntime(OnnxRuntime):
    """ONNX Runtime with timed models."""

    def load(  # type: ignore[override]
        self, file: Path | str, model: ModelFile, device: str, threads: int, options: Mapping[str, str]
    ) -> TimedModel:
        """Load an ONNX file."""
        return TimedModel(super().load(file, model, device, threads, options), Path(os.environ[FILE_VARIABLE]))
