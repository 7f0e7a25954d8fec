"""Anchors, and the code that turns boxes into offsets from them and back; torchvision's conventions."""

from __future__ import annotations

import math

import torch
from torch import Tensor

RATIOS = (0.5, 1.0, 2.0)
"""Height over width."""

_LARGEST_GROWTH = math.log(1000 / 16)


def anchors_of_level(size: int, grid: tuple[int, int], image: int) -> Tensor:
    """Return the anchors of one level, float32 [rows * columns * 9, 4], as xmin, ymin, xmax, ymax.

    Parameters
    ----------
    size
        Side of the smallest of the three sizes, in pixels.
    grid
        Rows and columns of the level's feature map.
    image
        Side of the input. As in torchvision the stride is ``image // grid``, even where they do not divide.
    """
    sizes = torch.tensor([float(size), float(int(size * 2 ** (1 / 3))), float(int(size * 2 ** (2 / 3)))])
    heights = torch.tensor(RATIOS).sqrt()
    widths = 1 / heights
    half_w = (widths[:, None] * sizes).flatten() / 2
    half_h = (heights[:, None] * sizes).flatten() / 2
    cell = torch.stack([-half_w, -half_h, half_w, half_h], 1).round()
    rows, columns = grid
    y, x = torch.meshgrid(
        torch.arange(rows) * float(image // rows),
        torch.arange(columns) * float(image // columns),
        indexing="ij",
    )
    shifts = torch.stack([x, y, x, y], -1).reshape(-1, 1, 4)
    return (shifts + cell).reshape(-1, 4)


def encode(boxes: Tensor, anchors: Tensor) -> Tensor:
    """Return the offsets [n, 4] (dx, dy, dw, dh) of boxes from anchors, with weights of one."""
    sizes, centres = anchors[:, 2:] - anchors[:, :2], (anchors[:, 2:] + anchors[:, :2]) / 2
    box_sizes, box_centres = boxes[:, 2:] - boxes[:, :2], (boxes[:, 2:] + boxes[:, :2]) / 2
    return torch.cat([(box_centres - centres) / sizes, (box_sizes / sizes).log()], 1)


def decode(offsets: Tensor, anchors: Tensor) -> Tensor:
    """Return the boxes [n, 4] at the offsets from the anchors; the inverse of `encode`."""
    sizes, centres = anchors[:, 2:] - anchors[:, :2], (anchors[:, 2:] + anchors[:, :2]) / 2
    centres = centres + offsets[:, :2] * sizes
    half = offsets[:, 2:].clamp(max=_LARGEST_GROWTH).exp() * sizes / 2
    return torch.cat([centres - half, centres + half], 1)


def iou(boxes: Tensor, others: Tensor) -> Tensor:
    """Return the intersection over union [n, m] of boxes [n, 4] and [m, 4]."""
    low = torch.maximum(boxes[:, None, :2], others[None, :, :2])
    high = torch.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = (high - low).clamp(min=0).prod(2)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    other_area = (others[:, 2:] - others[:, :2]).prod(1)
    return shared / (area[:, None] + other_area - shared)
