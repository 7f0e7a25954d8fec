"""The network up to its raw heads: normalisation, trunk, feature pyramid, class and box head."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from retinanet.anchors import RATIOS, anchors_of_level
from retinanet.backbone import Backbone

if TYPE_CHECKING:
    from retinanet.config import RetinaNetConfig

ANCHORS_PER_CELL = 3 * len(RATIOS)
_PRIOR = 0.01


class FeaturePyramid(nn.Module):
    """P3, P4, P5 from C3, C4, C5, and coarser levels from P5."""

    def __init__(self, config: RetinaNetConfig) -> None:
        super().__init__()
        channels = config.channels
        self.lateral = nn.ModuleList(nn.Conv2d(c, channels, 1) for c in config.stages[1:])
        self.smooth = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in config.stages[1:])
        self.extra = nn.ModuleList(nn.Conv2d(channels, channels, 3, 2, 1) for _ in range(config.extra_levels))

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        merged = [lateral(c) for lateral, c in zip(self.lateral, features, strict=True)]
        for level in reversed(range(len(merged) - 1)):
            height, width = (int(side) for side in merged[level].shape[-2:])
            merged[level] = merged[level] + functional.interpolate(
                merged[level + 1], size=(height, width), mode="nearest"
            )
        levels = [smooth(p) for smooth, p in zip(self.smooth, merged, strict=True)]
        for number, conv in enumerate(self.extra):
            levels.append(conv(levels[-1] if number == 0 else torch.relu(levels[-1])))
        return levels


class Head(nn.Module):
    """A few convolutions, shared by all levels, that end in some values for each anchor."""

    def __init__(self, channels: int, depth: int, values: int, bias: float = 0.0) -> None:
        super().__init__()
        hidden = [(nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU()) for _ in range(depth)]
        self.hidden = nn.Sequential(*(layer for pair in hidden for layer in pair))
        self.last = nn.Conv2d(channels, ANCHORS_PER_CELL * values, 3, padding=1)
        self.values = values
        for conv, _ in hidden:
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            nn.init.zeros_(conv.bias)
        nn.init.normal_(self.last.weight, std=0.01)
        nn.init.constant_(self.last.bias, bias)

    def forward(self, level: Tensor) -> Tensor:
        """Return [n, rows * columns * 9, values]."""
        out = self.last(self.hidden(level))
        return out.permute(0, 2, 3, 1).reshape(out.shape[0], -1, self.values)


class RetinaNet(nn.Module):
    """A RetinaNet that maps images to the raw values of each level's anchors."""

    mean: Tensor
    std: Tensor

    def __init__(self, config: RetinaNetConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))
        self.backbone = Backbone(config)
        self.pyramid = FeaturePyramid(config)
        prior = -math.log((1 - _PRIOR) / _PRIOR)
        self.class_head = Head(config.channels, config.head_depth, config.classes, prior)
        self.box_head = Head(config.channels, config.head_depth, 4)

    def forward(self, images: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Return class logits [n, anchors, classes] and box offsets [n, anchors, 4] of each level.

        Parameters
        ----------
        images
            float32 [n, 3, S, S], RGB in 0..1.
        """
        levels = self.pyramid(self.backbone((images - self.mean) / self.std))
        return [self.class_head(p) for p in levels], [self.box_head(p) for p in levels]

    def anchors(self) -> list[Tensor]:
        """Return the anchors [anchors, 4] of each level."""
        side = self.config.input_size
        grids = [math.ceil(side / 8 / 2**level) for level in range(len(self.config.anchor_sizes))]
        return [
            anchors_of_level(size, (grid, grid), side)
            for size, grid in zip(self.config.anchor_sizes, grids, strict=True)
        ]
