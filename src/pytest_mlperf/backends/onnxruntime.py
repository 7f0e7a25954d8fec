"""ONNX Runtime: ONNX models on cpu and cuda."""

from __future__ import annotations

import tempfile
import threading
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlperf.backends.contract import FoundTensor, check_tensors, require_file
from pytest_mlperf.backends.gpus import no_device, number_of
from pytest_mlperf.backends.onnx_weights import weight_dtypes
from pytest_mlperf.backends.onnxruntime_cuda import CUDA_PROVIDER, cause, check_profile, heard, is_hidden, run_bound
from pytest_mlperf.errors import ModelError, OptionError, RequirementError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import onnxruntime

    from pytest_mlperf.backends.base import Inputs, Outputs
    from pytest_mlperf.backends.model_file import Graph, ModelFile

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": CUDA_PROVIDER}
SPINNING = "session.intra_op.allow_spinning"
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
        settings: Mapping[str, str],
    ) -> None:
        self._graphs = {graph.name: _Graph.of(graph, sessions[graph.name], device) for graph in model.graphs}
        self.device = device
        self.weight_types = weight_types
        #: What is set of the sessions' threads, for the result.
        self.settings = settings
        batches = [graph.batch for graph in self._graphs.values() if graph.batch is not None]
        self.max_batch = min(batches) if batches else None

    def run(self, inputs: Inputs, graph: str = "") -> Outputs:
        """Run one batch."""
        found = self._graphs[graph]
        if found.renamed:
            inputs = {found.renamed.get(name, name): value for name, value in inputs.items()}
        if found.on_gpu is not None:
            return found.on_gpu.run(found.session, found.outputs, inputs)
        result: Outputs = found.session.run(found.outputs, inputs)
        return result

    def close(self) -> None:
        """Release the sessions and their memory."""
        self._graphs.clear()


@dataclass(frozen=True)
class _Graph:
    """A graph and its session: the names of its outputs, and of inputs with another name in the file.

    ``on_gpu`` is None for a session on the CPU.
    """

    session: onnxruntime.InferenceSession
    outputs: list[str]
    renamed: Mapping[str, str]
    batch: int | None
    on_gpu: _OnGpu | None

    @classmethod
    def of(cls, graph: Graph, session: onnxruntime.InferenceSession, device: str) -> _Graph:
        # The benchmark may fix a batch size that is variable in the file.
        shapes = [tensor.shape for tensor in graph.inputs] + [value.shape for value in session.get_inputs()]
        fixed = [shape[0] for shape in shapes if shape and isinstance(shape[0], int)]
        return cls(
            session,
            [tensor.in_file for tensor in graph.outputs],
            {tensor.name: tensor.in_file for tensor in graph.inputs if tensor.file_name},
            min(fixed) if fixed else None,
            None if device == "cpu" else _OnGpu(device),
        )


@dataclass
class _OnGpu:
    """Runs a session of a GPU; the first inference is profiled, to see where its nodes run."""

    device: str
    checked: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, session: onnxruntime.InferenceSession, outputs: Sequence[str], inputs: Inputs) -> Outputs:
        if self.checked:
            return run_bound(session, outputs, inputs)
        with self.lock:
            result = run_bound(session, outputs, inputs)
            if not self.checked:
                check_profile(Path(session.end_profiling()), self.device)
                self.checked = True
            return result


