"""What the graphs of the tiny RNN-T are fed with: utterances that are neither trained on nor scored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlperf.backends.onnxruntime import OnnxRuntime
from pytest_mlperf.benchmarks.rnnt import TINY
from pytest_mlperf.datasets.digit_speech import speak
from pytest_mlperf.shipped import shipped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from pytest_mlperf.backends.base import Model

UTTERANCES = 100


def calibration() -> Iterator[tuple[str, dict[str, NDArray[Any]]]]:
    """Yield graph names and their inputs, with a batch of 1, as they come up in decoding 100 utterances."""
    recorder = _Recorder(OnnxRuntime().load(shipped("rnnt-tiny"), TINY.models[0], "cpu", 1, {}))
    for index in range(UTTERANCES):
        waveform = speak("calibration", index).samples.astype(np.float32) / np.float32(32768)
        TINY.answer(recorder, [waveform], [index], lambda *_: None)
        yield from recorder.fed
        recorder.fed.clear()


class _Recorder:
    """A model that keeps what it is fed with."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.device, self.concurrent = model.device, False
        self.weight_types: Sequence[str] = model.weight_types
        self.max_batch: int | None = 1
        self.fed: list[tuple[str, dict[str, NDArray[Any]]]] = []

    def run(self, inputs: Any, graph: str = "") -> Any:
        self.fed.append((graph, {name: np.array(value) for name, value in inputs.items()}))
        return self._model.run(inputs, graph)

    def close(self) -> None:
        self._model.close()
