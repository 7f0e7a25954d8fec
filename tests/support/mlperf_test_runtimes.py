"""Runtimes that fail in every way, one that is slow and one that does nothing, as another package would add them."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

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

if TYPE_CHECKING:
    from pytest_mlperf.artifacts.recipe import Recipe

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

    def metric(self, samples: int) -> Metric:
        return Metric("answered", "%", reference=100.0, tolerance=0.99, samples=samples)

    def find_model(self, model_format: str, named: Path | None) -> Path:
        return named or Path(__file__)

    def find_dataset(self, named: Path | None, count: int) -> Path | Recipe:
        return named or Path(__file__).parent

    def open_samples(self, dataset: Path, count: int) -> Samples:
        return NullSamples(count)

    def encode(self, outputs: Outputs, indices: Sequence[int]) -> Records:
        return Records(outputs[0].view(np.uint8).reshape(-1), range(0, 4 * len(indices) + 1, 4))

    def score(self, accuracy_log: Path, dataset: Path, scorer: str) -> Score:
        from pytest_mlperf.metrics.accuracy_log import read_float32

        records = read_float32(accuracy_log, columns=1)
        seen = set(records.qsl_idx.tolist())
        right = sum(index == value for index, value in zip(records.qsl_idx.tolist(), records.values[:, 0], strict=True))
        return Score(100.0 * float(right) / len(seen), len(seen), {})


@dataclass(frozen=True)
class TallyRecipe:
    """A data set that takes a moment to build, and writes down each build in the file $MLPERF_TEST_TALLY."""

    kind: str = "dataset"
    name: str = "tallied"
    source: str = "made by the test"

    def key(self) -> dict[str, str | int]:
        return {}

    def build(self, directory: Path) -> None:
        with Path(os.environ["MLPERF_TEST_TALLY"]).open("a") as tally:
            tally.write(f"{os.getpid()}\n")
        time.sleep(0.5)
        (directory / "samples").touch()


class TallyBenchmark(NullBenchmark):
    """As null, with a data set that has to be built."""

    def find_dataset(self, named: Path | None, count: int) -> Path | Recipe:
        return TallyRecipe()


NULL = NullBenchmark(
    name="null",
    edition="tiny",
    loadgen_model="null",
    scenarios=("Offline", "Server", "SingleStream", "MultiStream"),
    model_formats=("none",),
    contract=Contract((Tensor("x", "float32", (None, 1)),), (Tensor("y", "float32", (None, 1)),)),
    dataset_size=1000,
)
TALLY = TallyBenchmark(**{**vars(NULL), "name": "tally", "model_formats": ("tally",)})


class Runtime:
    """What all of them share: any file is a model, one session serves all threads."""

    name: ClassVar[str] = ""
    devices: ClassVar[tuple[str, ...]] = ("cpu",)
    requirements: ClassVar[tuple[str, ...]] = ("numpy>=1.26",)
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


class Tally(Null):
    """As null, for the benchmark tally alone."""

    model_format: ClassVar[str] = "tally"


class NeedsSix(Null):
    """Needs a package that this project's environment does not have."""

    requirements: ClassVar[tuple[str, ...]] = ("six>=1.16",)

    def run(self, inputs: Inputs) -> Outputs:
        import six  # type: ignore[import-untyped, unused-ignore]

        return (inputs["x"],) if six.PY3 else ()


class OldNumpy(Null):
    """Needs a numpy that does not go with that of this project's environment."""

    requirements: ClassVar[tuple[str, ...]] = ("numpy<2",)


class Slow(Runtime):
    """Takes 5 ms a sample, sleeping."""

    def run(self, inputs: Inputs) -> Outputs:
        time.sleep(0.005)
        return (inputs["x"],)


class Meets(Runtime):
    """Infers when two processes have come to the directory $MLPERF_TEST_MEETING, not before."""

    def __init__(self) -> None:
        self._place = Path(os.environ["MLPERF_TEST_MEETING"])

    def run(self, inputs: Inputs) -> Outputs:
        (self._place / str(os.getpid())).touch()
        while len(list(self._place.iterdir())) < 2:
            time.sleep(0.01)
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


class Forks(LateFault):
    """Dies, and a process that it forked lives on with every descriptor."""

    def fail(self) -> None:
        if os.fork() == 0:
            time.sleep(3600.125)
        os.kill(os.getpid(), signal.SIGKILL)


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


CLASSIFIER = NullBenchmark(
    **{
        **vars(NULL),
        "name": "classifier-tiny",
        "loadgen_model": "resnet50",
        "model_formats": ("classifier",),
        "official_name": "resnet",
    }
)


class ClosedBenchmark(NullBenchmark):
    """As classifier-tiny, under an official name and edition, with the accuracy line of its reference."""

    accuracy_line: ClassVar[str] = "accuracy={value:.3f}%"


CLOSED = ClosedBenchmark(**{**vars(CLASSIFIER), "name": "resnet50", "edition": "official", "dataset_size": 50_000})


class Honest(Runtime):
    """Takes 2 ms a sample, sleeping; for the benchmark classifier-tiny, which a round knows."""

    model_format: ClassVar[str] = "classifier"

    def run(self, inputs: Inputs) -> Outputs:
        time.sleep(0.002)
        return (inputs["x"],)


class Remembers(Honest):
    """As honest, but the sample that came before costs nothing."""

    def __init__(self) -> None:
        self._last: bytes | None = None

    def run(self, inputs: Inputs) -> Outputs:
        if (sample := inputs["x"].tobytes()) == self._last:
            return (inputs["x"],)
        self._last = sample
        return super().run(inputs)


class Pretends(Honest):
    """Answers as it should when accuracy is looked at, and anything when time is."""

    def __init__(self) -> None:
        self._wrong = json.loads(Path("run.json").read_text())["mode"] == "performance"

    def run(self, inputs: Inputs) -> Outputs:
        [answer] = super().run(inputs)
        return (answer + 1 if self._wrong else answer,)


class Varies(Honest):
    """Answers with other bytes in performance mode, which mean the same: minus nought for nought."""

    def __init__(self) -> None:
        self._sign = -1 if json.loads(Path("run.json").read_text())["mode"] == "performance" else 1

    def run(self, inputs: Inputs) -> Outputs:
        [answer] = super().run(inputs)
        return (np.where(answer == 0, self._sign * answer, answer),)
