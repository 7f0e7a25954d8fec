"""Compares a loaded model with ONNX Runtime on a few real samples, before the test that reports its figures."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlperf.backends.base import REMOTE
from pytest_mlperf.errors import MLPerfError, ModelError
from pytest_mlperf.implementations.protocol import Check
from pytest_mlperf.machine.memory import free_memory
from pytest_mlperf.printable import said
from pytest_mlperf.worker.comparison import Comparison, Difference, invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from pytest_mlperf.backends.base import Inputs, Model, Outputs
    from pytest_mlperf.backends.model_file import Graph, ModelFile
    from pytest_mlperf.benchmarks.base import Benchmark
    from pytest_mlperf.implementations.protocol import RunSpec

OURS = "pytest_mlperf.backends.onnxruntime:OnnxRuntime"
FP32 = "fp32"
#: How many samples are answered, spread over those of the run.
SAMPLES = 8
#: No further sample is answered after so many seconds, and no sample longer, once each graph was run.
SECONDS = 4.0
#: What ONNX Runtime needs for a model, as a multiple of its file.
MEMORY = 3
#: The name of the check in a result.
REFERENCE = "reference"


class _Enough(Exception):  # noqa: N818 - no error
    """Ends an answer that takes long."""


@dataclass(frozen=True)
class Reference:
    """ONNX Runtime with the reference's file, or why there is none."""

    model: Model | None
    file: ModelFile
    why_not: str = ""

    def close(self) -> None:
        """Free it."""
        if self.model is not None:
            self.model.close()

    def run(self, inputs: Inputs, graph: Graph) -> list[NDArray[Any]]:
        """Return the outputs of a graph of the run's model, in its order."""
        assert self.model is not None  # noqa: S101 - for the type checker
        own = next(each for each in self.file.graphs if each.name == graph.name)
        shapes = {tensor.name: tensor.shape for tensor in own.inputs}
        outputs = self.model.run(
            {name: _channels_first(value, shapes[name]) for name, value in inputs.items()}, graph.name
        )
        by_name = dict(zip((tensor.name for tensor in own.outputs), outputs, strict=True))
        return [by_name[tensor.name] for tensor in graph.outputs]


def load_reference(spec: RunSpec, benchmark: Benchmark, file: ModelFile, threads: int) -> Reference:
    """Load the reference of a run with ONNX Runtime."""
    row = _reference_file(benchmark, file)
    if not spec.reference:
        return Reference(None, row, "there is no ONNX file of this model")
    path = Path(spec.reference)
    size = sum(each.stat().st_size for each in (path.rglob("*") if path.is_dir() else (path,)) if each.is_file())
    free = free_memory()
    if free is not None and free < MEMORY * size:
        return Reference(
            None, row, f"ONNX Runtime would need {MEMORY * size / 1e9:.1f} GB, and {free / 1e9:.1f} are free"
        )
    try:
        from pytest_mlperf.backends.onnxruntime import OnnxRuntime

        return Reference(OnnxRuntime().load(path, row, "cpu", threads, {}), row)
    except ImportError as error:
        return Reference(None, row, f"ONNX Runtime is not in the environment of the run: {said(error)}")
    except MLPerfError as error:
        return Reference(None, row, error.what)


def is_compared(spec: RunSpec, file: ModelFile) -> bool:
    """Say whether a run's model is looked at: not that of our onnxruntime, and not one whose graphs nobody knows."""
    return spec.backend != OURS and spec.device != REMOTE and bool(file.graphs)


class Compared:
    """A model whose outputs are looked at, and compared with the reference's.

    Parameters
    ----------
    benchmark
        It knows which part of the outputs is read.
    model
        The model.
    graphs
        What the outputs must be.
    reference
        The reference; without one, outputs must be of the right shape and type, and finite.
    """

    def __init__(self, benchmark: Benchmark, model: Model, graphs: Sequence[Graph], reference: Reference) -> None:
        self._benchmark = benchmark
        self._model = model
        self._graphs = {graph.name: graph for graph in graphs}
        self._waiting = set(self._graphs)
        self._since = time.monotonic()
        self._reference = reference
        self.comparison = Comparison()
        self.problem: Difference | None = None
        self.why_not = reference.why_not

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    @property
    def is_late(self) -> bool:
        """Whether enough time was taken."""
        return not self._waiting and time.monotonic() - self._since > SECONDS

    def run(self, inputs: Inputs, graph: str = "") -> Outputs:
        """Run one batch with both, and return the model's outputs."""
        if self.is_late:
            raise _Enough
        outputs = self._model.run(inputs, graph)
        known = self._graphs[graph]
        self.problem = next(self._differences(known, inputs, outputs), None)
        if self.problem is not None:
            raise _Enough
        self._waiting.discard(graph)
        return outputs

    def _differences(self, graph: Graph, inputs: Inputs, outputs: Outputs) -> Iterator[Difference]:
        found = list(outputs)
        yield from invalid(graph, found, may_be_infinite=not self.why_not)
        if self.why_not:
            return
        try:
            expected = self._reference.run(inputs, graph)
        except Exception as error:  # it is another file than the model's: nothing is known of the model
            self.why_not = f"ONNX Runtime cannot run {graph.name or 'it'} on these inputs: {said(error)}"
            yield from invalid(graph, found)
            return
        read = [self._benchmark.compared(each, inputs, graph.name) for each in (found, expected)]
        yield from self.comparison.differences(graph, *read)


