"""Real calls of a model: what a benchmark asks of its graphs for some samples, to be asked again."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlperf.backends.model_file import Graph, Tensor
from pytest_mlperf.worker.comparison import TOLERANCE, Comparison, invalid
from pytest_mlperf.worker.conformance import spread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from pytest_mlperf.backends.base import Inputs, Model, Outputs
    from pytest_mlperf.backends.model_file import ModelFile
    from pytest_mlperf.implementations.protocol import RunSpec
    from pytest_mlperf.worker.comparison import Difference

#: Samples whose calls are recorded, and the most calls of one graph for one of them.
SAMPLES, CALLS = 6, 2
#: No further sample is answered after so many seconds.
SECONDS = 10.0
#: What other batches, threads or calls of the same runtime may change where it rounds to fewer bits than float32 has.
NARROW_TOLERANCE = 5e-2


@dataclass(frozen=True)
class Call:
    """One call of a graph, and what the model gave."""

    graph: Graph
    inputs: Inputs
    outputs: Sequence[NDArray[Any]]

    def again(self, model: Model) -> Outputs:
        """Call a model with the same inputs."""
        return model.run(self.inputs, self.graph.name)


class _Full(Exception):  # noqa: N818 - no error
    """Ends an answer of which enough calls are recorded."""


class _Recording:
    """A model whose calls are written down."""

    def __init__(self, model: Model, graphs: dict[str, Graph], most: int) -> None:
        self._model = model
        self._graphs = graphs
        self._left = dict.fromkeys(graphs, most)
        self.calls: list[Call] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def run(self, inputs: Inputs, graph: str = "") -> Outputs:
        if self._left and not any(self._left.values()):
            raise _Full
        outputs = self._model.run(inputs, graph)
        known = self._graphs.get(graph) or _as_found(graph, outputs)
        if self._left.setdefault(graph, CALLS):
            self._left[graph] -= 1
            kept = {name: np.array(value) for name, value in inputs.items()}
            self.calls.append(Call(known, kept, [np.array(value) for value in outputs]))
        return outputs


def _as_found(name: str, outputs: Outputs) -> Graph:
    """Return the description of a graph of which the benchmark says nothing."""
    tensors = (Tensor(f"output {place}", str(value.dtype), (None,) * value.ndim) for place, value in enumerate(outputs))
    return Graph((), tuple(tensors), name)


def recorded_calls(
    spec: RunSpec, file: ModelFile, model: Model, answer: Callable[[Model, Sequence[int]], object]
) -> list[Call]:
    """Answer some samples, each by itself, and return the first calls of each graph."""
    calls: list[Call] = []
    start = time.monotonic()
    for index in spread(spec.sample_count, SAMPLES):
        if calls and time.monotonic() - start > SECONDS:
            break
        recording = _Recording(model, {graph.name: graph for graph in file.graphs}, CALLS)
        try:
            answer(recording, [index])
        except _Full:
            pass
        except Exception:
            # Outputs that are no outputs make the benchmark fail: they are what `outputs` tells.
            if not any(_problems(recording.calls)):
                raise
        calls += recording.calls
    return calls


def _problems(calls: Iterable[Call]) -> Iterator[Difference]:
    for call in calls:
        yield from invalid(call.graph, call.outputs)


def differences(
    pairs: Iterable[tuple[Graph, Outputs, Outputs]], *, narrow: bool
) -> tuple[Difference | None, Comparison]:
    """Compare what one runtime gave for equal inputs; return the first difference, and how far the others are."""
    comparison = Comparison(NARROW_TOLERANCE if narrow else TOLERANCE)
    for graph, found, expected in pairs:
        if not any(invalid(graph, expected)):  # else that is what `outputs` tells
            for difference in invalid(graph, found):
                return difference, comparison
        for difference in comparison.differences(graph, found, expected):
            return difference, comparison
    return comparison.lost(), comparison


def batched(calls: Sequence[Call], size: int) -> Iterator[tuple[Graph, Inputs, Sequence[Call]]]:
    """Yield a batch for each graph that takes batches, and its calls: one again and again where shapes vary."""
    for graph in {call.graph.name: call.graph for call in calls}.values():
        tensors = (*graph.inputs, *graph.outputs)
        if graph.unordered or not all(tensor.shape and tensor.shape[0] is None for tensor in tensors):
            continue
        single = [call for call in calls if call.graph is graph and _rows(call) == 1]
        by_shape: dict[object, list[Call]] = {}
        for call in single:
            by_shape.setdefault(tuple(value.shape for value in call.inputs.values()), []).append(call)
        if not by_shape:
            continue
        alike = max(by_shape.values(), key=len)
        chosen = [alike[place % len(alike)] for place in range(size)]
        names = chosen[0].inputs
        yield graph, {name: np.concatenate([call.inputs[name] for call in chosen]) for name in names}, chosen


def _rows(call: Call) -> int:
    return max(len(value) for value in call.inputs.values())