class OnnxRuntime:
    """ONNX Runtime, from the package onnxruntime (cpu) or onnxruntime-gpu (cuda; ``cuda:1`` for the second GPU).

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

        provider = PROVIDERS[device.partition(":")[0]]
        if provider not in onnxruntime.get_available_providers():
            raise _no_device(device, provider, onnxruntime.get_available_providers())
        settings = _session_options(threads, options)
        if device != "cpu":
            settings.enable_profiling = True  # until the first inference is done
            settings.profile_file_prefix = str(Path(tempfile.gettempdir(), "onnxruntime"))
        sessions, weights = {}, dict[str, None]()
        for graph in model.graphs:
            path = Path(file) / graph.file if model.directory else Path(file)
            require_file(path, "an ONNX model")
            sessions[graph.name] = _session(path, settings, device, provider)
            check_tensors(path, "input", graph.inputs, _found(sessions[graph.name].get_inputs()))
            check_tensors(path, "output", graph.outputs, _found(sessions[graph.name].get_outputs()))
            weights.update(dict.fromkeys(known_weights(path)))
        told = {
            "intra-op threads": str(threads),
            SPINNING: options.get(SPINNING, _spins(threads)),
        }
        return OnnxRuntimeModel(sessions, model, device, tuple(weights), told)

    def versions(self) -> Mapping[str, str]:
        """Return ONNX Runtime's version."""
        import onnxruntime

        return {"onnxruntime": onnxruntime.__version__, "numpy": version("numpy")}


def _session_options(threads: int, given: Mapping[str, str]) -> onnxruntime.SessionOptions:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry(SPINNING, _spins(threads))
    options.log_severity_level = 3
    require_session_options(given)
    for name, value in given.items():
        options.add_session_config_entry(name, value)
    return options


def _spins(threads: int) -> str:
    """Return whether a session's threads spin: one alone would take a core from another stream between its calls."""
    return "1" if threads > 1 else "0"


def require_session_options(given: Mapping[str, str]) -> None:
    """Raise unless options are those of a session.

    Raises
    ------
    OptionError
        A name cannot be one.
    """
    for name, value in given.items():
        if "." not in name:
            raise OptionError(
                f"--backend-option: onnxruntime has no option {name}",
                expected="a session option of ONNX Runtime, such as session.set_denormal_as_zero=1",
                found=f"{name}={value}",
                fix="see onnxruntime_session_options_config_keys.h in ONNX Runtime",
            )


def _session(
    path: Path, options: onnxruntime.SessionOptions, device: str, provider: str
) -> onnxruntime.InferenceSession:
    import onnxruntime

    settings = {} if device == "cpu" else {"device_id": str(number_of(device))}
    try:
        with heard() as said:
            session = onnxruntime.InferenceSession(str(path), options, providers=[(provider, settings)])
    except Exception as error:
        # onnxruntime's exceptions have no public base class; unless a library is missing, it is about this file.
        if device != "cpu":
            _raise_for_gpu(f"{said} {error}", device, provider, error)
        raise ModelError(
            f"ONNX Runtime cannot load {path}",
            expected="an ONNX model",
            found=_first_line(error),
            fix="give the benchmark's ONNX file with --model-path, or leave the option out",
        ) from error
    # onnxruntime uses the cpu if the libraries of cuda are missing, and says so on standard error alone.
    if session.get_providers()[0] != provider:
        if (count := is_hidden(said[0])) is not None:
            raise no_device(device, count)
        why = cause(said[0])
        raise _no_device(device, provider, [*session.get_providers(), *([why] if why else [])])
    return session


def _raise_for_gpu(said: str, device: str, provider: str, error: Exception) -> None:
    """Raise if what ONNX Runtime said is about the GPU, and not about the file."""
    if (count := is_hidden(said)) is not None:
        raise no_device(device, count) from error
    if why := cause(said):
        raise _no_device(device, provider, [why]) from error


def _found(values: Sequence[Any]) -> list[FoundTensor]:
    return [FoundTensor(value.name, DTYPES.get(value.type, value.type), value.shape) for value in values]


def known_weights(path: Path) -> tuple[str, ...]:
    """Return the types of a file's weights; none where they cannot be read."""
    try:
        return weight_dtypes(path)
    except (OSError, ValueError):  # the runtime can load the model; only the types of its weights are unknown
        return ()


def _no_device(device: str, provider: str, found: Sequence[str]) -> RequirementError:
    return RequirementError(
        f"ONNX Runtime cannot run on {device} here",
        expected=f"the {provider}",
        found=", ".join(found),
        fix="install onnxruntime-gpu and the CUDA libraries that its version needs, or choose --device cpu"
        if device.startswith("cuda")
        else "install a build of onnxruntime for this device",
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
