"""Stands in for cuda.bindings.runtime where there is no GPU: its memory is this process's, and is watched.

The functions are those that this package calls, with the arguments and the answers of cuda-bindings 13.5.
"""

from __future__ import annotations

import ctypes
import os
import threading
from dataclasses import dataclass
from enum import IntEnum
from itertools import count
from typing import Any


class cudaError_t(IntEnum):
    """How a call ended."""

    cudaSuccess = 0
    cudaErrorInvalidValue = 1
    cudaErrorMemoryAllocation = 2
    cudaErrorInsufficientDriver = 35
    cudaErrorInvalidDevice = 101


class cudaMemcpyKind(IntEnum):
    """The direction of a copy."""

    cudaMemcpyHostToDevice = 1
    cudaMemcpyDeviceToHost = 2


@dataclass(frozen=True)
class cudaDeviceProp:
    """A GPU."""

    name: bytes
    major: int
    minor: int


@dataclass(frozen=True)
class cudaPointerAttributes:
    """Memory."""

    device: int


OK, BAD = cudaError_t.cudaSuccess, cudaError_t.cudaErrorInvalidValue
_local = threading.local()
#: By address: the bytes, and the GPU that has them.
allocated: dict[int, tuple[Any, int]] = {}
streams: set[int] = set()
_handles = count(1000)


def gpus() -> int:
    """Return how many GPUs there are for this process."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return len(visible.split(",")) if visible is not None else int(os.environ.get("MLPERF_TEST_GPUS", "2"))


def current() -> int:
    """Return the GPU of this thread."""
    return getattr(_local, "device", 0)


def cudaGetDeviceCount() -> Any:
    if gpus() < 0:
        return cudaError_t.cudaErrorInsufficientDriver, None
    return OK, gpus()


def cudaDriverGetVersion() -> Any:
    return OK, 13000


def cudaGetDeviceProperties(device: int) -> Any:
    return OK, cudaDeviceProp(os.environ.get("MLPERF_TEST_GPU", "Stand-in GPU").encode(), 9, 0)


def cudaSetDevice(device: int) -> Any:
    if not 0 <= device < gpus():
        return (cudaError_t.cudaErrorInvalidDevice,)
    _local.device = device
    return (OK,)


def cudaMalloc(size: int) -> Any:
    if size > 1 << 34:
        return cudaError_t.cudaErrorMemoryAllocation, None
    memory = ctypes.create_string_buffer(size)
    allocated[ctypes.addressof(memory)] = memory, current()
    return OK, ctypes.addressof(memory)


def cudaFree(address: int) -> Any:
    return (OK if allocated.pop(address, None) is not None else BAD,)


def cudaPointerGetAttributes(address: int) -> Any:
    return OK, cudaPointerAttributes(allocated[address][1])


def cudaStreamCreate() -> Any:
    streams.add(stream := next(_handles))
    return OK, stream


def cudaStreamDestroy(stream: int) -> Any:
    streams.discard(stream)
    return (OK,)


def cudaStreamSynchronize(stream: int) -> Any:
    return (OK if stream in streams else BAD,)


def cudaMemcpyAsync(target: int, source: int, size: int, kind: Any, stream: int) -> Any:
    there = allocated.get(target if kind == cudaMemcpyKind.cudaMemcpyHostToDevice else source)
    if there is None or len(there[0]) < size or stream not in streams or there[1] != current():
        return (BAD,)
    ctypes.memmove(target, source, size)
    return (OK,)
