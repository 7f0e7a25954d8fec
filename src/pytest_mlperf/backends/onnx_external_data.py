"""Finds the files beside an ONNX file that hold its tensors, without the package onnx."""

from __future__ import annotations

import mmap
import os
from types import MappingProxyType
from typing import TYPE_CHECKING

from pytest_mlperf.backends.protobuf import BYTES, fields, messages

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

#: Field numbers of onnx.proto, by message: those that lead to a tensor.
_LEADS: Mapping[str, Mapping[int, str]] = MappingProxyType(
    {
        "model": {7: "graph", 20: "training", 25: "function"},
        "training": {1: "graph", 2: "graph"},
        "function": {7: "node", 11: "attribute"},
        "graph": {1: "node", 5: "tensor", 15: "sparse"},
        "node": {5: "attribute"},
        "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
        "sparse": {1: "tensor", 2: "tensor"},
    }
)
#: TensorProto.external_data; StringStringEntryProto.key and .value.
_EXTERNAL_DATA, _KEY, _VALUE = 13, 1, 2
_LOCATION = b"location"


def external_data(model: Path) -> list[str]:
    """Return the locations of an ONNX file's external data as the file has them, each once.

    A file that is no ONNX model has none: no runtime can load it.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    found: dict[bytes, None] = {}
    with model.open("rb") as file:
        try:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                if data.find(_LOCATION) < 0:  # nearly every model; its nodes need not be read
                    return []
                found.update(dict.fromkeys(_locations(data)))
        except ValueError:
            return []
    return sorted(map(os.fsdecode, found))


def _locations(data: mmap.mmap) -> Iterator[bytes]:
    pending = [("model", 0, len(data))]
    while pending:
        kind, start, end = pending.pop()
        if kind == "tensor":
            for entry in messages(data, start, end, _EXTERNAL_DATA):
                yield from _location(data, *entry)
            continue
        for field, wire, at, length in fields(data, start, end):
            if wire == BYTES and field in _LEADS[kind]:
                pending.append((_LEADS[kind][field], at, at + length))


def _location(data: mmap.mmap, start: int, end: int) -> Iterator[bytes]:
    texts = {_KEY: b"", _VALUE: b""}
    for field, wire, at, length in fields(data, start, end):
        if wire == BYTES and field in texts:
            texts[field] = data[at : at + length]
    if texts[_KEY] == _LOCATION:
        yield texts[_VALUE]
