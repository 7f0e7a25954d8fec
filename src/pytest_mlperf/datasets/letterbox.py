"""Fits images into a square with grey borders, as Ultralytics' predict does with OpenCV."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from pytest_mlperf.datasets.fixed_point_resize import resize_linear
from pytest_mlperf.datasets.images import load_image
from pytest_mlperf.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

BORDER: Final = 114
"""The grey level of the borders."""

_LEVELS: Final = np.arange(256, dtype=np.float32) / np.float32(255)


@dataclass(frozen=True)
class Letterbox:
    """How an image lies in a square: scaled by one factor, also up, in the middle.

    Attributes
    ----------
    height, width
        The image's size in pixels.
    size
        Side of the square in pixels.
    """

    height: int
    width: int
    size: int

    @property
    def gain(self) -> float:
        """Pixels of the square for a pixel of the image."""
        return min(self.size / self.height, self.size / self.width)

    @property
    def inner(self) -> tuple[int, int]:
        """Height and width of the scaled image, at least a pixel."""
        return max(round(self.height * self.gain), 1), max(round(self.width * self.gain), 1)

    @property
    def corner(self) -> tuple[int, int]:
        """Top and left of the scaled image; where the border is odd, the lesser part comes first."""
        height, width = self.inner
        return round((self.size - height) / 2 - 0.1), round((self.size - width) / 2 - 0.1)


def preprocess_letterbox(path: Path, size: int, annotated: tuple[int, int] | None = None) -> NDArray[np.float32]:
    """Decode an image and fit it into a square, in planes of 0..1.

    Parameters
    ----------
    path
        The image file.
    size
        Side of the square in pixels; 640 for YOLO.
    annotated
        The width and height that the image must have, in pixels.

    Returns
    -------
    numpy.ndarray
        ``float32[3, size, size]``, channels in the order red, green, blue.

    Raises
    ------
    DatasetError
        As from `pytest_mlperf.datasets.images.load_image`; or the image has another size than `annotated`.
    """
    image = load_image(path)
    height, width, _ = image.shape
    if annotated is not None and (width, height) != annotated:
        raise DatasetError(
            f"image {path} does not have its annotated size",
            expected=f"{annotated[0]}x{annotated[1]} pixels",
            found=f"{width}x{height} pixels",
            fix="replace it with the file of the data set: boxes are in pixels of the annotated size",
        )
    return planes(letterbox(image, size))


def planes(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the channels of ``uint8[h, w, 3]`` as ``float32[3, h, w]`` in 0..1."""
    return _LEVELS.take(np.ascontiguousarray(image.transpose(2, 0, 1)))


def letterbox(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Return the image, ``uint8[h, w, 3]``, in the middle of a grey square, ``uint8[size, size, 3]``."""
    box = Letterbox(image.shape[0], image.shape[1], size)
    (height, width), (top, left) = box.inner, box.corner
    square = np.full((size, size, 3), BORDER, np.uint8)
    square[top : top + height, left : left + width] = resize_linear(image, height, width)
    return square
