"""Boxes found by a model, in arrays or in the accuracy log: those in some images at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from pytest_mlperf.errors import AccuracyLogError
from pytest_mlperf.metrics.accuracy_log import float32_rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from pytest_mlperf.datasets.coco import Annotations
    from pytest_mlperf.metrics.accuracy_log import Float32Records, Record

#: The precision in which boxes in pixels are computed.
Edges = Literal["float32", "float64"]
# One detection in the log: qsl_idx, ymin, xmin, ymax, xmax (each a fraction of the image), score, label.
_COLUMNS = 7
_FIX = "check the model's outputs and their order: qsl_idx, ymin, xmin, ymax, xmax, score, label"


class Found(Protocol):
    """Who has detections."""

    def of_images(self, image_ids: NDArray[np.int64]) -> Detections:
        """Return those in some images, by the images' ids, and in their order within an image.

        Parameters
        ----------
        image_ids
            ``int64[n]``: different ids.

        Raises
        ------
        AccuracyLogError
            The log has something else for one of these images.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """Boxes found by a model, by the ids of their images; those in an image are in the order of the log.

    Attributes
    ----------
    rows
        ``float64[n, 7]``, the columns that hotcoco expects: the image's id, left, top, width and height in pixels of
        the original image, score, the category's id.
    """

    rows: NDArray[np.float64]

    @classmethod
    def of(
        cls, image_ids: NDArray[Any], category_ids: NDArray[Any], xywh: NDArray[Any], scores: NDArray[Any]
    ) -> Detections:
        """Return the detections with these columns; ``xywh`` is of shape ``[n, 4]``, the others ``[n]``."""
        rows = np.column_stack((image_ids, xywh, scores, category_ids)).astype(np.float64, copy=False)
        return cls(rows[np.argsort(image_ids, kind="stable")])

    @property
    def image_ids(self) -> NDArray[np.int64]:
        """``int64[n]``: the images' ids in the annotation file."""
        return self.rows[:, 0].astype(np.int64)

    @property
    def xywh(self) -> NDArray[np.float64]:
        """``float64[n, 4]``: left, top, width, height."""
        return self.rows[:, 1:5]

    @property
    def scores(self) -> NDArray[np.float64]:
        """``float64[n]``."""
        return self.rows[:, 5]

    @property
    def category_ids(self) -> NDArray[np.int64]:
        """``int64[n]``: the categories' ids in the annotation file, if it has them."""
        return self.rows[:, 6].astype(np.int64)

    def __len__(self) -> int:
        return len(self.rows)

    def of_images(self, image_ids: NDArray[np.int64]) -> Detections:
        """See `Found`."""
        images = np.sort(image_ids)
        starts, ends = (np.searchsorted(self.rows[:, 0], images, side).tolist() for side in ("left", "right"))
        parts = [self.rows[start:end] for start, end in zip(starts, ends, strict=True)]
        return Detections(np.concatenate([self.rows[:0], *parts]))

    def of_categories(self, category_ids: tuple[int, ...]) -> Detections:
        """Return the detections of some categories."""
        known = np.isin(self.category_ids, category_ids)
        return self if known.all() else Detections(self.rows[known])


@dataclass(frozen=True, slots=True, eq=False)
class LoggedDetections:
    """The detections of an accuracy log; their boxes in pixels, twice as large, are made when they are asked for.

    Attributes
    ----------
    records
        The log's rows.
    images
        ``int64[records, 3]``: the id, width and height of the image of each record.
    edges
        The precision of boxes in pixels.
    """

    records: Float32Records
    images: NDArray[np.int64]
    edges: Edges = "float64"

    @property
    def image_ids(self) -> NDArray[np.int64]:
        """``int64[records]``: the ids of the answered images, in the order of the log."""
        return self.images[:, 0]

    def __len__(self) -> int:
        return len(self.records.values)

    def of_images(self, image_ids: NDArray[np.int64]) -> Detections:
        """See `Found`."""
        part = np.flatnonzero(np.isin(self.image_ids, image_ids))
        part = part[np.argsort(self.image_ids[part])]
        offsets, values = self.records.offsets, self.records.values
        found = np.concatenate([values[:0], *(values[offsets[n] : offsets[n + 1]] for n in part.tolist())])
        counts = np.diff(offsets)[part]
        _check(found, np.repeat(self.records.qsl_idx[part], counts))
        return Detections(_in_pixels(found, np.repeat(self.images[part], counts, axis=0), self.edges))


def read_detections(answers: Iterable[Record], truth: Annotations, edges: Edges = "float64") -> LoggedDetections:
    """Read the answers to some images.

    Raises
    ------
    AccuracyLogError
        An answer is no whole number of rows, or one to no image of the annotation file.
    """
    records = float32_rows(answers, _COLUMNS)
    last = int(records.qsl_idx.max())
    if last >= len(truth.images):
        raise AccuracyLogError(
            f"the accuracy log answers sample {last}",
            expected=f"samples 0 to {len(truth.images) - 1}, the images of {truth.path}",
            found=f"sample {last}",
            fix="score the log with the annotation file of its run",
        )
    images = [truth.images[index] for index in records.qsl_idx.tolist()]
    sizes = np.array([(image.id, image.width, image.height) for image in images], np.int64)
    return LoggedDetections(records, sizes, edges)


def _check(values: NDArray[np.float32], samples: NDArray[np.int64]) -> None:
    """Raise if rows of the log are not detections of these samples, of which there is one for each row."""
    finite = np.isfinite(values)
    if not finite.all():
        first = int(np.argmin(finite.all(axis=1)))
        raise AccuracyLogError(
            f"a detection of sample {samples[first]} is not a box",
            expected="finite numbers",
            found=f"{values[first].tolist()}",
            fix=_FIX,
        )
    same = values[:, 0] == samples
    if not same.all():
        first = int(np.argmin(same))
        raise AccuracyLogError(
            f"the answer to sample {samples[first]} has a detection of another sample",
            expected=f"{samples[first]} as its first value",
            found=f"{values[first].tolist()}",
            fix=_FIX,
        )


def _in_pixels(values: NDArray[np.float32], images: NDArray[np.int64], edges: Edges) -> NDArray[np.float64]:
    """Return rows of the log, each with its image's id, width and height, as the `rows` of `Detections`."""
    width, height = images[:, 1:].T.astype(edges)
    top, left, bottom, right = values[:, 1:5].T
    rows = np.empty((len(values), _COLUMNS), np.float64)
    rows[:, 0] = images[:, 0]
    rows[:, 1], rows[:, 2] = x, y = left * width, top * height
    rows[:, 3], rows[:, 4] = right * width - x, bottom * height - y
    rows[:, 5] = values[:, 5]
    # Towards zero, as int() does; clipped, because no category is too large for an int64.
    rows[:, 6] = np.trunc(values[:, 6].clip(-1, 2**62))
    return rows
