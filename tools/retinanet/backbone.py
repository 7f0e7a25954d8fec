"""ResNet and ResNeXt trunks that yield C3, C4 and C5; changes when a trunk's blocks change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from retinanet.config import RetinaNetConfig

_GROUPS = 32


def _conv_norm(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


class _Block(nn.Module):
    """A residual block: basic (two 3x3) or ResNeXt's bottleneck (1x1, grouped 3x3, 1x1)."""

    def __init__(self, inputs: int, outputs: int, stride: int, bottleneck: bool) -> None:
        super().__init__()
        middle = outputs // 2 if bottleneck else outputs
        self.body = (
            nn.Sequential(
                _conv_norm(inputs, middle, 1),
                nn.ReLU(),
                _conv_norm(middle, middle, 3, stride, _GROUPS),
                nn.ReLU(),
                _conv_norm(middle, outputs, 1),
            )
            if bottleneck
            else nn.Sequential(_conv_norm(inputs, outputs, 3, stride), nn.ReLU(), _conv_norm(outputs, outputs, 3))
        )
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else _conv_norm(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))


class Backbone(nn.Module):
    """A trunk of four stages with strides 4, 8, 16 and 32."""

    def __init__(self, config: RetinaNetConfig) -> None:
        super().__init__()
        self.stem = nn.Sequential(_conv_norm(3, config.stem, config.stem_kernel, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
        stages: list[nn.Module] = []
        inputs = config.stem
        for number, (outputs, blocks) in enumerate(zip(config.stages, config.blocks, strict=True)):
            strides = [1 if number == 0 else 2] + [1] * (blocks - 1)
            ins = [inputs] + [outputs] * (blocks - 1)
            stages.append(
                nn.Sequential(*(_Block(i, outputs, s, config.bottleneck) for i, s in zip(ins, strides, strict=True)))
            )
            inputs = outputs
        self.stages = nn.ModuleList(stages)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return C3, C4 and C5 for normalised images [n, 3, S, S]."""
        x = self.stem(images)
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features[1:]
