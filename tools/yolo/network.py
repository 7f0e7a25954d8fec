"""The network: a small ResNet, a feature pyramid, and two heads without anchors; ends in YOLO's raw output."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from yolo.config import DetectorConfig

# The score that every point has before the training.
_PRIOR = 0.01


def _conv_norm(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs))


class _Block(nn.Module):
    """A residual block of two 3x3 convolutions."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_conv_norm(inputs, outputs, 3, stride), nn.ReLU(), _conv_norm(outputs, outputs, 3))
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else _conv_norm(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))


class Trunk(nn.Module):
    """Convolutions of strides 4 to 32, and a pyramid that carries what the coarse levels know to the fine ones."""

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        self.stem = nn.Sequential(_conv_norm(3, config.stem, 3, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
        channels = (config.stem, *config.stages)
        strides = (1, 2, 2, 2)
        self.stages = nn.ModuleList(
            _Block(inputs, outputs, stride)
            for inputs, outputs, stride in zip(channels, channels[1:], strides, strict=False)
        )
        self.lateral = nn.ModuleList(nn.Conv2d(stage, config.channels, 1) for stage in config.stages[1:])
        self.smooth = nn.ModuleList(
            nn.Sequential(_conv_norm(config.channels, config.channels, 3), nn.ReLU()) for _ in config.strides
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the features of strides 8 and 16."""
        x = self.stem(images)
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        fine, middle, coarse = (conv(x) for conv, x in zip(self.lateral, features[1:], strict=True))
        middle = middle + functional.interpolate(coarse, scale_factor=2.0, mode="nearest")
        fine = fine + functional.interpolate(middle, scale_factor=2.0, mode="nearest")
        return [smooth(x) for smooth, x in zip(self.smooth, (fine, middle), strict=True)]


class Head(nn.Module):
    """A few convolutions, shared by all levels, that end in some values for each point."""

    def __init__(self, channels: int, depth: int, values: int, bias: float) -> None:
        super().__init__()
        layers = [nn.Sequential(_conv_norm(channels, channels, 3), nn.ReLU()) for _ in range(depth)]
        self.hidden = nn.Sequential(*layers)
        self.last = nn.Conv2d(channels, values, 3, padding=1)
        nn.init.normal_(self.last.weight, std=0.01)
        nn.init.constant_(self.last.bias, bias)

    def forward(self, level: Tensor) -> Tensor:
        """Return [n, values, rows * columns]."""
        return self.last(self.hidden(level)).flatten(2)


class Detector(nn.Module):
    """Images to class logits and to distances from each point to the four edges of its box."""

    points: Tensor
    strides: Tensor

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk = Trunk(config)
        self.class_head = Head(
            config.channels, config.head_depth, len(config.category_ids), -math.log((1 - _PRIOR) / _PRIOR)
        )
        self.box_head = Head(config.channels, config.head_depth, 4, 1.0)
        points, strides = _points(config)
        self.register_buffer("points", points)
        self.register_buffer("strides", strides)

    def raw(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return class logits [n, classes, points] and distances left, top, right, bottom [n, 4, points] in pixels.

        Parameters
        ----------
        images
            float32 [n, 3, S, S], RGB in 0..1.
        """
        levels = self.trunk(images)
        logits = torch.cat([self.class_head(level) for level in levels], 2)
        distances = torch.cat([self.box_head(level) for level in levels], 2)
        return logits, functional.softplus(distances) * self.strides

    def forward(self, images: Tensor) -> Tensor:
        """Return YOLO's raw output [n, 4 + classes, points]: centre x, y, width, height in pixels, then scores."""
        logits, distances = self.raw(images)
        before, beyond = distances[:, :2], distances[:, 2:]
        centres = self.points + (beyond - before) / 2
        return torch.cat([centres, before + beyond, logits.sigmoid()], 1)


def _points(config: DetectorConfig) -> tuple[Tensor, Tensor]:
    """Return the points [2, n] (x, y in pixels of the input) and their strides [n], level by level."""
    points, strides = [], []
    for stride in config.strides:
        side = config.input_size // stride
        middle = (torch.arange(side) + 0.5) * stride
        y, x = torch.meshgrid(middle, middle, indexing="ij")
        points.append(torch.stack([x.flatten(), y.flatten()]))
        strides.append(torch.full((side * side,), float(stride)))
    return torch.cat(points, 1), torch.cat(strides)
