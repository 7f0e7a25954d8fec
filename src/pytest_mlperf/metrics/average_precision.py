"""mAP from detections that are matched with objects, for any part of the images.

It gives the figure of pycocotools' COCOeval for all areas and 100 detections, `params.areaRng[0]` and `maxDets[2]`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: COCOeval's `iouThrs` and `recThrs`; the bit of each threshold.
THRESHOLDS = np.linspace(0.5, 0.95, 10)
BITS = (1 << np.arange(len(THRESHOLDS))).astype(np.uint16)
RECALLS = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True, eq=False)
class Matches:
    """Of mAP: the detections with the objects that they match, and the objects that there are.

    Attributes
    ----------
    ids
        ``[n]``, the images.
    image, category
        ``int32[m]``, ``int16[m]``: of each detection, the position in `ids`, and the number of its category.
    score
        ``float64[m]``.
    matched, ignored
        ``uint16[m]``: bit `t` says whether the detection matches an object at the IoU threshold 0.50 + 0.05 `t`, and
        whether it counts neither for nor against the model there.
    objects
        ``int32[n, c]``: how many objects of each category an image has, without crowds.
    """

    ids: NDArray[Any]
    image: NDArray[np.int32]
    category: NDArray[np.int16]
    score: NDArray[np.float64]
    matched: NDArray[np.uint16]
    ignored: NDArray[np.uint16]
    objects: NDArray[np.int32]

    def value(self) -> float:
        """Return the metric, in percent."""
        return 100.0 * mean_average_precision(self)

    def take(self, rows: NDArray[np.int64]) -> Matches:
        """Return some of the images, with their detections."""
        place = np.full(len(self.ids), -1, np.int32)
        place[rows] = np.arange(len(rows), dtype=np.int32)
        kept = place[self.image] >= 0
        order = np.flatnonzero(kept)
        order = order[np.argsort(place[self.image[order]], kind="stable")]
        return Matches(
            self.ids[rows],
            place[self.image[order]],
            self.category[order],
            self.score[order],
            self.matched[order],
            self.ignored[order],
            self.objects[rows],
        )


def mean_average_precision(matches: Matches) -> float:
    """Return COCO's mAP of all images, a fraction; NaN where there is no object."""
    objects = matches.objects.sum(axis=0)
    values = []
    for category in np.flatnonzero(objects):
        rows = np.flatnonzero(matches.category == category)
        rows = rows[np.argsort(-matches.score[rows], kind="mergesort")]
        precision = precision_at_recalls(matches.matched[rows], matches.ignored[rows], int(objects[category]))
        values.append(precision.mean())
    return float(np.mean(values)) if values else float("nan")


def precision_at_recalls(matched: NDArray[np.uint16], ignored: NDArray[np.uint16], objects: int) -> NDArray[np.float64]:
    """Return the precision of a category's detections, best first, at each threshold and each of `RECALLS`.

    Parameters
    ----------
    matched, ignored
        ``uint16[m]``, as in `Matches`.
    objects
        How many objects there are.

    Returns
    -------
    float64[10, 101]
        The best precision at this recall or beyond; 0 where it is not reached.
    """
    hit = (matched[None] & BITS[:, None]) > 0
    counts = (ignored[None] & BITS[:, None]) == 0
    right = np.cumsum(hit & counts, axis=1, dtype=np.float64)
    wrong = np.cumsum(~hit & counts, axis=1, dtype=np.float64)
    recall = right / objects
    precision = right / (right + wrong + np.spacing(1))
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    found = np.zeros((len(THRESHOLDS), len(RECALLS)))
    for row, of_threshold, best in zip(found, recall, envelope, strict=True):
        places = np.searchsorted(of_threshold, RECALLS, side="left")
        reached = places < len(best)
        row[reached] = best[places[reached]]
    return found
