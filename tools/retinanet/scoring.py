"""COCO's mean average precision of detections on a generated data set."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Detections:
    """What a detector found in one image; boxes [n, 4] as xmin, ymin, xmax, ymax in pixels of its input."""

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int64]


def mean_average_precision(annotations: Path, found: Sequence[Detections], input_size: int) -> float:
    """Return COCO's AP of boxes at IoU 0.50:0.95, 0..1.

    Parameters
    ----------
    annotations
        The data set's annotation file.
    found
        Detections of the images, in sample order.
    input_size
        Side of the detector's input, in pixels.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(annotations))
        rows = [_rows(image, one, input_size) for image, one in zip(truth.dataset["images"], found, strict=True)]
        if not any(map(len, rows)):
            return 0.0  # pycocotools cannot load results without a detection
        evaluation = COCOeval(truth, truth.loadRes(np.concatenate(rows)), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0])


def _rows(image: dict[str, int], found: Detections, input_size: int) -> NDArray[np.float64]:
    """Return an image's detections as pycocotools wants them: image, x, y, width, height, score, class."""
    scale = np.array([image["width"], image["height"]] * 2) / input_size
    boxes = found.boxes.astype(np.float64) * scale
    boxes[:, 2:] -= boxes[:, :2]
    ids = np.full((len(boxes), 1), image["id"], np.float64)
    return np.hstack([ids, boxes, found.scores[:, None], found.labels[:, None]])
