"""TensorFlow Lite: .tflite files on cpu, with the interpreter of ai-edge-litert."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlperf.backends.contract import check_tensors, require_file
from pytest_mlperf.backends.tflite_file import count_outside, require_tflite, weight_types
from pytest_mlperf.backends.tflite_tensors import FileTensor, match
from pytest_mlperf.errors import ModelError, OptionError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pytest_mlperf.backends.base import Inputs, Outputs
    from pytest_mlperf.backends.model_file import Graph, ModelFile

XNNPACK = "xnnpack"
FP32, INT8 = "fp32", "int8"
_WITHOUT = "run it without XNNPACK, some times slower: --backend-option xnnpack=0"


class TFLiteModel:
    """An interpreter, which is used by one thread at a time; outputs are in the order of the `ModelFile`."""

    device = "cpu"
    concurrent = False

    def __init__(self, interpreter: Any, graph: Graph | None, path: Path, weights: Sequence[str]) -> None:
        self._interpreter = interpreter
        details = (interpreter.get_input_details(), interpreter.get_output_details())
        found = [[FileTensor.of(each) for each in side] for side in details]
        wanted = (graph.inputs, graph.outputs) if graph is not None else ((), ())
        self._inputs, self._outputs = (match(*each) for each in zip(wanted, found, strict=True))
        if graph is not None:
            check_tensors(path, "input", graph.inputs, [each.described() for each in self._inputs])
            check_tensors(path, "output", graph.outputs, [each.described() for each in self._outputs])
            self._outputs = self._outputs[: len(graph.outputs)]  # what nobody reads is not copied
        self._batch = min((each.shape[0] for each in self._inputs if each.shape), default=1)
        one = any(each.shape[:1] == (1,) for each in graph.inputs) if graph is not None else False
        self._fixed = one or not self._takes(self._batch + 1)
        self.max_batch = self._batch if self._fixed else None
        self.weight_types = weights
        self.precision = precision_of(weights)

    def run(self, inputs: Inputs, graph: str = "") -> Outputs:
        """Run one batch; one smaller than the file's fixed batch is filled up."""
        del graph
        count = len(next(iter(inputs.values())))
        batch = max(count, self._batch) if self._fixed else count
        if batch != self._batch:
            self._resize(batch)
        for tensor in self._inputs:
            value = inputs[tensor.name] if tensor.name else next(iter(inputs.values()))
            self._interpreter.set_tensor(tensor.index, tensor.to_file(_filled(value, batch)))
        self._interpreter.invoke()
        outputs = [tensor.from_file(self._interpreter.get_tensor(tensor.index)) for tensor in self._outputs]
        return outputs if count == batch else [value[:count] for value in outputs]

    def close(self) -> None:
        """Release the interpreter and its memory."""
        del self._interpreter

    def _resize(self, batch: int) -> None:
        for tensor in self._inputs:
            self._interpreter.resize_tensor_input(tensor.index, (batch, *tensor.shape[1:]))
        self._interpreter.allocate_tensors()
        self._batch = batch

    def _takes(self, batch: int) -> bool:
        """Return whether the file runs a batch of another size; whether it has that many answers is measured.

        A file's own word is not enough: converters write 1 for a batch that may have any size, and an open batch for a
        graph that reshapes to one of 1.
        """
        before = self._batch
        try:
            self._resize(batch)
            self._invoke_empty()
            lengths = {self._interpreter.get_tensor(each.index).shape[:1] for each in self._outputs}
        except (RuntimeError, ValueError):
            lengths = set()
        self._resize(before)
        self._invoke_empty()
        return lengths == {(batch,)}

    def _invoke_empty(self) -> None:
        for tensor in self._inputs:
            self._interpreter.set_tensor(tensor.index, tensor.zeros(self._batch))
        self._interpreter.invoke()


