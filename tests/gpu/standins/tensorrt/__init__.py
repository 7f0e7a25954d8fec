"""Stands in for TensorRT where it cannot be had: ONNX Runtime computes behind the part of its API that is called.

It is as strict as TensorRT 10 is documented to be where a caller may be wrong: precision in strongly typed networks,
shapes outside of a profile, tensors without an address, memory of another GPU, engines of another version. Whether
TensorRT itself takes a model, and how fast or exact it is, nothing here can tell.
"""

from __future__ import annotations

import ctypes
import json
import os
from enum import Enum, IntEnum
from typing import Any

import numpy as np
import onnx
import onnxruntime
from cuda.bindings import runtime as cuda

__version__ = os.environ.get("MLPERF_TEST_TENSORRT", "10.16.1")


class DataType(Enum):
    FLOAT = 0
    HALF = 1
    INT8 = 2
    INT32 = 3
    BOOL = 4
    UINT8 = 5
    BF16 = 7
    INT64 = 8


float32, float16, bfloat16 = DataType.FLOAT, DataType.HALF, DataType.BF16
_DTYPES = {"float": float32, "int64": DataType.INT64, "int32": DataType.INT32, "float16": float16}
_NUMPY = {float32: "float32", DataType.INT64: "int64", DataType.INT32: "int32", float16: "float16"}


class LayerType(Enum):
    CONVOLUTION = 0
    MATRIX_MULTIPLY = 1
    DECONVOLUTION = 2
    ACTIVATION = 3


_LAYERS = {"Conv": LayerType.CONVOLUTION, "ConvTranspose": LayerType.DECONVOLUTION}
_LAYERS |= {"MatMul": LayerType.MATRIX_MULTIPLY, "Gemm": LayerType.MATRIX_MULTIPLY}


class BuilderFlag(Enum):
    FP16 = 0
    TF32 = 7
    OBEY_PRECISION_CONSTRAINTS = 10
    BF16 = 15


class NetworkDefinitionCreationFlag(IntEnum):
    STRONGLY_TYPED = 1


class ILogger:
    class Severity(Enum):
        INTERNAL_ERROR = 0
        ERROR = 1
        WARNING = 2

    def log(self, severity: ILogger.Severity, text: str) -> None: ...


class _Tensor:
    def __init__(self, name: str, dtype: DataType, shape: list[Any]) -> None:
        self.name = name
        self.dtype = dtype
        self.shape = tuple(length if isinstance(length, int) else -1 for length in shape)


class _Layer:
    def __init__(self, type_: LayerType, network: Network) -> None:
        self.type = type_
        self._network = network
        self._precision = float32

    def get_output(self, place: int) -> _Tensor:
        return _Tensor("", float32, [])

    @property
    def precision(self) -> DataType:
        return self._precision

    @precision.setter
    def precision(self, value: DataType) -> None:
        if self._network.strongly_typed:
            raise RuntimeError("the precision of a layer cannot be set in a strongly typed network")
        self._precision = value


class Network:
    def __init__(self, flags: int) -> None:
        self.strongly_typed = bool(flags & 1 << int(NetworkDefinitionCreationFlag.STRONGLY_TYPED))
        self.layers: list[_Layer] = []
        self.inputs: list[_Tensor] = []
        self.outputs: list[_Tensor] = []
        self.model = b""

    num_layers = property(lambda self: len(self.layers))
    num_inputs = property(lambda self: len(self.inputs))
    num_outputs = property(lambda self: len(self.outputs))

    def get_layer(self, place: int) -> _Layer:
        return self.layers[place]

    def get_input(self, place: int) -> _Tensor:
        return self.inputs[place]

    def get_output(self, place: int) -> _Tensor:
        return self.outputs[place]

    def unmark_output(self, tensor: _Tensor) -> None:
        self.outputs.remove(tensor)


class _ParserError:
    def __init__(self, text: str) -> None:
        self.desc = lambda: text


class OnnxParser:
    def __init__(self, network: Network, logger: ILogger) -> None:
        self._network = network
        self._errors: list[_ParserError] = []

    num_errors = property(lambda self: len(self._errors))

    def get_error(self, place: int) -> _ParserError:
        return self._errors[place]

    def parse_from_file(self, path: str) -> bool:
        try:
            session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        except Exception as error:
            self._errors.append(_ParserError(f"ModelImporter: {str(error).splitlines()[0]}"))
            return False
        nodes = onnx.load(path).graph.node
        if any("uint8" in value for node in nodes for value in _zero_points(node, path)):
            self._errors.append(_ParserError("TRT only supports symmetric quantization - zeroPt must be all zeros"))
            return False
        for tensors, found in (
            (self._network.inputs, session.get_inputs()),
            (self._network.outputs, session.get_outputs()),
        ):
            tensors += [_Tensor(each.name, _DTYPES[each.type[7:-1]], list(each.shape or [None])) for each in found]
        self._network.layers += [
            _Layer(_LAYERS.get(node.op_type, LayerType.ACTIVATION), self._network) for node in nodes
        ]
        self._network.model = onnx.load(path).SerializeToString()
        return True


