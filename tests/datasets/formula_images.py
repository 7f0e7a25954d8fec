"""The images of the golden data of ResNet-50, by formula."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def smooth(height: int, width: int) -> NDArray[np.uint8]:
    """Return triangle waves, RGB uint8 [height, width, 3]."""
    y, x = np.mgrid[:height, :width].astype(np.int64)[..., None]
    channel = np.arange(3)
    wave = (x * (3 + channel) + y * (5 - channel) + (x * y // (16 + 8 * channel))) % 512
    folded: NDArray[np.uint8] = np.where(wave < 256, wave, 511 - wave).astype(np.uint8)
    return folded


def hashy(height: int, width: int) -> NDArray[np.uint8]:
    """Return noise of a hash, RGB uint8 [height, width, 3]."""
    y, x = np.mgrid[:height, :width].astype(np.uint64)[..., None]
    value = x * np.uint64(2654435761) + y * np.uint64(40503) + np.arange(3, dtype=np.uint64) * np.uint64(97)
    value ^= value >> np.uint64(13)
    value = (value * np.uint64(2246822519)) & np.uint64(0xFFFFFFFF)
    value ^= value >> np.uint64(16)
    noise: NDArray[np.uint8] = (value & np.uint64(255)).astype(np.uint8)
    return noise


GENERATORS = {"smooth": smooth, "hashy": hashy}
