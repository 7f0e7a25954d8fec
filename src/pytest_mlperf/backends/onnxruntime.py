"""ONNX Runtime: ONNX models on cpu and cuda."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlperf.backends.onnx_weights import weight_dtypes
from pytest_mlperf.errors import ModelError, OptionError, RequirementError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import onnxruntime

    from pytest_mlperf.backends.base import Inputs, Outputs
    from pytest_mlperf.backends.model_file import Graph, ModelFile, Tensor

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(uint8)": "uint8",
    "tensor(int8)": "int8",
    "tensor(bool)": "bool",
}


class OnnxRuntimeModel:
    """The sessions of a model's graphs; outputs are in the order of the `ModelFile`."""

    concurrent = True

    def __init__(
        self,
        sessions: dict[str, onnxruntime.InferenceSession],
        model: ModelFile,
        device: str,
        weight_types: Sequence[str],
    ) -> None:
        self._graphs = {graph.name: _Graph.of(graph, sessions[graph.name]) for graph in model.graphs}
        self.device = device
        self.weight_types = weight_types
        batches = [graph.batch for graph in self._graphs.values() if graph.batch is not None]
        self.max_batch = min(batches) if batches else None

    def run(self, inputs: Inputs, graph: str = "") -> Outputs:
        """Run one batch."""
        found = self._graphs[graph]
        if found.renamed:
            inputs = {found.renamed.get(name, name): value for name, value in inputs.items()}
        result: Outputs = found.session.run(found.outputs, inputs)
        return result

    def close(self) -> None:
        """Release the sessions and their memory."""
        self._graphs.clear()


@dataclass(frozen=True)
class _Graph:
    """A graph and its session: the names of its outputs, and of inputs with another name in the file."""

    session: onnxruntime.InferenceSession
    outputs: list[str]
    renamed: Mapping[str, str]
    batch: int | None

    @classmethod
    def of(cls, graph: Graph, session: onnxruntime.InferenceSession) -> _Graph:
        # The benchmark may fix a batch size that is variable in the file.
        shapes = [tensor.shape for tensor in graph.inputs] + [value.shape for value in session.get_inputs()]
        fixed = [shape[0] for shape in shapes if shape and isinstance(shape[0], int)]
        return cls(
            session,
            [tensor.in_file for tensor in graph.outputs],
            {tensor.name: tensor.in_file for tensor in graph.inputs if tensor.file_name},
            min(fixed) if fixed else None,
        )


class OnnxRuntime:
    """ONNX Runtime, from the package onnxruntime (cpu) or onnxruntime-gpu (cuda).

    Options with a dot in their name are session options of ONNX Runtime: ``session.set_denormal_as_zero=1``.
    """

    devices: tuple[str, ...] = ("cpu", "cuda")
    formats: tuple[str, ...] = ("onnx",)
    requirements: tuple[str, ...] = ("onnxruntime>=1.19", "onnxruntime-gpu>=1.19")

    def load(
        self, file: Path | str, model: ModelFile, device: str, threads: int, options: Mapping[str, str]
    ) -> OnnxRuntimeModel:
        """Load an ONNX file, or a directory with one for each graph; see `pytest_mlperf.backends.base.Backend.load`."""
        import onnxruntime

        provider = PROVIDERS[device]
        if provider not in onnxruntime.get_available_providers():
            raise _no_device(device, provider, onnxruntime.get_available_providers())
        settings = _session_options(threads, options)
        sessions, weights = {}, dict[str, None]()
        for graph in model.graphs:
            path = Path(file) / graph.file if model.directory else Path(file)
            _require_file(path)
            sessions[graph.name] = _session(path, settings, device, provider)
            check_tensors(path, "input", graph.inputs, sessions[graph.name].get_inputs())
            check_tensors(path, "output", graph.outputs, sessions[graph.name].get_outputs())
            weights.update(dict.fromkeys(_weights(path)))
        return OnnxRuntimeModel(sessions, model, device, tuple(weights))

    def versions(self) -> Mapping[str, str]:
        """Return ONNX Runtime's version."""
        import onnxruntime

        return {"onnxruntime": onnxruntime.__version__, "numpy": version("numpy")}


