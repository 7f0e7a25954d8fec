"""OpenVINO: ONNX models on Intel's runtime for CPUs."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from pytest_mlperf.backends.contract import FoundTensor, check_tensors, require_file
from pytest_mlperf.backends.openvino_options import checked, reason
from pytest_mlperf.backends.openvino_precision import HINTS, check_precision, computed_in, layers, require_precision
from pytest_mlperf.backends.openvino_sequences import end_sequences
from pytest_mlperf.errors import ModelError, RequirementError
from pytest_mlperf.machine.cores import available_cores

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_mlperf.backends.base import Inputs, Outputs
    from pytest_mlperf.backends.model_file import Graph, ModelFile

DEVICE = "CPU"
#: How many layers OpenVINO keeps prepared for shapes of their inputs. With its own default of 5,000, the tiny int8 BERT
#: took 3.6 GB for 800 shapes, and did not stop there; with this, 0.9 GB.
PREPARED_LAYERS = 1000


class OpenVinoModel:
    """The compiled graphs of a model; outputs are in the order of the `ModelFile`."""

    device = "cpu"
    concurrent = True

    def __init__(self, graphs: dict[str, _Graph], precision: str, weight_types: Sequence[str]) -> None:
        self._graphs = graphs
        self.precision = precision
        self.weight_types = weight_types
        batches = [graph.batch for graph in graphs.values() if graph.batch is not None]
        self.max_batch = min(batches) if batches else None

    def run(self, inputs: Inputs, graph: str = "") -> Outputs:
        """Run one batch."""
        return self._graphs[graph].run(inputs)

    def close(self) -> None:
        """Release the graphs and their memory."""
        self._graphs.clear()


@dataclass(frozen=True)
class _Graph:
    """A compiled graph: a request for each of its streams, the names of inputs in the file, and the outputs."""

    requests: SimpleQueue[Any]
    renamed: Mapping[str, str]
    outputs: Sequence[Any]
    batch: int | None

    @classmethod
    def of(cls, graph: Graph, compiled: Any) -> _Graph:
        requests = SimpleQueue[Any]()
        for _ in range(compiled.get_property("NUM_STREAMS")):
            requests.put(compiled.create_infer_request())
        # The benchmark may fix a batch size that is variable in the file.
        shapes = [tensor.shape for tensor in graph.inputs] + [each.shape for each in _found(compiled.inputs)]
        fixed = [shape[0] for shape in shapes if shape and isinstance(shape[0], int)]
        return cls(
            requests,
            {tensor.name: tensor.in_file for tensor in graph.inputs},
            [compiled.output(tensor.in_file) for tensor in graph.outputs],
            min(fixed) if fixed else None,
        )

    def run(self, inputs: Inputs) -> Outputs:
        # OpenVINO reads the arrays where they are; the outputs are the request's, which the next inference overwrites.
        shared = {
            self.renamed[name]: value if value.flags.c_contiguous else value.copy() for name, value in inputs.items()
        }
        request = self.requests.get()
        try:
            found = request.infer(shared, share_inputs=True, share_outputs=True)
            return [found[output].copy() for output in self.outputs]
        finally:
            self.requests.put(request)


class OpenVino:
    """OpenVINO, from the package openvino.

    Options are properties of OpenVINO's CPU device: ``ENABLE_CPU_PINNING=YES``.
    """

    devices: tuple[str, ...] = ("cpu",)
    formats: tuple[str, ...] = ("onnx",)
    requirements: tuple[str, ...] = ("openvino>=2025.0",)
    also_requires: tuple[str, ...] = ("onnxruntime>=1.19",)
    computes: Mapping[str, tuple[str, ...]] = {"fp32": ("bf16", "fp16")}
    default = False

    def load(
        self, file: Path | str, model: ModelFile, device: str, threads: int, options: Mapping[str, str]
    ) -> OpenVinoModel:
        """Load an ONNX file, or a directory with one for each graph; see `pytest_mlperf.backends.base.Backend.load`."""
        del device  # the only one
        core = _imported().Core()
        require_precision(
            model.precision,
            core.get_property(DEVICE, "OPTIMIZATION_CAPABILITIES"),
            core.get_property(DEVICE, "FULL_DEVICE_NAME"),
        )
        settings = _settings(model.precision, threads) | checked(options, core)
        graphs, found, hint = {}, list[str](), HINTS[model.precision]
        for graph in model.graphs:
            path = Path(file) / graph.file if model.directory else Path(file)
            require_file(path, "an ONNX model")
            compiled = _compile(core, path, graph, settings)
            graphs[graph.name] = _Graph.of(graph, compiled)
            hint = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
            found += computed_in(layers(compiled.get_runtime_model()))
        computed = tuple(dict.fromkeys(found))
        return OpenVinoModel(graphs, check_precision(Path(file), model.precision, hint, computed), computed)

    def versions(self) -> Mapping[str, str]:
        """Return OpenVINO's version."""
        return {"openvino": version("openvino"), "numpy": version("numpy")}


