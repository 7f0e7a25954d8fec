"""From YOLO's raw output to detections in the original images: the steps of Ultralytics' predict, in numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from pytest_mlperf.benchmarks.suppression import suppress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pytest_mlperf.datasets.letterbox import Letterbox

#: ``conf`` of yolo/yolo_loadgen.py in mlcommons/inference; the others are Ultralytics' defaults.
SCORE_THRESHOLD: Final = 0.001
NMS_THRESHOLD: Final = 0.7
MOST_DETECTIONS: Final = 300

# Ultralytics moves the boxes of each class by so many pixels, so that one suppression serves all classes. In float32
# that rounds the boxes of the last classes to a sixteenth of a pixel, which can decide whether a box stays.
_CLASS_OFFSET: Final = np.float32(7680)


class Detections(NamedTuple):
    """What was found in one image, best first.

    Attributes
    ----------
    boxes
        float32 ``[n, 4]``: x1, y1, x2, y2 in pixels of the original image.
    scores
        float32 ``[n]``.
    classes
        int64 ``[n]``: rows of the scores in the raw output.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: NDArray[np.int64]


@dataclass(frozen=True)
class YoloDecoder:
    """Thresholds of the decoding.

    A point has one class, that of its highest score. Points whose score does not exceed the threshold, or is not a
    number, find nothing. Coordinates that are not finite become NaN.
    """

    score_threshold: float = SCORE_THRESHOLD
    nms_threshold: float = NMS_THRESHOLD
    most: int = MOST_DETECTIONS

    def decode(self, raw: NDArray[np.float32], boxes: Sequence[Letterbox]) -> list[Detections]:
        """Return the detections of each image of a batch.

        Parameters
        ----------
        raw
            float32 ``[images, 4 + classes, points]``: centre x, centre y, width and height in pixels of the input, then
            the scores of the classes.
        boxes
            How each image lies in the input.
        """
        return [self._decode(image, box) for image, box in zip(raw, boxes, strict=True)]

    def _decode(self, raw: NDArray[np.float32], box: Letterbox) -> Detections:
        best = raw[4:].max(axis=0)
        points = np.flatnonzero(best > np.float32(self.score_threshold))
        points = points[(-best[points]).argsort(kind="stable")]
        centre, half = raw[:2, points], raw[2:4, points] / np.float32(2)
        with np.errstate(invalid="ignore"):
            corners = np.concatenate((centre - half, centre + half)).T
        # Cut at the image's edge an endless box would look like one that was found.
        corners = np.where(np.isfinite(corners), corners, np.float32(np.nan))
        classes = raw[4:, points].argmax(axis=0)
        apart = corners + (classes.astype(np.float32) * _CLASS_OFFSET)[:, None]
        stays = suppress(apart, np.zeros(len(points), np.int64), self.nms_threshold, self.most)
        return Detections(_to_image(corners[stays], box), best[points[stays]], classes[stays])


def _to_image(corners: NDArray[np.float32], box: Letterbox) -> NDArray[np.float32]:
    """Return boxes in pixels of the original image, cut at its edges."""
    (top, left), (height, width) = box.corner, box.inner
    moved = corners - np.array([left, top, left, top], np.float32)
    # The scaled image has whole pixels, so that the sides are not scaled quite alike.
    moved /= np.array([width / box.width, height / box.height] * 2, np.float32)
    edges = np.array([box.width, box.height, box.width, box.height], np.float32)
    return np.clip(moved, np.float32(0), edges, out=moved)
