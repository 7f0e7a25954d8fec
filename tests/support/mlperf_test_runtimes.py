"""Runtimes that fail in every way, one that is slow and one that does nothing, as another package would add them."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pytest_mlperf.benchmarks.base import (
    Benchmark,
    Contract,
    Metric,
    Records,
    Samples,
    Score,
    Tensor,
)

Inputs = Mapping[str, NDArray[Any]]
Outputs = Sequence[NDArray[Any]]


class NullSamples:
    """Samples of one number: their own index."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def load(self, index: int) -> Inputs:
        return {"x": np.full(1, index, np.float32)}


@dataclass(frozen=True)
class NullBenchmark(Benchmark):
    """Answers each sample with its own index; the metric is the part of the samples answered."""

    @property
    def metric(self) -> Metric:
        return Metric("answered", "%", reference=100.0, tolerance=0.99)

    def find_model(self, model_format: str, named: Path | None) -> Path:
        return named or Path(__file__)

    def find_dataset(self, named: Path | None, count: int) -> Path:
        return named or Path(__file__).parent

    def open_samples(self, dataset: Path, count: int) -> Samples:
        return NullSamples(count)

    def encode(self, outputs: Outputs, indices: Sequence[int]) -> Records:
        return Records(outputs[0].view(np.uint8).reshape(-1), range(0, 4 * len(indices) + 1, 4))

    def score(self, accuracy_log: Path, dataset: Path, scorer: str) -> Score:
        from pytest_mlperf.accuracy.log import read_float32

        records = read_float32(accuracy_log, columns=1)
        seen = set(records.qsl_idx.tolist())
        right = sum(index == value for index, value in zip(records.qsl_idx.tolist(), records.values[:, 0], strict=True))
        return Score(100.0 * float(right) / len(seen), len(seen), {})


NULL = NullBenchmark(
    name="null",
    edition="tiny",
    loadgen_model="null",
    scenarios=("Offline", "Server", "SingleStream", "MultiStream"),
    model_formats=("none",),
    contract=Contract((Tensor("x", "float32", (None, 1)),), (Tensor("y", "float32", (None, 1)),)),
    dataset_size=1000,
)


class Runtime:
    """What all of them share: any file is a model, one session serves all threads."""

    name: ClassVar[str] = ""
    devices: ClassVar[tuple[str, ...]] = ("cpu",)
    requirement: ClassVar[str] = "numpy>=1.26"
    model_format: ClassVar[str] = "none"
    concurrent: ClassVar[bool] = True

    def __init_subclass__(cls) -> None:
        cls.name = cls.__name__.lower()

    def load(self, model: Path, contract: Contract, device: str, threads: int) -> NullSession:
        return NullSession(self.run, self.max_batch)

    max_batch: ClassVar[int | None] = 1

    def run(self, inputs: Inputs) -> Outputs:
        return (inputs["x"],)

    def versions(self) -> Mapping[str, str]:
        return {"numpy": np.__version__}


@dataclass
class NullSession:
    """Runs a function."""

    function: Any
    max_batch: int | None
    device: str = "cpu"

    def run(self, inputs: Inputs) -> Outputs:
        result: Outputs = self.function(inputs)
        return result


class Null(Runtime):
    """Returns its input, in batches of any size."""

    max_batch: ClassVar[int | None] = None


class Slow(Runtime):
    """Takes 5 ms a sample, sleeping."""

    def run(self, inputs: Inputs) -> Outputs:
        time.sleep(0.005)
        return (inputs["x"],)


class LateFault(Runtime):
    """Works for 20 inferences, then fails."""

    def __init__(self) -> None:
        self._calls = 0

    def run(self, inputs: Inputs) -> Outputs:
        self._calls += 1
        if self._calls > 20:
            self.fail()
        return (inputs["x"],)

    def fail(self) -> None:
        raise NotImplementedError


class Raises(LateFault):
    """A failed inference."""

    def fail(self) -> None:
        raise RuntimeError("the 21st inference failed")


class Aborts(LateFault):
    """A runtime that aborts the process."""

    def fail(self) -> None:
        os.write(2, b"runtime: internal invariant violated\n")
        os.abort()


class Segfaults(LateFault):
    """A runtime that reads where it must not."""

    def fail(self) -> None:
        ctypes.string_at(0)


class Hangs(LateFault):
    """An inference that never returns."""

    def fail(self) -> None:
        threading.Event().wait()


class Stalls(Hangs):
    """A hang beside a process of the runtime's own."""

    def fail(self) -> None:
        subprocess.Popen(["sleep", "3600.125"])
        super().fail()


class Killed(LateFault):
    """What the kernel does when memory ends."""

    def fail(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class Exits(LateFault):
    """A runtime that leaves the process as if all were well."""

    def fail(self) -> None:
        sys.exit(0)


class Starves(LateFault):
    """An allocation that cannot be met."""

    def fail(self) -> None:
        np.empty(1 << 60, np.uint8)


class Malformed(Runtime):
    """A detector whose outputs do not belong together."""

    model_format: ClassVar[str] = "onnx"

    def run(self, inputs: Inputs) -> Outputs:
        return np.zeros((3, 4), np.float32), np.zeros(2, np.int64), np.full(3, 0.5, np.float32)


class Elsewhere(Runtime):
    """Is asked for cuda and works on the cpu."""

    devices: ClassVar[tuple[str, ...]] = ("cpu", "cuda")
