"""RetinaNet on ResNeXt-50 32x4d up to its heads, with the names of the weights of mlcommons/training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from pytest_mlperf.backends.pytorch_networks.resnet import EXPANSION, Trunk

if TYPE_CHECKING:
    from collections.abc import Mapping

#: single_stage_detector/ssd/model/retinanet.py: nine anchors for each cell, four convolutions in each head.
ANCHORS, DEPTH = 9, 4
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Extra(nn.Module):
    """The two coarsest levels, from the one before them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.p6 = nn.Conv2d(channels, channels, 3, 2, 1)
        self.p7 = nn.Conv2d(channels, channels, 3, 2, 1)

    def forward(self, value: Tensor) -> tuple[Tensor, Tensor]:
        """Return both levels."""
        p6 = self.p6(value)
        return p6, self.p7(functional.relu(p6))


class Pyramid(nn.Module):
    """Levels of the same channels from the last three stages, and two coarser ones."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        stages = [(128 << number) * EXPANSION for number in range(3)]
        self.inner_blocks = nn.ModuleList(nn.Conv2d(stage, channels, 1) for stage in stages)
        self.layer_blocks = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in stages)
        self.extra_blocks = Extra(channels)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Return the five levels, the largest first."""
        merged = [inner(each) for inner, each in zip(self.inner_blocks, features, strict=True)]
        for level in (1, 0):
            larger = functional.interpolate(merged[level + 1], size=merged[level].shape[-2:], mode="nearest")
            merged[level] = merged[level] + larger
        levels = [layer(each) for layer, each in zip(self.layer_blocks, merged, strict=True)]
        return [*levels, *self.extra_blocks(levels[-1])]


class Head(nn.Module):
    """Convolutions that end in some values for each anchor; the last one has the name that its weights have."""

    def __init__(self, channels: int, values: int, last: str) -> None:
        super().__init__()
        self.conv = nn.Sequential()
        for _ in range(DEPTH):
            self.conv.append(nn.Conv2d(channels, channels, 3, padding=1))
            self.conv.append(nn.ReLU())
        self.add_module(last, nn.Conv2d(channels, ANCHORS * values, 3, padding=1))
        self._last, self._values = last, values

    def forward(self, levels: list[Tensor]) -> Tensor:
        """Return [n, anchors, values]: row by row of each level, the anchors of a cell together."""
        made = [self.get_submodule(self._last)(self.conv(level)) for level in levels]
        return torch.cat([each.permute(0, 2, 3, 1).reshape(len(each), -1, self._values) for each in made], 1)


class Heads(nn.Module):
    """Both heads."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.classification_head = Head(channels, classes, "cls_logits")
        self.regression_head = Head(channels, 4, "bbox_reg")


class Backbone(nn.Module):
    """The trunk and its pyramid."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = Trunk(groups=32, width=4)
        self.fpn = Pyramid(channels)


class RetinaNet(nn.Module):
    """Images, RGB in 0..1, to class logits and box deltas of all levels; the decoder is ours."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.backbone = Backbone(channels)
        self.head = Heads(channels, classes)
        for name, values in (("mean", MEAN), ("deviation", DEVIATION)):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits and deltas."""
        features = self.backbone.body.features((images - self.mean) / self.deviation)
        levels = self.backbone.fpn(features[1:])
        return self.head.classification_head(levels), self.head.regression_head(levels)


def retinanet(state: Mapping[str, Tensor]) -> tuple[nn.Module, dict[str, nn.Module]]:
    """Return the network, with as many channels and classes as the weights have."""
    weight = state["head.classification_head.cls_logits.weight"]
    network = RetinaNet(weight.shape[1], len(weight) // ANCHORS)
    return network, {"": network}
