"""What training minimises: which point shall find what, quality focal loss of the classes, overlap of the boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from yolo.config import DetectorConfig

# Points so far from an object's centre, in strides, are to find it.
_REACH = 1.5


@dataclass(frozen=True)
class Targets:
    """What the points of one image are to find; the points not named here are to find nothing.

    Attributes
    ----------
    found
        int64 [k]: points that have an object.
    labels, boxes
        int64 [k] and float32 [k, 4]: these objects; boxes as left, top, right, bottom in pixels of the input.
    ignored
        int64 [m]: points that do not count.
    """

    found: Tensor
    labels: Tensor
    boxes: Tensor
    ignored: Tensor


def match(
    config: DetectorConfig, points: Tensor, strides: Tensor, boxes: Tensor, labels: Tensor, crowds: Tensor
) -> Targets:
    """Return the targets of one image; a point near several objects gets the smallest of them.

    Parameters
    ----------
    config
        The levels and what they are to find.
    points, strides
        [2, n] and [n].
    boxes, labels
        [k, 4] and [k]: the image's objects, in pixels of the input.
    crowds
        [m, 4]: boxes of groups, within which points do not count.
    """
    x, y = points[0][:, None], points[1][:, None]
    found = torch.zeros(points.shape[1], dtype=torch.bool)
    owner = torch.zeros(points.shape[1], dtype=torch.int64)
    if len(boxes):
        near = _inside(x, y, boxes)
        centre = (boxes[:, :2] + boxes[:, 2:]) / 2
        reach = _REACH * strides[:, None]
        near &= ((x - centre[:, 0]).abs() < reach) & ((y - centre[:, 1]).abs() < reach)
        longer = (boxes[:, 2:] - boxes[:, :2]).max(1).values
        for stride, (least, most) in zip(config.strides, config.ranges, strict=True):
            near[strides == stride] &= (longer >= least) & (longer <= most)
        area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
        owner = torch.where(near, area, torch.inf).argmin(1)
        found = near.any(1)
    ignored = _inside(x, y, crowds).any(1) & ~found
    chosen = found.nonzero().squeeze(1)
    objects = owner[chosen]
    return Targets(chosen, labels[objects], boxes[objects], ignored.nonzero().squeeze(1))


def _inside(x: Tensor, y: Tensor, boxes: Tensor) -> Tensor:
    left, top, right, bottom = boxes.T
    return (x > left) & (x < right) & (y > top) & (y < bottom)


def loss(logits: Tensor, distances: Tensor, targets: list[Targets], points: Tensor) -> tuple[Tensor, Tensor]:
    """Return the class loss and the box loss of a batch.

    A score is to be the overlap of its box with the object's, so that the best box survives the suppression.

    Parameters
    ----------
    logits, distances
        [n, classes, points] and [n, 4, points].
    targets
        Of each of the n images.
    points
        [2, points].
    """
    image, point = _places([target.found for target in targets])
    labels, boxes = torch.cat([t.labels for t in targets]), torch.cat([t.boxes for t in targets])
    middle = points.T[point]
    found = distances[image, :, point]
    found = torch.cat([middle - found[:, :2], middle + found[:, 2:]], 1)
    overlap, enclosed = _overlap(found, boxes)
    quality = overlap.detach()
    wanted = torch.zeros_like(logits)
    wanted[image, labels, point] = quality
    counts = torch.ones_like(logits[:, :1])
    ignored = _places([target.ignored for target in targets])
    counts[ignored[0], 0, ignored[1]] = 0
    entropy = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    missing = (logits.sigmoid() - wanted).abs().detach()
    share = quality.sum().clamp(min=1)
    classes = (counts * missing**2 * entropy).sum() / share
    return classes, (quality * (1 - enclosed)).sum() / share


def _overlap(found: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Return the IoU and the generalised IoU [n] of boxes [n, 4] and [n, 4]."""
    low, high = torch.maximum(found[:, :2], boxes[:, :2]), torch.minimum(found[:, 2:], boxes[:, 2:])
    shared = (high - low).clamp(min=0).prod(1)
    union = (found[:, 2:] - found[:, :2]).prod(1) + (boxes[:, 2:] - boxes[:, :2]).prod(1) - shared
    hull = torch.maximum(found[:, 2:], boxes[:, 2:]) - torch.minimum(found[:, :2], boxes[:, :2])
    area = hull.prod(1)
    overlap = shared / union
    return overlap, overlap - (area - union) / area


def _places(points: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Return the indices (image, point) of some points of each image of a batch."""
    images = [torch.full_like(some, number) for number, some in enumerate(points)]
    return torch.cat(images), torch.cat(points)