class TFLite:
    """The interpreter of TensorFlow Lite from the package ai-edge-litert, with XNNPACK unless the option says 0."""

    devices: tuple[str, ...] = ("cpu",)
    formats: tuple[str, ...] = ("tflite",)
    requirements: tuple[str, ...] = ("ai-edge-litert>=2.1",)
    # One environment for all of its benchmarks.
    also_requires: tuple[str, ...] = ("onnxruntime>=1.19", "tokenizers>=0.20")
    default: bool = False

    def load(
        self, file: Path | str, model: ModelFile, device: str, threads: int, options: Mapping[str, str]
    ) -> TFLiteModel:
        """Load a .tflite file; see `pytest_mlperf.backends.base.Backend.load`."""
        del device
        path = Path(file)
        xnnpack = uses_xnnpack(options)
        require_file(path, "a TensorFlow Lite model")
        require_tflite(path)
        interpreter = load_interpreter(path, threads, xnnpack=xnnpack)
        loaded = _usable(interpreter, model, path, xnnpack=xnnpack)
        if xnnpack:
            _tell(path, interpreter)
        return loaded

    def versions(self) -> Mapping[str, str]:
        """Return the runtime's version."""
        return {name: version(name) for name in ("ai-edge-litert", "numpy")}


def precision_of(weights: Sequence[str]) -> str:
    """Return the precision in which a file with weights of these types is run."""
    return INT8 if INT8 in weights else FP32


def uses_xnnpack(options: Mapping[str, str]) -> bool:
    """Return whether XNNPACK runs what it can.

    Raises
    ------
    OptionError
        There is no such option.
    """
    for name, value in options.items():
        if name != XNNPACK or value not in ("0", "1"):
            raise OptionError(
                f"--backend-option: tflite has no option {name}={value}",
                expected="xnnpack=0 or xnnpack=1, which is the default",
                found=f"{name}={value}",
                fix="choose one of these, or leave it out",
            )
    return options.get(XNNPACK, "1") == "1"


def load_interpreter(path: Path, threads: int, *, xnnpack: bool) -> Any:
    """Return an interpreter for a file, before it has any memory for tensors.

    Raises
    ------
    ModelError
        The interpreter does not take the file.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    kinds = OpResolverType
    try:
        return Interpreter(
            str(path),
            num_threads=threads,
            experimental_op_resolver_type=kinds.AUTO if xnnpack else kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
    except (ValueError, RuntimeError) as error:
        raise _cannot(path, "load", error, "give the benchmark's .tflite file with --model-path") from error


def _usable(interpreter: Any, model: ModelFile, path: Path, *, xnnpack: bool) -> TFLiteModel:
    """Return the model when it has run once: what XNNPACK cannot run is known only then."""
    graph = model.graphs[0] if model.graphs else None
    try:
        interpreter.allocate_tensors()
        return TFLiteModel(interpreter, graph, path, weight_types(path))
    except (ValueError, RuntimeError) as error:
        fix = _WITHOUT if xnnpack else "convert the model again, with shapes that are known"
        raise _cannot(path, "run", error, fix) from error


def _tell(path: Path, interpreter: Any) -> None:
    """Write to the run's log how much of the model XNNPACK runs."""
    outside = count_outside(interpreter)
    if outside is None:
        return
    rest = ", ".join(f"{count} {name}" for name, count in outside.most_common())
    print(f"{path.name}: XNNPACK runs all operators{f' but {rest}' if rest else ''}", file=sys.stderr)  # noqa: T201


def _filled(value: NDArray[Any], batch: int) -> NDArray[Any]:
    """Return a batch with copies of its first sample at its end."""
    import numpy as np

    lacking = batch - len(value)
    return np.concatenate([value, np.repeat(value[:1], lacking, 0)]) if lacking else value


def _cannot(path: Path, what: str, error: Exception, fix: str) -> ModelError:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return ModelError(
        f"TensorFlow Lite cannot {what} {path}", expected="a .tflite model", found=" ".join(lines)[:300], fix=fix
    )
