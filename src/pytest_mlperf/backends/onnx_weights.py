"""Reads the element types of an ONNX file's weights without the package onnx."""

from __future__ import annotations

import math
import mmap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
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
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
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
        for start, end in _messages(data, 0, len(data), _GRAPH):
            for tensor in _messages(data, start, end, _INITIALIZER):
                name, count = _tensor(data, *tensor)
                elements[name] = elements.get(name, 0) + count
    total = sum(elements.values())
    ranked = sorted(elements, key=lambda name: (-elements[name], name))
    return tuple(name for name in ranked if elements[name] >= _LEAST_PART * total)


def _tensor(data: mmap.mmap, start: int, end: int) -> tuple[str, int]:
    dims: list[int] = []
    dtype = 0
    for field, kind, value, length in _fields(data, start, end):
        if field == _DATA_TYPE and kind == _VARINT:
            dtype = value
        elif field == _DIMS and kind == _VARINT:
            dims.append(value)
        elif field == _DIMS and kind == _BYTES:  # packed
            at = value
            while at < value + length:
                dim, at = _varint(data, at)
                dims.append(dim)
    return DTYPES.get(dtype, f"type {dtype}"), math.prod(dims)


def _messages(data: mmap.mmap, start: int, end: int, wanted: int) -> Iterator[tuple[int, int]]:
    for field, kind, value, length in _fields(data, start, end):
        if field == wanted and kind == _BYTES:
            yield value, value + length


def _fields(data: mmap.mmap, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield number, wire type and value of each field; for bytes, their position and length."""
    at = start
    while at < end:
        key, at = _varint(data, at)
        field, kind = key >> 3, key & 7
        value, length = at, 0
        if kind == _VARINT:
            value, at = _varint(data, at)
        elif kind == _BYTES:
            length, value = _varint(data, at)
            at = value + length
        elif kind in (_FIXED64, _FIXED32):
            at += 8 if kind == _FIXED64 else 4
        else:
            raise ValueError(f"not a protocol buffer: wire type {kind} at byte {at}")
        if at > end:
            raise ValueError(f"cut off: a field ends at byte {at} of {end}")
        yield field, kind, value, length


def _varint(data: mmap.mmap, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError(f"not a protocol buffer: a number does not end at byte {at}")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
