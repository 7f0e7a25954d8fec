"""ONNX Runtime: ONNX models on cpu and cuda."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any, ClassVar

from pytest_mlperf.errors import ModelError, RequirementError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import onnxruntime
    from numpy.typing import NDArray

    from pytest_mlperf.benchmarks.base import Contract, Tensor

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


class OnnxRuntimeSession:
    """An ``InferenceSession`` that answers in the contract's order."""

    def __init__(self, session: onnxruntime.InferenceSession, contract: Contract, device: str) -> None:
        self._session = session
        self._outputs = [output.name for output in contract.outputs]
        self.device = device
        # A file may leave the length open that the contract fixes: its outputs have no room for another.
        shapes = [tensor.shape for tensor in contract.inputs] + [value.shape for value in session.get_inputs()]
        fixed = [shape[0] for shape in shapes if shape and isinstance(shape[0], int)]
        self.max_batch = min(fixed) if fixed else None

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> Sequence[NDArray[Any]]:
        """Run one batch."""
        result: Sequence[NDArray[Any]] = self._session.run(self._outputs, inputs)
        return result


class OnnxRuntime:
    """ONNX Runtime, from the package onnxruntime (cpu) or onnxruntime-gpu (cuda)."""

    name: ClassVar[str] = "onnxruntime"
    devices: ClassVar[tuple[str, ...]] = ("cpu", "cuda")
    requirements: ClassVar[tuple[str, ...]] = ("onnxruntime>=1.19", "onnxruntime-gpu>=1.19")
    model_format: ClassVar[str] = "onnx"
    concurrent: ClassVar[bool] = True

    def load(self, model: Path, contract: Contract, device: str, threads: int) -> OnnxRuntimeSession:
        """Load an ONNX file; see `pytest_mlperf.backends.base.Backend.load`."""
        import onnxruntime

        _require_file(model)
        provider = PROVIDERS[device]
        if provider not in onnxruntime.get_available_providers():
            raise _no_device(device, provider, onnxruntime.get_available_providers())
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # A thread that spins while the post-processing runs takes the core of another stream.
        options.add_session_config_entry("session.intra_op.allow_spinning", "1" if threads > 1 else "0")
        options.log_severity_level = 3
        try:
            session = onnxruntime.InferenceSession(str(model), options, providers=[provider])
        except Exception as error:
            # onnxruntime's own exception classes have no public base; each of them means this file.
            raise ModelError(
                f"ONNX Runtime cannot load {model}",
                expected="an ONNX model",
                found=f"{_first_line(error)}",
                fix="give the benchmark's ONNX file with --model-path, or remove the option to use the known one",
            ) from error
        # A session that was asked for cuda only is made on the cpu without a word when cuda's libraries are missing.
        if session.get_providers()[0] != provider:
            raise _no_device(device, provider, session.get_providers())
        check_contract(model, "input", contract.inputs, session.get_inputs())
        check_contract(model, "output", contract.outputs, session.get_outputs())
        return OnnxRuntimeSession(session, contract, device)

    def versions(self) -> Mapping[str, str]:
        """Return ONNX Runtime's version."""
        import onnxruntime

        return {"onnxruntime": onnxruntime.__version__, "numpy": version("numpy")}


def check_contract(model: Path, kind: str, expected: Sequence[Tensor], found: Sequence[Any]) -> None:
    """Compare a model's inputs or outputs with the contract's by name, type and rank.

    An ONNX file may have more outputs than the contract asks for, but not more inputs.

    Raises
    ------
    ModelError
        A name, an element type or a dimension is not the contract's.
    """
    by_name = {value.name: value for value in found}
    for tensor in expected:
        value = by_name.pop(tensor.name, None)
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
    want = ", ".join(f"{t.name} {t.dtype}{_shape(t.shape)}" for t in expected)
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
            fix="fetch the file again: an interrupted download leaves this",
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
