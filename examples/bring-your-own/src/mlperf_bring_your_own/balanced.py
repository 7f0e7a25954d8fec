"""The tiny ResNet-50 on a data set and with a metric of one's own: both are subclasses of what is there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from pytest_mlperf.benchmarks.base import Limit
from pytest_mlperf.benchmarks.resnet50 import TINY, ResNet50
from pytest_mlperf.datasets.base import Samples
from pytest_mlperf.datasets.classification import DigitPictures
from pytest_mlperf.datasets.imagenet import read_labels
from pytest_mlperf.metrics.accuracy_log import Record
from pytest_mlperf.metrics.top_1 import Top1


class Dimmed:
    """Pictures with less contrast, as a camera in the evening sees them."""

    def __init__(self, pictures: Samples) -> None:
        self._pictures = pictures

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, index: int) -> Mapping[str, np.ndarray]:
        return {name: value * np.float32(0.7) for name, value in self._pictures[index].items()}


@dataclass(frozen=True)
class EveningPictures(DigitPictures):
    """The same files as those of the tiny ResNet-50, read another way."""

    def open(self, directory: Path, count: int, variant: str) -> Dimmed:
        return Dimmed(super().open(directory, count, variant))


@dataclass(frozen=True)
class BalancedAccuracy(Top1):
    """The mean of the classes' accuracies: a rare class counts as much as a frequent one."""

    name: str = "balanced"

    def score(self, answers: Iterable[Record], dataset: Path) -> Mapping[str, float]:
        by_class: dict[int, list[Record]] = {}
        labels = read_labels(dataset)
        for record in answers:
            by_class.setdefault(labels[record.qsl_idx], []).append(record)
        scores = [super(BalancedAccuracy, self).score(records, dataset) for records in by_class.values()]
        good, total = (sum(score[name] for score in scores) for name in ("good", "total"))
        return {self.name: float(np.mean([score["acc"] for score in scores])), "good": good, "total": total}


@dataclass(frozen=True, kw_only=True)
class Balanced(ResNet50):
    """Classification as in the tiny ResNet-50; the reference is what its model reaches in float32."""

    def limits(self, samples: int) -> Sequence[Limit]:
        return (Limit("balanced", minimum=90.0, reference=97.23, samples=samples),)

    def reference_data(self, samples: int) -> None:
        """Hold the limit against any pictures."""


_ours = {
    "official_name": "",  # no round of MLPerf has it
    "dataset": EveningPictures("evening pictures", 48, size=300),
    "metric": BalancedAccuracy(),
}
BALANCED = Balanced(**{field.name: _ours.get(field.name, getattr(TINY, field.name)) for field in fields(TINY)})
