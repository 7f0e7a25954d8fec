"""A benchmark: copy this file into your package, and change what a comment says you should.

It runs as it is, on the backend of backend.py. pyproject.toml of your package names it:

    [project.entry-points."pytest_mlperf.benchmarks"]
    mytask-tiny = "my_package.benchmark:TINY"

Then: pytest benchmarks --model mytask-tiny
"""

# numpy and other large packages are imported inside of functions: pytest imports this file to collect the cases.

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_mlperf.benchmarks.base import Benchmark, Graph, Limit, ModelFile, Records, Short, Tensor
from pytest_mlperf.errors import AccuracyLogError, DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from pytest_mlperf.artifacts.recipe import Recipe
    from pytest_mlperf.backends.base import Outputs
    from pytest_mlperf.metrics.accuracy_log import Record

FEATURES, CLASSES = 32, 10


# 1. The data set: where its files come from, and what a sample is.


@dataclass(frozen=True)
class PointsRecipe:
    """Makes the data set's files once; the cache keeps them."""

    count: int
    kind: str = "dataset"
    name: str = "mytask points"
    source: str = "generated"

    def key(self) -> Mapping[str, int]:
        """Return everything that determines the files. Raise the version when `build` changes."""
        return {"count": self.count, "version": 1}

    def build(self, directory: Path) -> None:
        """Fill an empty directory."""
        # Change this: write your files. For files that are downloaded see `artifacts.remote.FileRecipe` and
        # `benchmarks.base.Remote`; for files that only the user has, `benchmarks.base.MissingFile`.
        import numpy as np

        random = np.random.default_rng(0)
        labels = random.integers(0, CLASSES, self.count)
        points = _centers()[labels] + random.normal(0, 0.5, (self.count, FEATURES))
        np.save(directory / "points.npy", points.astype(np.float32))
        np.save(directory / "labels.npy", labels)


class Points:
    """The samples by index. It is indexed from several threads at once."""

    def __init__(self, points: NDArray[np.float32]) -> None:
        self._points = points

    def __len__(self) -> int:
        return len(self._points)

    def __getitem__(self, index: int) -> Mapping[str, NDArray[np.float32]]:
        # Change this: load one sample. Mappings of arrays of one shape are stacked into batches; for any other
        # kind of sample give your benchmark a method `collate`.
        return {"points": self._points[index]}


@dataclass(frozen=True)
class PointsDataset:
    """The data set."""

    name: str = "points"
    size: int = 1000  # samples in the whole
    requirements: tuple[str, ...] = ()  # what pip installs for reading it, beside numpy

    def source(self, count: int) -> Path | Recipe:
        """Say where a directory with at least `count` samples comes from."""
        return PointsRecipe(max(count, self.size))

    def open(self, directory: Path, count: int, variant: str) -> Points:
        """Open the first `count` samples."""
        del variant  # that of the model file: some forms of a model want other samples
        points = _load(directory / "points.npy")
        if len(points) < count:
            raise DatasetError(
                f"{directory} has too few samples",
                expected=f"{count:,}",
                found=f"{len(points):,}",
                fix="name another directory with --dataset-path, or fewer samples with --dataset-size",
            )
        return Points(points[:count])

    def used_files(self, directory: Path, count: int) -> Sequence[str]:
        """Name the files that the first `count` samples and their score are made of; their digest is recorded."""
        del directory, count
        return ("points.npy", "labels.npy")


# 2. The metric: from LoadGen's accuracy log to a value.


@dataclass(frozen=True)
class Top1:
    """The part of the samples whose class is right."""

    name: str = "acc"
    unit: str = "%"
    requirements: tuple[str, ...] = ()

    def score(self, answers: Iterable[Record], dataset: Path) -> Mapping[str, float]:
        """Compare each answer with the label. An answer is what `encode` made of a sample."""
        import numpy as np

        labels, right = _load(dataset / "labels.npy"), []
        for index, data in answers:
            if len(data) != np.dtype(np.int64).itemsize:
                raise AccuracyLogError(
                    f"the answer to sample {index} is no class",
                    expected="8 bytes, an int64",
                    found=f"{len(data)} bytes",
                    fix="check the benchmark's encode()",
                )
            right.append(np.frombuffer(data, np.int64)[0] == labels[index])
        return {self.name: 100.0 * float(np.mean(right)) if right else 0.0}

    def text(self, values: Mapping[str, float]) -> str:
        """Return accuracy.txt. For a benchmark of MLPerf: the line of its official script."""
        return f"accuracy={values[self.name]:.3f}%\n"


# 3. The model: a row for each file that there is. A backend takes the first whose format it loads.


@dataclass(frozen=True)
class CentersRecipe:
    """Makes the model's file. A file that ships with your package is a `Path` instead, in the row below."""

    kind: str = "model"
    name: str = "mytask"
    source: str = "generated"

    def key(self) -> Mapping[str, int]:
        """Return everything that determines the file."""
        return {"version": 1}

    def build(self, directory: Path) -> None:
        """Write one file."""
        import numpy as np

        # The nearest center has the largest x·c - c·c / 2.
        centers = _centers()
        np.savez(directory / "mytask.npz", matrix=centers.T, bias=-(centers**2).sum(1) / 2)


# Change this: names, types and shapes of the inputs and outputs. None is a length that the data decides.
GRAPH = Graph(
    inputs=(Tensor("points", "float32", (None, FEATURES)),),
    outputs=(Tensor("logits", "float32", (None, CLASSES)),),
)
# Change this: "onnx" runs on onnxruntime, with no backend of your own.
MODELS = (ModelFile("npz", "fp32", CentersRecipe(), (GRAPH,)),)


# 4. The task: what the metric must reach, and what the bytes of an answer are.


@dataclass(frozen=True, kw_only=True)
class MyTask(Benchmark):
    """Classification of points."""

    def limits(self, samples: int) -> Sequence[Limit]:
        """Return what the metric must reach on the first `samples` samples."""
        # Leave this method out for the official edition of a benchmark of MLPerf: the round has its limits.
        return (Limit("acc", minimum=99.0, samples=samples),)

    def encode(self, outputs: Outputs, samples: Sequence[Any], indices: Sequence[int]) -> Records:
        """Return a batch's answers as bytes: for a benchmark of MLPerf those of the reference implementation."""
        import numpy as np

        del samples, indices
        return Records.rows(outputs[0].argmax(1).astype(np.int64))

    # A task that calls its model several times for a batch (windows, token by token) has a method `answer`, too;
    # one whose samples differ in length has `collate` and `cost`. examples/three-tasks has one of each.


TINY = MyTask(
    edition="tiny",
    loadgen_model="mytask",  # the section of LoadGen's mlperf.conf; a name that is not there has LoadGen's defaults
    dataset=PointsDataset(),
    metric=Top1(),
    models=MODELS,
    official_name="",  # the name in MLPerf's rounds: "resnet", "bert-99"; empty for what MLPerf does not have
    short=Short(samples=200, seconds=0.5),
)


def _centers() -> NDArray[np.float32]:
    import numpy as np

    return np.random.default_rng(1).normal(0, 1, (CLASSES, FEATURES)).astype(np.float32)


def _load(path: Path) -> NDArray[Any]:
    import numpy as np

    try:
        array: NDArray[Any] = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DatasetError(
            f"cannot read {path}",
            expected="an array of numpy",
            found=str(error),
            fix="name the data set's directory with --dataset-path",
        ) from error
    return array
