"""What a run of classification answered: a class for each picture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pytest_mlperf.datasets.imagenet import read_labels
from pytest_mlperf.datasets.imagenet_layout import read_images
from pytest_mlperf.explain.answered import Shown
from pytest_mlperf.explain.explanation import ClassChange
from pytest_mlperf.explain.pictures import scaled
from pytest_mlperf.metrics.outcomes import Right

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from pytest_mlperf.benchmarks.base import Benchmark
    from pytest_mlperf.explain.pictures import Gallery
    from pytest_mlperf.metrics.accuracy_log import Record
    from pytest_mlperf.metrics.outcomes import Outcomes


#: Of a picture without anything drawn on it.
_SIDE: Final = 200


@dataclass(frozen=True, eq=False)
class LabelAnswers:
    """Classes by picture.

    Attributes
    ----------
    dataset
        The data set's directory.
    samples, given, expected
        ``int64[n]``: the sample index of each picture, the class that was given, and its label.
    """

    dataset: Path
    samples: NDArray[np.int64]
    given: NDArray[np.int64]
    expected: NDArray[np.int64]

    def outcomes(self) -> Right:
        """Return which pictures are classified correctly."""
        return Right(self.samples, self.given == self.expected)

    def value(self) -> float:
        """Return the accuracy in percent."""
        return self.outcomes().value() if len(self.samples) else float("nan")

    def with_given(self, given: NDArray[np.int64]) -> LabelAnswers:
        """Return the same pictures with other answers."""
        return replace(self, given=given)

    def take(self, ids: Iterable[Any]) -> LabelAnswers:
        """Return the answers to some pictures."""
        rows = np.isin(self.samples, np.array(list(ids), np.int64))
        return LabelAnswers(self.dataset, self.samples[rows], self.given[rows], self.expected[rows])

    def indices(self) -> Sequence[int]:
        """Return the sample indices of the pictures."""
        found: list[int] = self.samples.tolist()
        return found

    def classes(self, now: Outcomes, before: Outcomes | None) -> Iterator[ClassChange]:
        """Yield the accuracy of each label in percent."""
        del now
        right = {} if before is None else dict(zip(before.ids.tolist(), getattr(before, "right", ()), strict=True))
        for label in np.unique(self.expected).tolist():
            rows = self.expected == label
            earlier = [right[sample] for sample in self.samples[rows].tolist() if sample in right]
            yield ClassChange(
                name=str(label),
                before=100.0 * float(np.mean(earlier)) if earlier else None,
                now=100.0 * float(np.mean(self.given[rows] == label)),
            )

    def show(self, sample: Any, gallery: Gallery) -> Shown:
        """Show a picture, its label and the class that was given."""
        from pytest_mlperf.datasets.images import load_image

        [row] = np.flatnonzero(self.samples == sample)
        name = read_images(self.dataset)[sample].name
        expected, given = int(self.expected[row]), int(self.given[row])
        gallery.add(
            scaled(load_image(self.dataset / name), side=_SIDE), f"{sample:06d}", f"expected {expected}, given {given}"
        )
        return Shown(sample, (("image", name), ("expected class", str(expected)), ("given class", str(given))))


def read_label_answers(benchmark: Benchmark, dataset: Path, records: Iterable[Record]) -> LabelAnswers:
    """Return the answers of a run; raises AccuracyLogError."""
    from pytest_mlperf.metrics.top_1 import read_classes

    metric: Any = benchmark.metric
    labels = np.array(read_labels(dataset), np.int64)
    found = list(read_classes(records, len(labels), metric.label_type))
    samples, given = np.array(found, np.int64).reshape(-1, 2).T
    return LabelAnswers(dataset, samples, given, labels[samples])
