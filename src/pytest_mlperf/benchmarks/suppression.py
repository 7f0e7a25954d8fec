"""Greedy non-maximum suppression of many images at once, with the exact results of ONNX's NonMaxSuppression."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: With more pairs of neighbouring boxes per image, going from box to box is faster.
MOST_PAIRS = 1 << 17


def suppress(
    boxes: NDArray[np.float32], image: NDArray[np.int64], threshold: float, most: int, most_pairs: int = MOST_PAIRS
) -> NDArray[np.int64]:
    """Return the positions of the boxes that are kept: at most `most` per image, in the given order.

    A box is kept unless it overlaps with a better kept box. Boxes of no area or negative sides, or with a coordinate
    that is not a number, overlap with nothing.

    Parameters
    ----------
    boxes
        float32 ``[n, 4]``: x1, y1, x2, y2 with x1 <= x2 and y1 <= y2; of each image the best first.
    image
        int64 ``[n]``, ascending: the image that each box is in.
    threshold
        Intersection over union, in float32, above which two boxes overlap.
    most
        Largest number of boxes of one image that stay.
    most_pairs
        Pairs an image that may be compared at once.
    """
    if not len(boxes):
        return np.empty(0, np.int64)
    if np.isnan(boxes).any():
        boxes = np.where(np.isnan(boxes), np.float32(0), boxes)
    firsts = np.flatnonzero(np.diff(image, prepend=-1))
    near = _neighbours(boxes, image, threshold)
    if near.counts.sum() > most_pairs * len(firsts):
        ends = np.append(firsts[1:], len(boxes))
        parts = [
            start + _one_by_one(boxes[start:end], threshold, most) for start, end in zip(firsts, ends, strict=True)
        ]
        return np.concatenate(parts)
    stays = np.flatnonzero(_unbeaten(*_overlaps(boxes, near, threshold), len(boxes)))
    before = stays.searchsorted(firsts)
    place = np.arange(len(stays)) - before.repeat(np.diff(before, append=len(stays)))
    return stays[place < most]


class _Neighbours(NamedTuple):
    """Boxes by their left edge: each may overlap with the `counts` boxes that follow it in `order`, and no others."""

    order: NDArray[np.int64]
    counts: NDArray[np.int64]


def _neighbours(boxes: NDArray[np.float32], image: NDArray[np.int64], threshold: float) -> _Neighbours:
    """Find the boxes that may overlap.

    Boxes overlap at most as much as their extents along x do. Where the further one begins more than
    ``1 - threshold`` of the nearer one's width after it, these share less than `threshold` of their union.
    """
    left, right = boxes[:, 0].astype(np.float64), boxes[:, 2]
    left += image * (float(right.max()) + 1)
    order = left.argsort()
    left = left[order]
    width = (right - boxes[:, 0])[order]
    # A little more, for the rounding of float32.
    reach = left + width * (1.001 - threshold)
    counts = left.searchsorted(reach, "right") - np.arange(1, len(left) + 1)
    return _Neighbours(order, np.maximum(counts, 0))  # a box of negative width reaches not even itself


def _overlaps(
    boxes: NDArray[np.float32], near: _Neighbours, threshold: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the positions of the better and of the lesser box of each pair that overlaps."""
    counts = near.counts
    place = np.arange(len(counts))
    ends = counts.cumsum()
    first = place.repeat(counts)
    second = (place + 1 - ends + counts).repeat(counts)
    second += np.arange(len(second))
    x1, y1, x2, y2 = np.ascontiguousarray(boxes.take(near.order, axis=0).T)
    height = np.minimum(y2.take(first), y2.take(second))
    height -= np.maximum(y1.take(first), y1.take(second))
    width = np.minimum(x2.take(first), x2.take(second))
    width -= x1.take(second)
    area = (x2 - x1) * (y2 - y1)
    shared = width * height
    union = area.take(first)
    union += area.take(second)
    union -= shared
    # Not with a product: ONNX compares the quotient, which is rounded differently.
    with np.errstate(divide="ignore", invalid="ignore"):  # boxes without an area
        clash = shared / union > np.float32(threshold)
    overlap = np.flatnonzero(clash & (height > 0) & (width > 0))
    one = near.order.take(first.take(overlap))
    other = near.order.take(second.take(overlap))
    return np.minimum(one, other), np.maximum(one, other)


def _unbeaten(better: NDArray[np.int64], lesser: NDArray[np.int64], count: int) -> NDArray[np.bool_]:
    """Return for each box whether it is kept, given the pairs that overlap.

    In each pass, boxes without an undecided better box are kept, and the boxes that they overlap are removed.
    """
    stays = np.ones(count, np.bool_)
    while len(better):
        doubtful = np.zeros(count, np.bool_)
        doubtful[lesser] = True
        in_question = doubtful.take(better)
        stays[lesser[~in_question]] = False
        # A pair is undecided as long as the better box is undecided and the other one is not removed.
        undecided = np.flatnonzero(in_question & stays.take(better) & stays.take(lesser))
        better, lesser = better.take(undecided), lesser.take(undecided)
    return stays


def _one_by_one(boxes: NDArray[np.float32], threshold: float, most: int) -> NDArray[np.int64]:
    """Return the positions of the kept boxes of one image; fast if nearly all boxes overlap."""
    x1, y1, x2, y2 = np.ascontiguousarray(boxes.T)
    area = (x2 - x1) * (y2 - y1)
    left = np.arange(len(boxes))
    stays: list[int] = []
    while len(left) and len(stays) < most:
        best, left = left[0], left[1:]
        stays.append(best)
        width = np.minimum(x2[best], x2[left]) - np.maximum(x1[best], x1[left])
        height = np.minimum(y2[best], y2[left]) - np.maximum(y1[best], y1[left])
        touching = np.flatnonzero((width > 0) & (height > 0))
        shared = width[touching] * height[touching]
        overlap = shared / (area[best] + area[left[touching]] - shared) > np.float32(threshold)
        left = np.delete(left, touching[overlap])
    return np.array(stays, np.int64)
