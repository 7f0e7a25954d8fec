"""The program's model as one that Python can run: for the comparison with ONNX Runtime before a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_mlperf.backends.base import Inputs, Outputs
    from pytest_mlperf.backends.model_file import Graph
    from pytest_mlperf.cpp.program import Program
    from pytest_mlperf.cpp.sample_file import SampleFile


class ProgramModel:
    """Runs batches with the program that also runs the test, without its encoding of answers."""

    concurrent = False
    max_batch: int | None = None

    def __init__(
        self, program: Program, memory: SampleFile, graph: Graph, device: str, threads: int, weights: Sequence[str]
    ) -> None:
        self._program = program
        self._memory = memory
        self._graph = graph
        self._threads = threads
        self.device = device
        self.weight_types = weights

    def run(self, inputs: Inputs, graph: str = "") -> Outputs:
        """Run one batch."""
        del graph
        arrays = [np.ascontiguousarray(inputs[tensor.name]) for tensor in self._graph.inputs]
        start, size, places = self._memory.write(arrays)
        words = [word for place, each in zip(places, arrays, strict=True) for word in (place, each.ndim, *each.shape)]
        reply = list(self._program.request("infer", self._threads, start, size, *words))
        outputs, place = [], start + size
        while reply:
            dtype, nbytes, rank = reply[0], int(reply[1]), int(reply[2])
            shape = tuple(map(int, reply[3 : 3 + rank]))
            outputs.append(np.frombuffer(self._memory.read(place, nbytes), dtype).reshape(shape))
            place += nbytes
            del reply[: 3 + rank]
        self._memory.forget()
        return outputs

    def close(self) -> None:
        """Leave the program alone: it has the test before it."""