def _imported() -> Any:
    """Import OpenVINO, which otherwise reports each import to its makers over the network, from a thread."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type] # an import of it then fails
    try:
        import openvino
    except Exception as error:  # a library that is missing, or a version of numpy that does not fit
        raise RequirementError(
            "openvino cannot be imported",
            expected="the package openvino, with a numpy that it supports",
            found=f"{type(error).__name__}: {error}",
            fix=f"install it again: {sys.executable} -m pip install --force-reinstall openvino",
        ) from error
    return openvino


def _settings(precision: str, threads: int) -> dict[str, Any]:
    """Return the properties of a compiled model in which as many inferences run at once as there are cores for.

    An inference runs in the thread that asks for it. With pinning, OpenVINO would bind that thread to a core, and all
    that it starts afterwards: two models of one stream each bind both of their threads to the first core.
    """
    streams = max(1, available_cores() // threads)
    return {
        "INFERENCE_PRECISION_HINT": HINTS[precision],
        "NUM_STREAMS": streams,
        "INFERENCE_NUM_THREADS": streams * threads,
        "ENABLE_CPU_PINNING": False,
        "ENABLE_HYPER_THREADING": True,
        "CPU_RUNTIME_CACHE_CAPACITY": PREPARED_LAYERS,
    }


def _compile(core: Any, path: Path, graph: Graph, settings: Mapping[str, Any]) -> Any:
    try:
        read = core.read_model(path)
    except Exception as error:  # OpenVINO's own have no public base class
        raise _cannot_load(path, error) from error
    check_tensors(path, "input", graph.inputs, _found(read.inputs))
    check_tensors(path, "output", graph.outputs, _found(read.outputs, graph))
    end_sequences(path, read)
    try:
        return core.compile_model(read, DEVICE, settings)
    except Exception as error:
        raise _cannot_load(path, error) from error


def _cannot_load(path: Path, error: Exception) -> ModelError:
    return ModelError(
        f"OpenVINO cannot load {path}",
        expected="an ONNX model",
        found=reason(error),
        fix="give the benchmark's ONNX file with --model-path, or leave the option out",
    )


def _found(ports: Iterable[Any], graph: Graph | None = None) -> list[FoundTensor]:
    """Return what OpenVINO says of inputs or outputs; of the names of one, that which the benchmark uses."""
    wanted = {tensor.in_file for tensor in graph.outputs} if graph is not None else set()
    return [FoundTensor(_name(port, wanted), _dtype(port), _shape(port)) for port in ports]


def _name(port: Any, wanted: set[str]) -> str:
    names = sorted(port.get_names())
    return next((name for name in names if name in wanted), names[0] if names else "")


def _dtype(port: Any) -> str:
    # The first call must not be made by two threads at once: each would wait for the other for ever (2026.4.1). It is
    # made here, where the model is loaded; OpenVINO makes the others in each inference.
    kind = port.get_element_type()
    return str(kind.get_type_name() if kind.get_type_name() == "bf16" else kind.to_dtype())


def _shape(port: Any) -> list[int | None]:
    shape = port.get_partial_shape()
    if shape.rank.is_dynamic:
        return []
    return [None if length.is_dynamic else length.get_length() for length in shape]
