"""COCO's matching of detections with objects, as pycocotools' COCOeval does it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_mlperf.metrics.average_precision import BITS, THRESHOLDS, Matches

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pytest_mlperf.datasets.coco import Annotations, Boxes
    from pytest_mlperf.metrics.detections import Found

#: COCOeval's `maxDets[2]`.
_MOST = 100


def match(truth: Annotations, image_ids: NDArray[np.int64], found: Found) -> Matches:
    """Match the detections in some images with the annotated objects, as COCOeval does.

    Parameters
    ----------
    truth
        The annotated boxes.
    image_ids
        ``int64[n]``, the images.
    found
        The detections in them.
    """
    categories = np.sort(np.array(truth.category_ids, np.int64))
    objects = np.zeros((len(image_ids), len(categories)), np.int32)
    parts: list[tuple[int, int, NDArray[np.float64], NDArray[np.uint16], NDArray[np.uint16]]] = []
    for image, category, boxes, crowd, xywh, scores in _groups(truth.boxes, image_ids, categories, found):
        objects[image, category] = np.count_nonzero(~crowd)
        order = np.argsort(-scores, kind="mergesort")[:_MOST]
        matched, ignored = _assign(overlaps(xywh[order], boxes, crowd), crowd)
        parts.append((image, category, scores[order], matched, ignored))
    counts = [len(scores) for _, _, scores, _, _ in parts]
    return Matches(
        image_ids,
        np.repeat(np.array([part[0] for part in parts], np.int32), counts),
        np.repeat(np.array([part[1] for part in parts], np.int16), counts),
        np.concatenate([part[2] for part in parts] or [np.empty(0)]),
        np.concatenate([part[3] for part in parts] or [np.empty(0, np.uint16)]),
        np.concatenate([part[4] for part in parts] or [np.empty(0, np.uint16)]),
        objects,
    )


def _groups(
    boxes: Boxes, image_ids: NDArray[np.int64], categories: NDArray[np.int64], found: Found
) -> Iterator[tuple[int, int, NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]]]:
    """Yield image, category, the objects' boxes and whether they are crowds, and the detections' boxes and scores."""
    place = {image: number for number, image in enumerate(image_ids.tolist())}
    known = {category: number for number, category in enumerate(categories.tolist())}

    def rows(images: NDArray[np.int64], of: NDArray[np.int64]) -> dict[tuple[int, int], list[int]]:
        grouped: dict[tuple[int, int], list[int]] = {}
        for row, (image, category) in enumerate(zip(images.tolist(), of.tolist(), strict=True)):
            if image in place and category in known:
                grouped.setdefault((place[image], known[category]), []).append(row)
        return grouped

    objects = rows(boxes.image_ids, boxes.category_ids)
    detected = found.of_images(image_ids)
    detections = rows(detected.image_ids, detected.category_ids)
    for image, category in sorted({*objects, *detections}):
        there, seen = objects.get((image, category), []), detections.get((image, category), [])
        yield image, category, boxes.xywh[there], boxes.iscrowd[there] > 0, detected.xywh[seen], detected.scores[seen]


def overlaps(found: NDArray[np.float64], objects: NDArray[np.float64], crowd: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the IoU of each detection with each object; with a crowd it is the part of the detection that is in it.

    Boxes are ``float64[n, 4]``: left, top, width, height.
    """
    low = np.maximum(found[:, None, :2], objects[None, :, :2])
    high = np.minimum(found[:, None, :2] + found[:, None, 2:], objects[None, :, :2] + objects[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    area, areas = np.prod(found[:, 2:], axis=1)[:, None], np.prod(objects[:, 2:], axis=1)[None]
    whole = np.where(crowd[None], area, area + areas - shared)
    found_in: NDArray[np.float64] = np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0)
    return found_in


def _assign(shared: NDArray[np.float64], crowd: NDArray[np.bool_]) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Give each detection, best first, the object that overlaps most and is free; a crowd takes any number.

    Returns
    -------
    matched, ignored
        ``uint16[d]``, a bit for each threshold.
    """
    least = np.minimum(THRESHOLDS, 1 - 1e-10)[:, None]
    plain, crowds = np.flatnonzero(~crowd), np.flatnonzero(crowd)
    free = np.ones((len(THRESHOLDS), len(plain)), np.bool_)
    matched, ignored = (np.zeros(len(shared), np.uint16) for _ in range(2))
    every = np.arange(len(THRESHOLDS))
    for number in np.flatnonzero((shared >= least.min()).any(axis=1)).tolist():  # the others match nothing
        row = shared[number]
        hit = np.zeros(len(THRESHOLDS), np.bool_)
        if len(plain):
            able = np.where(free & (row[plain] >= least), row[plain], -1.0)
            # Of equal overlaps, the last one.
            best = len(plain) - 1 - np.argmax(able[:, ::-1], axis=1)
            hit = able[every, best] >= 0
            free[every[hit], best[hit]] = False
        in_crowd = ~hit & (row[crowds] >= least).any(axis=1) if len(crowds) else np.zeros_like(hit)
        matched[number] = BITS[hit | in_crowd].sum()
        ignored[number] = BITS[in_crowd].sum()
    return matched, ignored
