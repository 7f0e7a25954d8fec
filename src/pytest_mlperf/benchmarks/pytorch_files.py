"""The PyTorch files of the tiny editions: made once from their ONNX files, and compared on real samples."""

from __future__ import annotations

import json
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlperf.backends.model_content import require_unchanged
from pytest_mlperf.backends.model_file import ModelFile
from pytest_mlperf.benchmarks.first_samples import first_samples
from pytest_mlperf.conversion.steps import PYTORCH, TORCH, reason, run_module
from pytest_mlperf.errors import ModelError
from pytest_mlperf.origin import Derived, Url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from pytest_mlperf.backends.base import Inputs, Outputs
    from pytest_mlperf.backends.model_file import Graph
    from pytest_mlperf.benchmarks.base import Benchmark

#: Increase this when the files are made differently.
VERSION = 1
#: The samples on which a file is compared, in batches of these sizes: one, and some.
BATCHES = (1, 3, 4)
#: The most batches of a graph that are compared: a task with a loop has hundreds.
MOST = 12
FIX = "choose another --backend, or report this"


def pytorch_file(file: ModelFile, benchmark: Callable[[], Benchmark], state: str = "") -> ModelFile:
    """Return the PyTorch file that is made from an ONNX file.

    Parameters
    ----------
    file
        The ONNX file, which may be made itself.
    benchmark
        Returns the benchmark, on whose samples both are compared; it does not exist yet when its files are listed.
    state
        The name of the state dict that is made from all graphs of a directory; empty for an exported program.
    """
    source = file.source
    assert not isinstance(source, Url)  # noqa: S101 - a file is a file

    def recipe(model: Path, sha256: str, interpreter: str) -> PyTorchRecipe:
        return PyTorchRecipe(model, sha256, interpreter, file, benchmark, state)

    graph_files = tuple(graph.file for graph in file.graphs) if file.directory else ()
    made = Derived(source, recipe, PYTORCH, source_format=file.format, source_files=graph_files)
    return ModelFile("pytorch", file.precision, made, file.graphs, file.variant)


@dataclass(frozen=True)
class PyTorchRecipe:
    """The recipe of a PyTorch file.

    Attributes
    ----------
    model, sha256
        The ONNX file or the directory of its graphs, and its digest.
    interpreter
        A Python with torch and onnx.
    file, benchmark, state
        See `pytorch_file`.
    """

    model: Path
    sha256: str
    interpreter: str
    file: ModelFile
    benchmark: Callable[[], Benchmark]
    state: str
    kind: str = "model"

    @property
    def name(self) -> str:
        """The name in the cache."""
        return f"{self.model.stem} pytorch"

    @property
    def source(self) -> str:
        """The source, as shown to users."""
        return f"converted from {self.model.name}"

    def key(self) -> dict[str, str | int]:
        """Return what determines the file."""
        return {"sha256": self.sha256, "torch": TORCH, "variant": self.file.variant, "version": VERSION}

    def build(self, directory: Path) -> None:
        """Convert the file.

        Raises
        ------
        ModelError
            It cannot be converted, or PyTorch's outputs are others than ONNX Runtime's on the first samples.
        """
        with _workplace(directory) as place:
            self._convert(self._job(directory, place))
        files = [graph.file for graph in self.file.graphs]
        require_unchanged(self.model, "onnx", files, self.sha256, during="it was converted")

    def _job(self, directory: Path, place: Path) -> Path:
        """Write what is to be made, with the recorded batches, and return its file."""
        recorder = Recorder(self.model, self.file)
        _answer(replace(self.benchmark(), variant=self.file.variant), recorder)
        graphs = []
        for number, graph in enumerate(self.file.graphs):
            records = place / f"{number}.npz"
            recorder.save(graph, records)
            graphs.append(
                {
                    "name": graph.name,
                    "source": str((self.model / graph.file if self.file.directory else self.model).absolute()),
                    "target": f"{self.model.stem}.pt2",
                    "inputs": [(tensor.in_file, tensor.shape) for tensor in graph.inputs],
                    "outputs": [tensor.in_file for tensor in graph.outputs],
                    "records": str(records),
                    "example": recorder.example(graph),
                }
            )
        job = place / "job.json"
        content = {"directory": str(directory.absolute()), "state": self.state, "graphs": graphs}
        job.write_text(json.dumps(content), "utf-8")
        return job

    def _convert(self, job: Path) -> None:
        done = run_module(self.interpreter, "pytest_mlperf.conversion.to_pytorch", job)
        if done.code:
            raise ModelError(
                f"{self.model.name} cannot be converted to PyTorch",
                expected="a program with ONNX Runtime's outputs on the first samples",
                found=reason(done),
                fix=FIX,
            )


@contextmanager
def _workplace(directory: Path) -> Iterator[Path]:
    """Return a directory that is removed again, on the disk of what is made."""
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=f"{directory.name}-") as name:
        yield Path(name)


class Recorder:
    """A model that records the first batches: ONNX Runtime on the whole CPU."""

    device: str = "cpu"
    max_batch: int | None = None
    concurrent: bool = True
    weight_types: Sequence[str] = ()

    def __init__(self, model: Path, file: ModelFile) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        self._graphs = {graph.name: graph for graph in file.graphs}
        self._sessions = {
            graph.name: onnxruntime.InferenceSession(
                str(model / graph.file if file.directory else model), options, providers=["CPUExecutionProvider"]
            )
            for graph in file.graphs
        }
        self._records: dict[str, list[dict[str, NDArray[Any]]]] = {graph.name: [] for graph in file.graphs}

    def run(self, inputs: Inputs, graph: str = "") -> Outputs:
        """Run one batch, and record it."""
        found = self._graphs[graph]
        given = {tensor.in_file: inputs[tensor.name] for tensor in found.inputs}
        names = [tensor.in_file for tensor in found.outputs]
        made: Outputs = self._sessions[graph].run(names, given)
        # A decoder writes into what it got.
        copied = {name: value.copy() for name, value in (*given.items(), *zip(names, made, strict=True))}
        self._records[graph].append(copied)
        return made

    def close(self) -> None:
        """Release the sessions."""
        self._sessions.clear()

    def save(self, graph: Graph, target: Path) -> None:
        """Write some batches of a graph, spread over all: ``<number>/<name>``."""
        import numpy as np

        arrays = {f"{n}/{name}": value for n, batch in self._kept(graph).items() for name, value in batch.items()}
        with target.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)

    def example(self, graph: Graph) -> int:
        """Return the number of a batch with at least two of everything that is open."""

        def least(batch: dict[str, NDArray[Any]]) -> int:
            open_lengths = (
                length
                for tensor in graph.inputs
                for length, wanted in zip(batch[tensor.in_file].shape, tensor.shape, strict=True)
                if wanted is None
            )
            return min(open_lengths, default=2)

        kept = self._kept(graph)
        return max(kept, key=lambda number: least(kept[number]))

    def _kept(self, graph: Graph) -> dict[int, dict[str, NDArray[Any]]]:
        batches = self._records[graph.name]
        step = max(1, len(batches) // MOST)
        return dict(enumerate(batches[::step]))


def _answer(benchmark: Benchmark, recorder: Recorder) -> None:
    """Answer the benchmark's first samples in batches."""
    start = 0
    with first_samples(benchmark, sum(BATCHES)) as samples:
        for size in BATCHES:
            indices = range(start, start + size)
            benchmark.answer(recorder, [samples[index] for index in indices], indices, _nothing)
            start += size


def _nothing(place: int, token: Sequence[Any] | NDArray[Any]) -> None:
    """Ignore a first token."""
