"""ResNet-50 v1.5 and ResNeXt-50, with the names of torchvision's weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Blocks of each stage, and how many channels a block returns for each that it computes with.
STAGES, EXPANSION = (3, 4, 6, 3), 4


class Bottleneck(nn.Module):
    """Three convolutions beside a shortcut; the second one has the stride, which is what makes it v1.5."""

    def __init__(self, before: int, planes: int, width: int, groups: int, stride: int) -> None:
        super().__init__()
        after = EXPANSION * planes
        self.conv1 = nn.Conv2d(before, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, groups=groups, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, after, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(after)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride != 1 or before != after:
            self.downsample = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, value: Tensor) -> Tensor:
        """Return the sum of both ways."""
        shortcut = value if self.downsample is None else self.downsample(value)
        value = self.relu(self.bn1(self.conv1(value)))
        value = self.relu(self.bn2(self.conv2(value)))
        summed: Tensor = self.relu(self.bn3(self.conv3(value)) + shortcut)
        return summed


class Trunk(nn.Module):
    """Everything before the classes.

    Parameters
    ----------
    groups, width
        Groups of the second convolutions, and their channels in each group for 64 of the stage.
    """

    def __init__(self, groups: int = 1, width: int = 64) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        before = 64
        for number, blocks in enumerate(STAGES):
            planes = 64 << number
            stage = nn.Sequential()
            for block in range(blocks):
                stride = 2 if number and not block else 1
                stage.append(Bottleneck(before, planes, planes * width // 64 * groups, groups, stride))
                before = EXPANSION * planes
            self.add_module(f"layer{number + 1}", stage)

    def features(self, images: Tensor) -> list[Tensor]:
        """Return what each stage returns."""
        value = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        found = []
        for number in range(len(STAGES)):
            value = self.get_submodule(f"layer{number + 1}")(value)
            found.append(value)
        return found


class ResNet(Trunk):
    """The classifier: images to the scores of each class."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.fc = nn.Linear(512 * EXPANSION, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return the scores, without softmax."""
        scores: Tensor = self.fc(self.features(images)[-1].mean((2, 3)))
        return scores


def resnet50(state: Mapping[str, Tensor]) -> tuple[nn.Module, dict[str, nn.Module]]:
    """Return the network, with as many classes as the weights have."""
    network = ResNet(len(state["fc.bias"]))
    return network, {"": network}


def fuse(network: nn.Module) -> None:
    """Let each convolution do what the normalisation behind it does; only for inference."""
    for module in network.modules():
        children = dict(module.named_children())
        for name, norm in children.items():
            before = f"conv{name[2:]}" if name.startswith("bn") else "0"  # the shortcut is a sequence of the two
            if isinstance(norm, nn.BatchNorm2d) and isinstance(children.get(before), nn.Conv2d):
                setattr(module, before, fuse_conv_bn_eval(children[before], norm))
                setattr(module, name, nn.Identity())
