"""DeepSparse: ONNX models of fixed shapes on CPUs with AVX2."""

from __future__ import annotations

import os
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlperf.backends.contract import FoundTensor, check_tensors, require_file
from pytest_mlperf.backends.fixed_shapes import own_batch, shapes_for, varying
from pytest_mlperf.backends.onnx_external_data import external_data
from pytest_mlperf.backends.onnx_weights import weight_dtypes
from pytest_mlperf.errors import ModelError, OptionError, RequirementError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import onnx
    from deepsparse import Engine

    from pytest_mlperf.backends.base import Inputs, Outputs
    from pytest_mlperf.backends.model_file import Graph, ModelFile

#: The newest version of the file format that DeepSparse 1.8.0 reads.
NEWEST_IR = 9
#: Larger batches were no faster, and each size is an engine with weights of its own.
LARGEST_BATCH = 16
CPU_INFO = Path("/proc/cpuinfo")


class DeepSparseModel:
    """Engines of one model for batches of 1, 2, 4 and so on; a batch of another size is run in parts.

    An engine is for one batch size, and is made when that size is first needed. The warm-up needs all those that the
    run does.
    """

    device = "cpu"
    concurrent = False

    def __init__(self, source: _Source, threads: int) -> None:
        graph = source.graph
        self._source = source
        self._threads = threads
        self._inputs = {tensor.in_file: tensor.name for tensor in graph.inputs}
        self._wanted = [tensor.in_file for tensor in graph.outputs]
        self._engines: dict[int, Engine] = {}
        self.max_batch = own_batch(graph) or LARGEST_BATCH
        self.weight_types = source.weight_types
        first = self._engine(1)
        self._order = [self._inputs[name] for name in first.input_names]
        self._places = [first.output_names.index(name) for name in self._wanted]

    def run(self, inputs: Inputs, graph: str = "") -> Outputs:
        """Run one batch."""
        import numpy as np

        del graph
        given = [np.ascontiguousarray(inputs[name]) for name in self._order]
        count = len(given[0])
        parts, start = [], 0
        for size in _sizes(count):
            found = self._engine(size).run([value[start : start + size] for value in given], val_inp=False)
            parts.append([found[place] for place in self._places])
            start += size
        return parts[0] if len(parts) == 1 else [np.concatenate(values) for values in zip(*parts, strict=True)]

    def close(self) -> None:
        """Release the engines and their memory."""
        self._engines.clear()

    def _engine(self, batch: int) -> Engine:
        if batch not in self._engines:
            self._engines[batch] = self._source.engine(batch, self._threads)
        return self._engines[batch]


class DeepSparse:
    """DeepSparse, from the package deepsparse 1.8.0, the last one. It has no options."""

    devices: tuple[str, ...] = ("cpu",)
    formats: tuple[str, ...] = ("onnx",)
    requirements: tuple[str, ...] = ("deepsparse==1.8.0",)
    also_requires: tuple[str, ...] = ("onnxruntime>=1.19",)
    python = ">=3.10,<3.12"
    default = False
    refuses = staticmethod(varying)

    def load(
        self, file: Path | str, model: ModelFile, device: str, threads: int, options: Mapping[str, str]
    ) -> DeepSparseModel:
        """Load an ONNX file; see `pytest_mlperf.backends.base.Backend.load`."""
        del device
        for name, value in options.items():
            raise OptionError(
                f"--backend-option: deepsparse has no option {name}",
                expected="no option",
                found=f"{name}={value}",
                fix="leave it out",
            )
        require_avx2(CPU_INFO)
        path = Path(file)
        require_file(path, "an ONNX model")
        return DeepSparseModel(_Source(path, model.graph), threads)

    def versions(self) -> Mapping[str, str]:
        """Return the versions of DeepSparse and of what reads its models."""
        return {name: version(name) for name in ("deepsparse", "onnx", "numpy")}


