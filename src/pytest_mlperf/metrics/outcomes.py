"""What a metric says of each sample, so that two runs can be compared on the same samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from pytest_mlperf.metrics.average_precision import Matches

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from pytest_mlperf.metrics.accuracy_log import Record


@dataclass(frozen=True, eq=False)
class Right:
    """Of a metric that counts what is right: which samples are.

    Attributes
    ----------
    ids
        ``[n]``, the samples, by what names them in the data set.
    right
        ``bool[n]``.
    """

    ids: NDArray[Any]
    right: NDArray[np.bool_]

    def value(self) -> float:
        """Return the metric, in percent."""
        return 100.0 * float(self.right.mean())

    def take(self, rows: NDArray[np.int64]) -> Right:
        """Return some of the samples."""
        return Right(self.ids[rows], self.right[rows])


@dataclass(frozen=True, eq=False)
class Scores:
    """Of a metric that is a mean: the score of each sample.

    Attributes
    ----------
    ids
        ``[n]``, the samples or questions.
    scores
        ``float64[n]``, in the metric's unit.
    """

    ids: NDArray[Any]
    scores: NDArray[np.float64]

    def value(self) -> float:
        """Return the metric."""
        return float(self.scores.mean())

    def take(self, rows: NDArray[np.int64]) -> Scores:
        """Return some of the samples."""
        return Scores(self.ids[rows], self.scores[rows])


@dataclass(frozen=True, eq=False)
class Errors:
    """Of a metric that is one minus a rate of errors: the errors in each sample, and how many there could be.

    Attributes
    ----------
    ids
        ``[n]``, the samples.
    errors, words
        ``int64[n]``.
    """

    ids: NDArray[Any]
    errors: NDArray[np.int64]
    words: NDArray[np.int64]

    def value(self) -> float:
        """Return the metric, in percent."""
        return 100.0 * (1.0 - float(self.errors.sum()) / float(self.words.sum()))

    def take(self, rows: NDArray[np.int64]) -> Errors:
        """Return some of the samples."""
        return Errors(self.ids[rows], self.errors[rows], self.words[rows])


Outcomes = Right | Scores | Errors | Matches


@runtime_checkable
class GivesOutcomes(Protocol):
    """A metric that says what it is made of."""

    def outcomes(self, answers: Iterable[Record], dataset: Path) -> Outcomes:
        """Return the outcome of each sample; its `value` is the metric. It raises what `score` raises."""
        ...


def paired(first: Outcomes, second: Outcomes) -> tuple[Outcomes, Outcomes]:
    """Return two runs' outcomes of the samples that both have, in the same order.

    Raises
    ------
    TypeError
        They are of different metrics.
    """
    if type(first) is not type(second):
        raise TypeError(f"{type(first).__name__} cannot be compared with {type(second).__name__}")
    _, ours, theirs = np.intersect1d(first.ids, second.ids, assume_unique=True, return_indices=True)
    order = np.argsort(ours)  # the first run's
    return first.take(ours[order]), second.take(theirs[order])


def text_ids(names: Sequence[str]) -> NDArray[np.str_]:
    """Return the names of samples as an array."""
    return np.array(names, dtype=np.str_)
