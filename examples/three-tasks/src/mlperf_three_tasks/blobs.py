"""Noisy volumes of different shapes, each with a blob: a window slides over each, and its answers are averaged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_mlperf.backends.base import Model
from pytest_mlperf.benchmarks.base import Benchmark, FirstToken, Graph, Limit, ModelFile, Records, Short, Tensor
from pytest_mlperf.metrics.accuracy_log import Record

from mlperf_three_tasks.files import MODELS, NO_FILES

WINDOW = 8
STEP = 4
#: Windows in one call of the model.
BATCH = 16


def volume(index: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return a volume and where its blob is; sides are multiples of the step."""
    random = np.random.default_rng(index)
    shape = tuple(STEP * random.integers(3, 6, 3))
    center, radius = [random.uniform(4, side - 4) for side in shape], random.uniform(2.5, 4.5)
    grid = np.indices(shape)
    distance = np.sqrt(sum((axis - place) ** 2 for axis, place in zip(grid, center, strict=True)))
    blob = distance < radius
    return (blob + random.normal(0, 0.3, shape)).astype(np.float32), blob


class Volumes:
    """Volumes by index."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> NDArray[np.float32]:
        return volume(index)[0]


@dataclass(frozen=True)
class NoisyVolumes:
    """The data set."""

    name: str = "volumes"
    size: int = 60
    requirements: tuple[str, ...] = ()

    def source(self, count: int) -> Path:
        """Return a directory; nothing is read from it."""
        del count
        return NO_FILES

    def open(self, directory: Path, count: int, variant: str) -> Volumes:
        """Return the first `count` volumes."""
        del directory, variant
        return Volumes(count)


@dataclass(frozen=True)
class Dice:
    """The mean Dice coefficient, and the worst: a metric may have several values, each with its limits."""

    name: str = "DICE"
    unit: str = ""
    requirements: tuple[str, ...] = ()

    def score(self, answers: Iterable[Record], dataset: Path) -> Mapping[str, float]:
        """Compare each answer, a uint8 mask, with the blob."""
        del dataset
        scores = []
        for index, data in answers:
            truth = volume(index)[1]
            found = np.frombuffer(data, np.uint8).reshape(truth.shape) > 0
            scores.append(2 * np.count_nonzero(found & truth) / (np.count_nonzero(found) + np.count_nonzero(truth)))
        return {self.name: float(np.mean(scores)), "worst": float(np.min(scores)), "spread": float(np.std(scores))}

    def text(self, values: Mapping[str, float]) -> str:
        """Return accuracy.txt."""
        return f"Accuracy: mean = {values[self.name]:.5f}, worst = {values['worst']:.5f}\n"


@dataclass(frozen=True, kw_only=True)
class Blobs(Benchmark):
    """A task whose samples are answered window by window."""

    def limits(self, samples: int) -> Sequence[Limit]:
        """Ask for a mean from below, and for the spread from above."""
        return (Limit("DICE", minimum=0.7, samples=samples), Limit("spread", maximum=0.2, samples=samples))

    def answer(
        self, model: Model, samples: Sequence[NDArray[np.float32]], indices: Sequence[int], first: FirstToken
    ) -> Records:
        """Return a mask a volume, uint8 of the volume's shape."""
        del indices, first
        return Records.ragged([_mask(model, sample) for sample in samples])


def _mask(model: Model, sample: NDArray[np.float32]) -> NDArray[np.uint8]:
    total, times = np.zeros_like(sample), np.zeros_like(sample)
    starts = product(*(range(0, side - WINDOW + 1, STEP) for side in sample.shape))
    places = [tuple(slice(start, start + WINDOW) for start in corner) for corner in starts]
    for n in range(0, len(places), BATCH):
        some = places[n : n + BATCH]
        [said] = model.run({"windows": np.stack([sample[place] for place in some])[:, np.newaxis]})
        for place, window in zip(some, said[:, 0], strict=True):
            total[place] += window
            times[place] += 1
    mask: NDArray[Any] = total / times > 0
    return mask.astype(np.uint8)


SHAPE = (None, 1, WINDOW, WINDOW, WINDOW)
GRAPH = Graph((Tensor("windows", "float32", SHAPE),), (Tensor("said", "float32", SHAPE),))

BLOBS = Blobs(
    edition="tiny",
    loadgen_model="blobs",
    dataset=NoisyVolumes(),
    metric=Dice(),
    models=(
        ModelFile("onnx", "fp32", MODELS / "blobs.onnx", (GRAPH,)),
        ModelFile("npz", "fp32", MODELS / "blobs.npz", (GRAPH,)),
    ),
    short=Short(samples=20, seconds=0.5, rehearsal=2),
)