def require_avx2(cpu_info: Path) -> None:
    """Raise unless the CPU has AVX2, without which DeepSparse ends the process.

    Raises
    ------
    RequirementError
        It has not.
    """
    flags = next((line for line in cpu_info.read_text("utf-8").splitlines() if line.startswith("flags")), "")
    if "avx2" not in flags.split():
        raise RequirementError(
            "DeepSparse cannot run on this CPU",
            expected="a CPU with AVX2",
            found="one without it, by /proc/cpuinfo",
            fix="choose another --backend",
        )


class _Source:
    """An ONNX file, from which an engine is made for each batch size."""

    def __init__(self, path: Path, graph: Graph) -> None:
        self._path = path
        self.graph = graph
        self._proto = _read(path)
        initializers = {value.name for value in self._proto.graph.initializer}
        inputs = [value for value in self._proto.graph.input if value.name not in initializers]
        check_tensors(path, "input", graph.inputs, _found(inputs))
        check_tensors(path, "output", graph.outputs, _found(self._proto.graph.output, graph))
        try:
            self.weight_types: Sequence[str] = weight_dtypes(path)
        except (OSError, ValueError):  # DeepSparse may load it; only the types of its weights are unknown
            self.weight_types = ()

    def engine(self, batch: int, threads: int) -> Engine:
        """Return an engine for a batch size.

        It is made from a copy of the graph that has these shapes: with `input_shapes`, DeepSparse overwrites the file.
        """
        # Before the first import: it would report the use of it.
        os.environ["NM_DISABLE_ANALYTICS"] = "1"
        import deepsparse

        with tempfile.TemporaryDirectory(prefix="deepsparse-") as directory:
            copy = self._copy(Path(directory), batch)
            try:
                return deepsparse.Engine(str(copy), batch_size=batch, num_cores=threads)
            except Exception as error:  # whatever it raises is about this file
                raise ModelError(
                    f"DeepSparse cannot load {self._path}",
                    expected="an ONNX model of operators and versions that DeepSparse 1.8.0 knows",
                    found=_first_line(error),
                    fix="give another file with --model-path, or choose another --backend",
                ) from error

    def _copy(self, directory: Path, batch: int) -> Path:
        """Write the graph with the shapes of a batch, in a version that is read, beside its external data."""
        import onnx

        proto = onnx.ModelProto()
        proto.CopyFrom(self._proto)
        proto.ir_version = min(proto.ir_version, NEWEST_IR)
        # Some exporters list every domain that they know, in versions that DeepSparse does not.
        used = {node.domain for node in proto.graph.node} | {""}
        domains = [entry for entry in proto.opset_import if entry.domain in used]
        del proto.opset_import[:]
        proto.opset_import.extend(domains)
        shapes = shapes_for(self.graph, batch)
        for value in proto.graph.input:
            for axis, length in enumerate(shapes.get(value.name, ())):
                value.type.tensor_type.shape.dim[axis].dim_value = length
        for name in external_data(self._path):
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).symlink_to((self._path.parent / name).resolve())
        onnx.save(proto, directory / self._path.name)
        return directory / self._path.name


def _read(path: Path) -> onnx.ModelProto:
    import onnx

    try:
        return onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf's DecodeError has no specific base class
        raise ModelError(
            f"cannot read {path}",
            expected="an ONNX model",
            found=_first_line(error),
            fix="give the benchmark's ONNX file with --model-path, or leave the option out",
        ) from error


def _found(values: Sequence[Any], graph: Graph | None = None) -> list[FoundTensor]:
    from onnx.helper import tensor_dtype_to_np_dtype

    found = []
    for value in values:
        tensor = value.type.tensor_type
        shape: list[int | None] = [dim.dim_value or None for dim in tensor.shape.dim]
        if graph is not None and not tensor.HasField("shape"):  # nobody has said it: what the benchmark wants
            shape = [None] * next((len(one.shape) for one in graph.outputs if one.in_file == value.name), 0)
        found.append(FoundTensor(value.name, str(tensor_dtype_to_np_dtype(tensor.elem_type)), shape))
    return found


def _sizes(count: int) -> list[int]:
    """Return powers of two that add up to `count`, the largest first."""
    return [1 << bit for bit in reversed(range(count.bit_length())) if count >> bit & 1]


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