def _session_options(threads: int, given: Mapping[str, str]) -> onnxruntime.SessionOptions:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # A thread that spins during post-processing takes a core from another stream.
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if threads > 1 else "0")
    options.log_severity_level = 3
    for name, value in given.items():
        if "." not in name:
            raise OptionError(
                f"--backend-option: onnxruntime has no option {name}",
                expected="a session option of ONNX Runtime, such as session.set_denormal_as_zero=1",
                found=f"{name}={value}",
                fix="see onnxruntime_session_options_config_keys.h in ONNX Runtime",
            )
        options.add_session_config_entry(name, value)
    return options


def _session(
    path: Path, options: onnxruntime.SessionOptions, device: str, provider: str
) -> onnxruntime.InferenceSession:
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=[provider])
    except Exception as error:
        # onnxruntime's exceptions have no public base class; any of them is about this file.
        raise ModelError(
            f"ONNX Runtime cannot load {path}",
            expected="an ONNX model",
            found=_first_line(error),
            fix="give the benchmark's ONNX file with --model-path, or leave the option out",
        ) from error
    # onnxruntime silently uses the cpu if the libraries of cuda are missing.
    if session.get_providers()[0] != provider:
        raise _no_device(device, provider, session.get_providers())
    return session


def _weights(path: Path) -> tuple[str, ...]:
    try:
        return weight_dtypes(path)
    except (OSError, ValueError):  # the runtime can load the model; only the types of its weights are unknown
        return ()


def check_tensors(model: Path, kind: str, expected: Sequence[Tensor], found: Sequence[Any]) -> None:
    """Compare a model's inputs or outputs with those of its `ModelFile`, by name, type and rank.

    An ONNX file may have more outputs than the benchmark reads, but not more inputs.

    Raises
    ------
    ModelError
        A name, an element type or a dimension differs.
    """
    by_name = {value.name: value for value in found}
    for tensor in expected:
        value = by_name.pop(tensor.in_file, None)
        if value is None or not _agrees(tensor, value):
            raise _contract_error(model, kind, expected, found)
    if kind == "input" and by_name:
        raise _contract_error(model, kind, expected, found)


def _agrees(tensor: Tensor, value: Any) -> bool:
    if DTYPES.get(value.type) != tensor.dtype or len(value.shape) != len(tensor.shape):
        return False
    return all(
        want is None or not isinstance(have, int) or want == have
        for want, have in zip(tensor.shape, value.shape, strict=True)
    )


def _contract_error(model: Path, kind: str, expected: Sequence[Tensor], found: Sequence[Any]) -> ModelError:
    want = ", ".join(f"{t.in_file} {t.dtype}{_shape(t.shape)}" for t in expected)
    have = ", ".join(f"{v.name} {DTYPES.get(v.type, v.type)}{_shape(v.shape)}" for v in found)
    return ModelError(
        f"{model} is not a model of this benchmark: its {kind}s differ",
        expected=f"{kind}s: {want}",
        found=have,
        fix=f"export the model with these {kind}s, or give another file with --model-path",
    )


def _shape(shape: Sequence[int | str | None]) -> str:
    return "[" + ",".join(str(length) if isinstance(length, int) else "n" for length in shape) + "]"


def _require_file(model: Path) -> None:
    if not model.is_file():
        raise ModelError(
            f"{model} is not a file",
            expected="an ONNX model",
            found="a directory" if model.is_dir() else "nothing",
            fix="check the path given with --model-path",
        )
    if model.stat().st_size == 0:
        raise ModelError(
            f"{model} is empty",
            expected="an ONNX model",
            found="0 bytes",
            fix="fetch the file again; an interrupted download may leave an empty file",
        )


def _no_device(device: str, provider: str, found: Sequence[str]) -> RequirementError:
    return RequirementError(
        f"ONNX Runtime cannot run on {device} here",
        expected=f"the {provider}",
        found=", ".join(found),
        fix="install onnxruntime-gpu and the CUDA libraries that its version needs, or choose --device cpu"
        if device == "cuda"
        else "install a build of onnxruntime for this device",
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
