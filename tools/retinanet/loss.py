"""What training minimises: which anchor shall find what, focal loss of the classes, distance of the boxes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from retinanet.anchors import encode, iou

FOREGROUND, BACKGROUND = 0.5, 0.4
_CROWD = 0.5
_ALPHA, _GAMMA, _BETA = 0.25, 2.0, 1 / 9


@dataclass(frozen=True)
class Targets:
    """What the anchors of one image are to find.

    Attributes
    ----------
    labels
        int64 [anchors]: a class, -1 for the background, -2 for an anchor that does not count.
    boxes
        float32 [anchors, 4]: the box of an anchor with a class, otherwise zeros.
    """

    labels: Tensor
    boxes: Tensor


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
    target = torch.full((len(anchors),), -1)
    goal = torch.zeros(len(anchors), 4)
    if len(boxes):
        overlap = iou(anchors, boxes)
        best, owner = overlap.max(1)
        target[best >= BACKGROUND] = -2
        # An object that no anchor fits well still gets the anchors that fit it best.
        fits_best = ((overlap == overlap.max(0).values) & (overlap > 0)).any(1)
        chosen = (best >= FOREGROUND) | fits_best
        target[chosen] = labels[owner[chosen]]
        goal[chosen] = boxes[owner[chosen]]
    if len(crowds):
        low = torch.maximum(anchors[:, None, :2], crowds[None, :, :2])
        high = torch.minimum(anchors[:, None, 2:], crowds[None, :, 2:])
        inside = (high - low).clamp(min=0).prod(2) / (anchors[:, 2:] - anchors[:, :2]).prod(1)[:, None]
        target[(inside > _CROWD).any(1) & (target == -1)] = -2
    return Targets(target, goal)


def loss(logits: Tensor, offsets: Tensor, labels: Tensor, boxes: Tensor, anchors: Tensor) -> tuple[Tensor, Tensor]:
    """Return the class loss and the box loss of a batch, each per matched anchor.

    Parameters
    ----------
    logits, offsets
        [n, anchors, classes] and [n, anchors, 4].
    labels, boxes
        The targets of `match`, stacked: [n, anchors] and [n, anchors, 4].
    anchors
        [anchors, 4].
    """
    found = labels >= 0
    matched = found.sum().clamp(min=1)
    counts = labels != -2
    wanted = torch.zeros_like(logits)
    image, anchor = found.nonzero(as_tuple=True)
    wanted[image, anchor, labels[image, anchor]] = 1
    entropy = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    missing = (logits.sigmoid() - wanted).abs()
    weight = torch.where(wanted > 0, _ALPHA, 1 - _ALPHA)
    focal = (weight * missing**_GAMMA * entropy).sum(2)[counts].sum() / matched
    goal = encode(boxes[image, anchor], anchors[anchor])
    distance = functional.smooth_l1_loss(offsets[image, anchor], goal, beta=_BETA, reduction="sum") / matched
    return focal, distance
