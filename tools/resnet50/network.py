"""A ResNet v1.5 of bottleneck blocks, with the classes and the graph of MLPerf's ResNet-50."""

from __future__ import annotations

import torch
from torch import Tensor, nn

SIZE = 48
"""Side of the input in pixels."""

CLASSES = 20
"""Classes of the data set; the network has one more, the background, which is class 0."""

_STEM = 24
_MIDDLES = (16, 24, 32, 48)
_EXPANSION = 4
_BLOCKS = (1, 2, 2, 1)
# The deviation of grey levels: as in the official graph there is none in the preprocessing.
_GREY_LEVELS = 64.0


def _conv_norm(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs))


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 and a shortcut. As in v1.5 the 3x3 has the stride, not the first 1x1."""

    def __init__(self, inputs: int, middle: int, stride: int) -> None:
        super().__init__()
        outputs = _EXPANSION * middle
        self.body = nn.Sequential(
            _conv_norm(inputs, middle, 1),
            nn.ReLU(),
            _conv_norm(middle, middle, 3, stride),
            nn.ReLU(),
            _conv_norm(middle, outputs, 1),
        )
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else _conv_norm(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))


class ResNet(nn.Module):
    """Logits [n, 21] of images [n, 3, 48, 48], RGB in grey levels less the means."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(_conv_norm(3, _STEM, 5, 2), nn.ReLU())
        blocks: list[nn.Module] = []
        inputs = _STEM
        for stage, (middle, count) in enumerate(zip(_MIDDLES, _BLOCKS, strict=True)):
            for number in range(count):
                blocks.append(Bottleneck(inputs, middle, 2 if number == 0 and stage else 1))
                inputs = _EXPANSION * middle
        self.blocks = nn.Sequential(*blocks)
        self.classes = nn.Linear(inputs, 1 + CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        features = self.blocks(self.stem(images / _GREY_LEVELS))
        logits: Tensor = self.classes(features.mean((2, 3)))
        return logits


class Classifier(nn.Module):
    """The graph of MLPerf's ResNet-50: the class, 0 for the background, and the scores."""

    def __init__(self, network: ResNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return classes int64 [n] and scores float32 [n, 21]."""
        scores = torch.softmax(self.network(images), 1)
        return scores.argmax(1), scores