def compare(
    spec: RunSpec,
    benchmark: Benchmark,
    file: ModelFile,
    model: Model,
    answer: Callable[[Model, Sequence[int]], object],
    batch: int,
    threads: int,
) -> Check:
    """Answer some samples with the model and with ONNX Runtime.

    Parameters
    ----------
    spec, benchmark, file
        The run, its benchmark, and its model's file.
    model
        The model.
    answer
        Answers samples, which it loads, with a model.
    batch
        How many samples are answered at once.
    threads
        For ONNX Runtime.

    Raises
    ------
    ModelError
        The model gives other outputs than ONNX Runtime, or outputs that cannot be right.
    """
    start = time.monotonic()
    reference = load_reference(spec, benchmark, file, threads)
    try:
        compared = Compared(benchmark, model, file.graphs, reference)
        if not _in_float32(spec, model, reference):
            compared.comparison.tolerance = None
        indices = spread(spec.sample_count, SAMPLES)
        asked = _ask(spec, compared, partial(_batches, indices, min(batch, SAMPLES)), answer)
    finally:
        reference.close()
    return _summary(compared, asked, time.monotonic() - start)


def comparison_notes(spec: RunSpec, checks: Sequence[Check]) -> tuple[str, ...]:
    """Return a note for a run that should have been compared and was not."""
    name = spec.backend_name or spec.backend.partition(":")[2]
    wanted = bool(spec.reference) and spec.precision == FP32
    return tuple(
        f"{name} was not compared with ONNX Runtime: {check.said}"
        for check in checks
        if wanted and check.outcome == "not compared"
    )


def spread(count: int, wanted: int) -> list[int]:
    """Return indices of at most `wanted` of `count` samples, from the first to the last."""
    few = min(count, wanted)
    return [index * (count - 1) // max(1, few - 1) for index in range(few)]


def _batches(indices: Sequence[int], batch: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(indices), batch):
        yield indices[start : start + batch]


def _ask(
    spec: RunSpec,
    compared: Compared,
    batches: Callable[[], Iterator[Sequence[int]]],
    answer: Callable[[Model, Sequence[int]], object],
) -> int:
    """Answer batch after batch; return how many samples were answered, the last one perhaps in part."""
    asked = 0
    for some in batches():
        if compared.is_late:
            break
        asked += len(some)
        try:
            answer(compared, some)
        except _Enough:
            if compared.problem is not None:
                raise wrong(spec, compared.problem, some, compared.comparison) from None
    if (lost := compared.comparison.lost()) is not None:
        raise wrong(spec, lost, (), compared.comparison)
    return asked


def wrong(spec: RunSpec, problem: Difference, indices: Sequence[int], comparison: Comparison) -> ModelError:
    """Return the error of a model whose output is not what it must be."""
    name = spec.backend_name or spec.backend.partition(":")[2]
    if problem.row is not None and len(indices) > 1 and problem.row < len(indices):
        indices = [indices[problem.row]]
    samples = f" for sample {', '.join(map(str, indices))}" if len(indices) else ""
    compared = comparison.outputs > 0
    return ModelError(
        f"{name} computes {'other values than ONNX Runtime' if compared else 'no valid output'}: "
        f"{problem.output}{samples}",
        expected=problem.expected,
        found=problem.found,
        fix="no figure is reported for a model that computes wrongly: choose another form of it with "
        f"--mlperf-variant, another version of {name}, or another --backend (docs/conformance.md)",
    )


def _summary(compared: Compared, asked: int, seconds: float) -> Check:
    comparison = compared.comparison
    took = f"{asked} sample{'s' if asked != 1 else ''}, {seconds:.1f} s"
    if compared.why_not:
        return Check(name=REFERENCE, outcome="not compared", said=f"{compared.why_not} ({took})")
    if comparison.tolerance is None:
        return Check(name=REFERENCE, outcome="not compared", said=f"shapes only: it is not in float32 ({took})")
    said = f"within {comparison.largest:.1e} of ONNX Runtime in {comparison.outputs} outputs"
    if comparison.unpaired:
        said += f", {comparison.unpaired} of {comparison.rows} rows without a counterpart"
    return Check(name=REFERENCE, outcome="passed", said=f"{said} ({took})")


def _in_float32(spec: RunSpec, model: Model, reference: Reference) -> bool:
    """Return whether both compute in float32: rounding to fewer bits is the runtime's own matter."""
    types = {*(reference.model.weight_types if reference.model is not None else ()), *model.weight_types}
    return spec.precision == FP32 and not has_narrow_weights(types)


def has_narrow_weights(types: Iterable[str]) -> bool:
    """Return whether weights of some types are computed with in fewer bits than float32 has."""
    narrow = ("fp", "bf", "int8", "int4", "uint8", "uint4")
    return any(name.startswith(narrow) and name not in (FP32, "fp64") for name in types)


def _reference_file(benchmark: Benchmark, file: ModelFile) -> ModelFile:
    """Return the description of the ONNX file with the graphs of `file`."""
    for row in benchmark.models:
        if (row.format, row.precision, row.variant) == ("onnx", file.precision, file.variant) and row.graphs:
            return row
    graphs = tuple(
        replace(
            graph,
            inputs=tuple(replace(tensor, file_name="") for tensor in graph.inputs),
            outputs=tuple(replace(tensor, file_name="") for tensor in graph.outputs),
            file=f"{graph.name}.onnx" if graph.file else "",
        )
        for graph in file.graphs
    )
    return replace(file, format="onnx", graphs=graphs)


def _channels_first(value: NDArray[Any], shape: Sequence[int | None]) -> NDArray[Any]:
    """Return images in the order of the axes that the ONNX file has: others may want the channels last."""

    def fits(have: Sequence[int]) -> bool:
        return all(want is None or want == length for want, length in zip(shape[1:], have[1:], strict=True))

    if value.ndim != 4 or len(shape) != 4 or fits(value.shape):
        return value
    moved = value.transpose(0, 3, 1, 2)
    return moved.copy() if fits(moved.shape) else value
