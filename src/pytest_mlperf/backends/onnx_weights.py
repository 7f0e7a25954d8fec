"""Reads an ONNX file's weights and their element types without the package onnx."""

from __future__ import annotations

import math
import mmap
from typing import TYPE_CHECKING, NamedTuple

from pytest_mlperf.backends.protobuf import BYTES, VARINT, fields, messages, varint

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

#: TensorProto.DataType in onnx.proto, with MLPerf's names.
DTYPES: Mapping[int, str] = {
    1: "fp32",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    9: "bool",
    10: "fp16",
    11: "fp64",
    12: "uint32",
    13: "uint64",
    16: "bf16",
    17: "fp8",
    18: "fp8",
    19: "fp8",
    20: "fp8",
    21: "uint4",
    22: "int4",
    23: "fp4",
}
#: Field numbers of onnx.proto: ModelProto.graph, GraphProto.initializer, TensorProto.dims, .data_type and .raw_data.
_GRAPH, _INITIALIZER, _DIMS, _DATA_TYPE, _RAW_DATA = 7, 5, 1, 2, 9
_FLOAT = 1
#: Types with a smaller part of the elements are ignored: shapes and axes are initializers too.
_LEAST_PART = 0.01


def weight_dtypes(model: Path) -> tuple[str, ...]:
    """Return the types of an ONNX file's weights, the most frequent first; empty if there are none.

    Raises
    ------
    ValueError
        The file is not an ONNX model.
    OSError
        The file cannot be read.
    """
    elements: dict[str, int] = {}
    for _, found in _tensors(model):
        name = DTYPES.get(found.dtype, f"type {found.dtype}")
        elements[name] = elements.get(name, 0) + math.prod(found.dims)
    total = sum(elements.values())
    ranked = sorted(elements, key=lambda name: (-elements[name], name))
    return tuple(name for name in ranked if elements[name] >= _LEAST_PART * total)


def float32_weights(model: Path) -> Iterator[NDArray[np.float32]]:
    """Yield an ONNX file's weights in float32 that have two dimensions or more and lie in the file itself.

    Raises
    ------
    ValueError
        The file is not an ONNX model.
    OSError
        The file cannot be read.
    """
    import numpy as np

    for data, found in _tensors(model):
        if found.dtype == _FLOAT and len(found.dims) > 1 and found.length == 4 * math.prod(found.dims) > 0:
            values = np.frombuffer(data[found.raw : found.raw + found.length], "<f4")
            yield values.reshape(found.dims)


class _Tensor(NamedTuple):
    """A weight: its type, its dimensions, and place and length of its data, if it lies in raw_data."""

    dtype: int
    dims: tuple[int, ...]
    raw: int
    length: int


def _tensors(model: Path) -> Iterator[tuple[mmap.mmap, _Tensor]]:
    """Yield each weight of a file, with the file's content."""
    with model.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for start, end in messages(data, 0, len(data), _GRAPH):
            for place in messages(data, start, end, _INITIALIZER):
                yield data, _tensor(data, *place)


def _tensor(data: mmap.mmap, start: int, end: int) -> _Tensor:
    dims: list[int] = []
    dtype = raw = size = 0
    for field, kind, value, length in fields(data, start, end):
        if field == _DATA_TYPE and kind == VARINT:
            dtype = value
        elif field == _RAW_DATA and kind == BYTES:
            raw, size = value, length
        elif field == _DIMS and kind == VARINT:
            dims.append(value)
        elif field == _DIMS and kind == BYTES:  # packed
            at = value
            while at < value + length:
                dim, at = varint(data, at)
                dims.append(dim)
    return _Tensor(dtype, tuple(dims), raw, size)
