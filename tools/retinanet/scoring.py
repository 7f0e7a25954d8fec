"""COCO's mean average precision of a detector's outputs on a generated data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlperf.datasets.coco import read_annotations
from pytest_mlperf.metrics import detections as metric
from pytest_mlperf.metrics.coco_evaluation import coco_stats

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from pytest_mlperf.datasets.coco import Annotations
    from pytest_mlperf.metrics.mean_average_precision import Scorer


@dataclass(frozen=True)
class Detections:
    """What a detector found in one image; boxes [n, 4] as xmin, ymin, xmax, ymax in pixels of its input."""

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int64]


def mean_average_precision(
    annotations: Path, found: Sequence[Detections], input_size: int, scorer: Scorer = "pycocotools"
) -> float:
    """Return COCO's AP of boxes at IoU 0.50:0.95, 0..1, on the first images of a data set.

    Parameters
    ----------
    annotations
        The data set's annotation file.
    found
        Detections of the first images, in sample order.
    input_size
        Side of the detector's input, in pixels.
    scorer
        What computes it.
    """
    return _score(read_annotations(annotations), found, input_size, scorer)


def by_count(annotations: Path, found: Sequence[Detections], input_size: int) -> list[float | None]:
    """Return the AP on the first 1, 2, 3 ... images; None where those have nothing to be found."""
    truth = read_annotations(annotations)
    values = (_score(truth, found[:count], input_size, "hotcoco") for count in range(1, len(found) + 1))
    return [None if value < 0 else value for value in values]


def _score(truth: Annotations, found: Sequence[Detections], input_size: int, scorer: Scorer) -> float:
    images = truth.images[: len(found)]
    boxes = [_in_pixels(image.width, image.height, one, input_size) for image, one in zip(images, found, strict=True)]
    detections = metric.Detections.of(
        image_ids=np.repeat([image.id for image in images], [len(one.scores) for one in found]),
        category_ids=np.concatenate([one.labels for one in found]),
        xywh=np.concatenate(boxes),
        scores=np.concatenate([one.scores for one in found]).astype(np.float64),
    )
    image_ids = np.array([image.id for image in images], np.int64)
    return coco_stats(truth, image_ids, detections, scorer)[0]


def _in_pixels(width: int, height: int, found: Detections, input_size: int) -> NDArray[np.float64]:
    """Return an image's boxes as left, top, width, height in pixels of the image itself."""
    scale = np.array([width, height] * 2) / input_size
    boxes = found.boxes.astype(np.float64) * scale
    boxes[:, 2:] -= boxes[:, :2]
    return boxes
