"""What a metric is made of, by class and by sample: confusion, precision at each recall, the spread of scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from pytest_mlperf.metrics.average_precision import THRESHOLDS, precision_at_recalls

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from pytest_mlperf.metrics.accuracy_log import Record
    from pytest_mlperf.metrics.average_precision import Matches


@dataclass(frozen=True, eq=False)
class Classified:
    """Of a metric that counts right classes: ``int64[n]`` each, the label of each sample and the class it was given."""

    label: NDArray[np.int64]
    answer: NDArray[np.int64]


@runtime_checkable
class GivesClasses(Protocol):
    """A metric of classes."""

    def classified(self, answers: Iterable[Record], dataset: Path) -> Classified:
        """Return the labels and the answers. It raises what `score` raises."""
        ...


@runtime_checkable
class GivesNamedMatches(Protocol):
    """A metric of boxes that knows what its categories are called."""

    def named_matches(self, answers: Iterable[Record], dataset: Path) -> tuple[Matches, tuple[str, ...]]:
        """Return the matches, and the name of each category by its number. It raises what `score` raises."""
        ...


@dataclass(frozen=True, eq=False)
class Confusion:
    """How often samples of a class were given which class.

    Attributes
    ----------
    labels, answers
        ``int64[r]``, ``int64[c]``: the classes of the rows and the columns, each sorted.
    counts
        ``int64[r, c]``.
    """

    labels: NDArray[np.int64]
    answers: NDArray[np.int64]
    counts: NDArray[np.int64]

    def most_confused(self, most: int) -> list[tuple[int, int, int]]:
        """Return label, answer and count of the most frequent wrong answers, the most frequent first."""
        wrong = np.where(self.labels[:, None] == self.answers[None], 0, self.counts)
        order = np.argsort(-wrong, axis=None, kind="stable")[:most]
        rows, columns = np.unravel_index(order, wrong.shape)
        return [
            (int(self.labels[row]), int(self.answers[column]), int(wrong[row, column]))
            for row, column in zip(rows, columns, strict=True)
            if wrong[row, column]
        ]


def confusion(classified: Classified) -> Confusion:
    """Return the confusion of the classes that are labels or answers."""
    labels, row = np.unique(classified.label, return_inverse=True)
    answers, column = np.unique(classified.answer, return_inverse=True)
    counts = np.bincount(row * len(answers) + column, minlength=len(labels) * len(answers))
    return Confusion(labels, answers, counts.reshape(len(labels), len(answers)).astype(np.int64))


@dataclass(frozen=True, eq=False)
class ClassCurve:
    """Precision and recall of one category.

    Attributes
    ----------
    name, objects, detections
        Its name, how many objects there are of it, and how many detections.
    precision
        ``float64[10, 101]``: at each threshold of the IoU and each recall of `RECALLS`, the best precision that is
        reached there or beyond.
    """

    name: str
    objects: int
    detections: int
    precision: NDArray[np.float64]

    @property
    def ap(self) -> float:
        """The mean over thresholds and recalls, a fraction: COCO's AP of the category."""
        return float(self.precision.mean())

    def at(self, iou: float) -> NDArray[np.float64]:
        """Return ``float64[101]``, the precision at one of `THRESHOLDS`."""
        return np.asarray(self.precision[int(np.argmin(np.abs(THRESHOLDS - iou)))])


def class_curves(matches: Matches, names: Sequence[str]) -> list[ClassCurve]:
    """Return the curves of the categories that have objects; the mean of their `ap` is the metric."""
    objects = matches.objects.sum(axis=0)
    curves = []
    for category in np.flatnonzero(objects).tolist():
        rows = np.flatnonzero(matches.category == category)
        rows = rows[np.argsort(-matches.score[rows], kind="mergesort")]
        count = int(objects[category])
        precision = precision_at_recalls(matches.matched[rows], matches.ignored[rows], count)
        curves.append(ClassCurve(names[category], count, len(rows), precision))
    return curves


def histogram(values: NDArray[np.float64], bins: int = 20) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the edges of equal bins over all values, ``float64[bins + 1]``, and how many values are in each."""
    counts, edges = np.histogram(values, bins)
    return edges, counts.astype(np.int64)
