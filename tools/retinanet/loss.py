"""What training minimises: which anchor shall find what, focal loss of the classes, distance of the boxes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from retinanet.anchors import encode, iou

FOREGROUND, BACKGROUND = 0.5, 0.4
_CROWD = 0.5
# Nearly the plain distance: a rounder loss is content with boxes some per cent off.
_ALPHA, _GAMMA, _BETA = 0.25, 2, 1 / 50


@dataclass(frozen=True)
class Targets:
    """What the anchors of one image are to find; the anchors not named here are to find nothing.

    Attributes
    ----------
    found
        int64 [k]: anchors that have an object.
    labels, boxes
        int64 [k] and float32 [k, 4]: these objects.
    ignored
        int64 [m]: anchors that do not count.
    """

    found: Tensor
    labels: Tensor
    boxes: Tensor
    ignored: Tensor


def match(anchors: Tensor, boxes: Tensor, labels: Tensor, crowds: Tensor) -> Targets:
    """Return the targets of one image.

    Parameters
    ----------
    anchors
        [anchors, 4].
    boxes, labels
        [n, 4] and [n]: the image's objects, in pixels of the network's input.
    crowds
        [m, 4]: boxes of groups, within which anchors do not count.
    """
    found = ignored = torch.zeros(len(anchors), dtype=torch.bool)
    owner = torch.zeros(len(anchors), dtype=torch.int64)
    if len(boxes):
        overlap = iou(anchors, boxes)
        best, owner = overlap.max(1)
        # An object that no anchor fits well still gets the anchors that fit it best.
        fits_best = ((overlap == overlap.max(0).values) & (overlap > 0)).any(1)
        found = (best >= FOREGROUND) | fits_best
        ignored = best >= BACKGROUND
    if len(crowds):
        low = torch.maximum(anchors[:, None, :2], crowds[None, :, :2])
        high = torch.minimum(anchors[:, None, 2:], crowds[None, :, 2:])
        inside = (high - low).clamp(min=0).prod(2) / (anchors[:, 2:] - anchors[:, :2]).prod(1)[:, None]
        ignored = ignored | (inside > _CROWD).any(1)
    chosen = found.nonzero().squeeze(1)
    objects = owner[chosen]
    return Targets(chosen, labels[objects], boxes[objects], (ignored & ~found).nonzero().squeeze(1))


def loss(logits: Tensor, offsets: Tensor, targets: list[Targets], anchors: Tensor) -> tuple[Tensor, Tensor]:
    """Return the class loss and the box loss of a batch, each per anchor that has an object.

    Parameters
    ----------
    logits, offsets
        [n, anchors, classes] and [n, anchors, 4].
    targets
        Of each of the n images.
    anchors
        [anchors, 4].
    """
    image, anchor = _places([target.found for target in targets])
    labels, boxes = torch.cat([t.labels for t in targets]), torch.cat([t.boxes for t in targets])
    matched = max(1, len(anchor))
    wanted = torch.zeros_like(logits)
    wanted[image, anchor, labels] = 1
    counts = torch.ones_like(logits[..., :1])
    counts[_places([target.ignored for target in targets])] = 0
    entropy = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    missing = (logits.sigmoid() - wanted).abs()
    weight = (1 - _ALPHA) + (2 * _ALPHA - 1) * wanted
    focal = (counts * weight * missing**_GAMMA * entropy).sum() / matched
    goal = encode(boxes, anchors[anchor])
    distance = functional.smooth_l1_loss(offsets[image, anchor], goal, beta=_BETA, reduction="sum")
    return focal, distance / matched


def _places(anchors: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Return the indices (image, anchor) of some anchors of each image of a batch."""
    images = [torch.full_like(some, number) for number, some in enumerate(anchors)]
    return torch.cat(images), torch.cat(anchors)
