"""COCO's evaluation of boxes, computed by hotcoco or pycocotools."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pytest_mlperf.datasets.coco import Annotations, Boxes
from pytest_mlperf.errors import AccuracyLogError
from pytest_mlperf.metrics.accuracy_log import float32_rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from pytest_mlperf.metrics.accuracy_log import Record

#: The precision in which boxes in pixels are computed.
Edges = Literal["float32", "float64"]
# One detection in the log: qsl_idx, ymin, xmin, ymax, xmax (each a fraction of the image), score, label.
_COLUMNS = 7
_BATCH_IMAGES = 500
_FIX = "check the model's outputs and their order: qsl_idx, ymin, xmin, ymax, xmax, score, label"


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """Boxes found by a model, in the order of the log.

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
        return cls(np.column_stack((image_ids, xywh, scores, category_ids)).astype(np.float64, copy=False))

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

    def at(self, places: NDArray[np.int64]) -> Detections:
        """Return some of the detections."""
        return Detections(self.rows[places])

    def of_categories(self, category_ids: tuple[int, ...]) -> Detections:
        """Return the detections of some categories."""
        known = np.isin(self.category_ids, category_ids)
        return self if known.all() else Detections(self.rows[known])


def coco_stats(
    truth: Annotations, image_ids: NDArray[np.int64], detections: Detections, scorer: str
) -> tuple[float, ...]:
    """Compute COCO's twelve figures for some of the images.

    Parameters
    ----------
    truth
        The annotated boxes.
    image_ids
        ``int64[m]``: the images to evaluate.
    detections
        Boxes found in these images; those of a category that the annotation file does not have are ignored.
    scorer
        The library to use.

    Returns
    -------
    tuple of float
        COCO's figures as fractions, in the order of COCOeval.stats; -1 where the images have no such object.
    """
    boxes = truth.boxes.take(np.flatnonzero(np.isin(truth.boxes.image_ids, image_ids)))
    evaluate = _with_hotcoco if scorer == "hotcoco" else _with_pycocotools
    return evaluate(image_ids, truth.category_ids, boxes, detections)


def read_detections(
    answers: Iterable[Record], truth: Annotations, edges: Edges = "float64"
) -> tuple[NDArray[np.int64], Detections]:
    """Return the answered images, and their detections in pixels, computed in the precision of `edges`."""
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
    rows = np.empty((len(records.values), _COLUMNS), np.float64)
    for start in range(0, len(images), _BATCH_IMAGES):  # a part at a time: all at once, memory would set the pace
        part = slice(start, start + _BATCH_IMAGES)
        offsets = records.offsets[start : start + _BATCH_IMAGES + 1]
        at, counts = slice(offsets[0], offsets[-1]), np.diff(offsets)
        _check(records.values[at], np.repeat(records.qsl_idx[part], counts))
        _to_pixels(records.values[at], np.repeat(sizes[part], counts, axis=0), edges, rows[at])
    return sizes[:, 0], Detections(rows)


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


def _to_pixels(values: NDArray[np.float32], sizes: NDArray[np.int64], edges: Edges, rows: NDArray[np.float64]) -> None:
    """Write rows of the log, each with its image's id, width and height, as the `rows` of `Detections`."""
    width, height = sizes[:, 1:].T.astype(edges)
    top, left, bottom, right = values[:, 1:5].T
    rows[:, 0] = sizes[:, 0]
    rows[:, 1], rows[:, 2] = x, y = left * width, top * height
    rows[:, 3], rows[:, 4] = right * width - x, bottom * height - y
    rows[:, 5] = values[:, 5]
    # Towards zero, as int() does; clipped, because no category is too large for an int64.
    rows[:, 6] = np.trunc(values[:, 6].clip(-1, 2**62))


def _with_hotcoco(
    image_ids: NDArray[np.int64], category_ids: tuple[int, ...], boxes: Boxes, detections: Detections
) -> tuple[float, ...]:
    import hotcoco

    categories = [{"id": category, "name": str(category)} for category in category_ids]
    # Matching some images at a time takes a third of the memory of matching all at once.
    streaming = hotcoco.StreamingEval(categories, iou_type="bbox")
    images = np.sort(image_ids)
    truth = _Grouped(boxes.image_ids, images)
    found = _Grouped(detections.image_ids, images)
    for start in range(0, len(images), _BATCH_IMAGES):
        stop = min(start + _BATCH_IMAGES, len(images))
        rows = detections.at(found.between(start, stop)).of_categories(category_ids).rows
        batch = [{"id": image} for image in images[start:stop].tolist()]
        streaming.update(batch, _to_dicts(boxes.take(truth.between(start, stop))), rows)
    evaluation = streaming.finalize()
    evaluation.accumulate()
    evaluation.summary_lines()  # fills stats as summarize() does, but prints nothing
    return tuple(float(value) for value in evaluation.stats)


class _Grouped:
    """The rows of each image, in their order."""

    def __init__(self, of_row: NDArray[np.int64], images: NDArray[np.int64]) -> None:
        self._order = np.argsort(of_row, kind="stable")
        self._starts = np.append(np.searchsorted(of_row, images, sorter=self._order), len(of_row))

    def between(self, start: int, stop: int) -> NDArray[np.int64]:
        return self._order[self._starts[start] : self._starts[stop]]


def _with_pycocotools(
    image_ids: NDArray[np.int64], category_ids: tuple[int, ...], boxes: Boxes, detections: Detections
) -> tuple[float, ...]:
    from pycocotools.cocoeval import COCOeval

    detections = detections.of_categories(category_ids)
    found = Boxes(
        ids=np.arange(len(detections)),
        image_ids=detections.image_ids,
        category_ids=detections.category_ids,
        xywh=detections.xywh,
        area=detections.xywh[:, 2] * detections.xywh[:, 3],
        iscrowd=np.zeros(len(detections), np.int64),
    )
    with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress and its table
        truth = _to_pycocotools(image_ids, category_ids, boxes)
        results = _to_pycocotools(image_ids, category_ids, found)
        # Not loadRes(): it fails without detections, and adds a polygon to each.
        for annotation, value in zip(results.dataset["annotations"], detections.scores.tolist(), strict=True):
            annotation["score"] = value
        evaluation = COCOeval(truth, results, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return tuple(float(value) for value in evaluation.stats)


def _to_pycocotools(image_ids: NDArray[np.int64], category_ids: tuple[int, ...], boxes: Boxes) -> Any:
    from pycocotools.coco import COCO

    coco = COCO()
    coco.dataset = {
        "images": [{"id": image} for image in image_ids.tolist()],
        "categories": [{"id": category} for category in category_ids],
        "annotations": _to_dicts(boxes),
    }
    coco.createIndex()
    return coco


def _to_dicts(boxes: Boxes) -> list[dict[str, Any]]:
    """Boxes as COCO's annotations, numbered from 1: pycocotools treats a match with id 0 as no match."""
    keys = ("id", "image_id", "category_id", "bbox", "area", "iscrowd")
    columns = (boxes.image_ids, boxes.category_ids, boxes.xywh, boxes.area, boxes.iscrowd)
    rows = zip(count(1), *(column.tolist() for column in columns), strict=False)
    return [dict(zip(keys, row, strict=True)) for row in rows]
