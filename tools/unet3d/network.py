"""The network of the tiny edition: a small 3D-UNet, whose parts are the official one's."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class UNetConfig:
    """What distinguishes the tiny from the official network.

    Attributes
    ----------
    window
        Side of the cubic input, in voxels.
    classes
        Background, kidney, tumour.
    filters
        Channels of each level, the largest volume first. Unlike the official network's, the first level already halves
        the volume, and a level on the way up has one convolution: a window takes a few milliseconds.
    """

    window: int = 32
    classes: int = 3
    filters: tuple[int, ...] = (8, 16, 32)


TINY = UNetConfig()


def convolution(channels: int, filters: int, stride: int = 1) -> nn.Sequential:
    """Return a convolution whose result is normalised over its own volume and rectified."""
    return nn.Sequential(
        nn.Conv3d(channels, filters, 3, stride, padding=1, bias=False),
        nn.InstanceNorm3d(filters, affine=True),
        nn.ReLU(),
    )


class UNet3D(nn.Module):
    """From windows float32 [n, 1, S, S, S] to scores [n, classes, S, S, S]."""

    def __init__(self, config: UNetConfig = TINY) -> None:
        super().__init__()
        inner = config.filters
        self.config = config
        self.down = nn.ModuleList(
            nn.Sequential(convolution(above, here, stride=2), convolution(here, here))
            for above, here in zip((1, *inner[:-1]), inner, strict=True)
        )
        levels = list(pairwise(inner))[::-1]
        self.up = nn.ModuleList(nn.ConvTranspose3d(below, here, 2, stride=2) for here, below in levels)
        self.join = nn.ModuleList(convolution(2 * here, here) for here, _ in levels)
        self.scores = nn.ConvTranspose3d(inner[0], config.classes, 2, stride=2)

    def forward(self, windows: Tensor) -> Tensor:
        levels: list[Tensor] = []
        volume = windows
        for block in self.down:
            volume = block(volume)
            levels.append(volume)
        levels.pop()
        for widen, join in zip(self.up, self.join, strict=True):
            volume = join(torch.cat([widen(volume), levels.pop()], 1))
        scores: Tensor = self.scores(volume)
        return scores
