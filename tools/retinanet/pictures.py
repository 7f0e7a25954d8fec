"""From a JPEG file to the network's input, by MLPerf's recipe; changes only if that recipe does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def load_image(path: Path) -> NDArray[np.uint8]:
    """Return an image as uint8 [height, width, 3], RGB, turned as its EXIF data say."""
    with Image.open(path) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def resize_bilinear(image: NDArray[np.uint8], height: int, width: int, *, offset: float = 0.5) -> NDArray[np.float32]:
    """Return the image stretched to float32 [height, width, 3], bilinear, without antialiasing.

    Pixels are squares whose centres lie at ``offset``: 0.5 is MLPerf's way, 0 a common mistake. Beyond the
    edges the image goes on as its outermost pixels.
    """
    rows, row_weights = _taps(image.shape[0], height, offset)
    columns, column_weights = _taps(image.shape[1], width, offset)
    top, bottom = image[rows[0]].astype(np.float32), image[rows[1]].astype(np.float32)
    tall = top + (bottom - top) * row_weights[:, None, None]
    left, right = tall[:, columns[0]], tall[:, columns[1]]
    return np.asarray(left + (right - left) * column_weights[None, :, None], np.float32)


def _taps(
    source: int, target: int, offset: float
) -> tuple[tuple[NDArray[np.intp], NDArray[np.intp]], NDArray[np.float32]]:
    """Return the two source pixels of each target pixel, and the weight of the second."""
    position = np.clip((np.arange(target) + offset) * (source / target) - offset, 0, source - 1)
    first = np.floor(position).astype(np.intp)
    second = np.minimum(first + 1, source - 1)
    return (first, second), (position - first).astype(np.float32)


def to_input(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return an RGB picture [S, S, 3] in 0..255 as the network's input [1, 3, S, S] in 0..1."""
    return np.ascontiguousarray((image / np.float32(255)).transpose(2, 0, 1)[None])
