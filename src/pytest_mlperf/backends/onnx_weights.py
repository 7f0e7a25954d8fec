"""Reads the element types of an ONNX file's weights without the package onnx."""

from __future__ import annotations

import math
import mmap
from typing import TYPE_CHECKING

from pytest_mlperf.backends.protobuf import BYTES, VARINT, fields, messages, varint

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

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
#: Field numbers of onnx.proto: ModelProto.graph, GraphProto.initializer, TensorProto.dims and .data_type.
_GRAPH, _INITIALIZER, _DIMS, _DATA_TYPE = 7, 5, 1, 2
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
    with model.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for start, end in messages(data, 0, len(data), _GRAPH):
            for tensor in messages(data, start, end, _INITIALIZER):
                name, count = _tensor(data, *tensor)
                elements[name] = elements.get(name, 0) + count
    total = sum(elements.values())
    ranked = sorted(elements, key=lambda name: (-elements[name], name))
    return tuple(name for name in ranked if elements[name] >= _LEAST_PART * total)


def _tensor(data: mmap.mmap, start: int, end: int) -> tuple[str, int]:
    dims: list[int] = []
    dtype = 0
    for field, kind, value, length in fields(data, start, end):
        if field == _DATA_TYPE and kind == VARINT:
            dtype = value
        elif field == _DIMS and kind == VARINT:
            dims.append(value)
        elif field == _DIMS and kind == BYTES:  # packed
            at = value
            while at < value + length:
                dim, at = varint(data, at)
                dims.append(dim)
    return DTYPES.get(dtype, f"type {dtype}"), math.prod(dims)