def _zero_points(node: Any, path: str) -> list[str]:
    if node.op_type != "QuantizeLinear":
        return []
    constants = {value.name: value for value in onnx.load(path).graph.initializer}
    return [str(onnx.numpy_helper.to_array(constants[name]).dtype) for name in node.input[2:] if name in constants]


class _Profile:
    def __init__(self) -> None:
        self.shapes: dict[str, list[list[int]]] = {}

    def set_shape(self, name: str, *bounds: tuple[int, ...]) -> None:
        self.shapes[name] = [list(shape) for shape in bounds]


class _Config:
    def __init__(self) -> None:
        self.flags = {BuilderFlag.TF32}
        self.profiles: list[_Profile] = []

    def set_flag(self, flag: BuilderFlag) -> None:
        self.flags.add(flag)

    def clear_flag(self, flag: BuilderFlag) -> None:
        self.flags.discard(flag)

    def add_optimization_profile(self, profile: _Profile) -> int:
        self.profiles.append(profile)
        return len(self.profiles) - 1


class Builder:
    def __init__(self, logger: ILogger) -> None:
        self._logger = logger

    def create_network(self, flags: int = 0) -> Network:
        return Network(flags)

    def create_builder_config(self) -> _Config:
        return _Config()

    def create_optimization_profile(self) -> _Profile:
        return _Profile()

    def build_serialized_network(self, network: Network, config: _Config) -> bytes | None:
        open_lengths = any(length < 0 for tensor in network.inputs for length in tensor.shape)
        if open_lengths and not config.profiles:
            self._logger.log(ILogger.Severity.ERROR, "Network has dynamic or shape inputs, but no optimization profile")
            return None
        head = {
            "version": __version__,
            "device": cuda.current(),
            "flags": sorted(flag.name for flag in config.flags),
            "strongly typed": network.strongly_typed,
            "precisions": sorted({f"{layer.type.name} {layer.precision.name}" for layer in network.layers}),
            "profiles": [profile.shapes for profile in config.profiles],
            "inputs": [tensor.name for tensor in network.inputs],
            "outputs": [tensor.name for tensor in network.outputs],
        }
        return json.dumps(head).encode() + b"\n" + network.model


class Runtime:
    def __init__(self, logger: ILogger) -> None:
        self._logger = logger

    def deserialize_cuda_engine(self, content: bytes) -> Engine | None:
        head, _, model = content.partition(b"\n")
        told = json.loads(head)
        if (told["version"], told["device"]) != (__version__, cuda.current()):
            self._logger.log(ILogger.Severity.ERROR, "The engine plan file is not compatible with this version or GPU")
            return None
        return Engine(told, model)


class Engine:
    def __init__(self, told: dict[str, Any], model: bytes) -> None:
        self.told = told
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        found = {each.name: each for each in (*self.session.get_inputs(), *self.session.get_outputs())}
        self.tensors = {name: _Tensor(name, _DTYPES[one.type[7:-1]], list(one.shape)) for name, one in found.items()}

    num_optimization_profiles = property(lambda self: max(1, len(self.told["profiles"])))

    def get_tensor_dtype(self, name: str) -> DataType:
        return self.tensors[name].dtype

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self.tensors[name].shape

    def get_tensor_profile_shape(self, name: str, profile: int) -> list[tuple[int, ...]]:
        return [tuple(shape) for shape in self.told["profiles"][profile][name]]

    def create_execution_context(self) -> Context:
        return Context(self)


class Context:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._profile = 0
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._addresses: dict[str, int] = {}

    def set_optimization_profile_async(self, profile: int, stream: int) -> bool:
        self._profile, self._shapes = profile, {}
        return stream in cuda.streams

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        if profiles := self._engine.told["profiles"]:
            least, _, most = profiles[self._profile][name]
            if not all(low <= length <= high for low, length, high in zip(least, shape, most, strict=True)):
                return False
        self._shapes[name] = tuple(shape)
        return True

    def set_tensor_address(self, name: str, address: int) -> bool:
        self._addresses[name] = address
        return True

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        batch = next(iter(self._shapes.values()))[0]
        first, *rest = self._engine.tensors[name].shape
        return (batch if first < 0 else first, *rest)

    def execute_async_v3(self, stream_handle: int) -> bool:
        told = self._engine.told
        if stream_handle not in cuda.streams or {*told["inputs"], *told["outputs"]} - self._addresses.keys():
            return False
        given = {}
        for name in told["inputs"]:
            tensor = np.empty(self._shapes[name], _NUMPY[self._engine.tensors[name].dtype])
            ctypes.memmove(tensor.ctypes.data, self._memory(name, tensor.nbytes), tensor.nbytes)
            given[name] = tensor
        for name, value in zip(told["outputs"], self._engine.session.run(told["outputs"], given), strict=True):
            made = np.ascontiguousarray(value)
            ctypes.memmove(self._memory(name, made.nbytes), made.ctypes.data, made.nbytes)
        return True

    def _memory(self, name: str, size: int) -> int:
        address = self._addresses[name]
        memory, device = cuda.allocated[address]
        if len(memory) < size or device != cuda.current():
            raise RuntimeError(f"an illegal memory access was encountered: {name}")
        return address
