"""Resizes 8-bit images between two neighbours on each axis in fixed point, as OpenCV does; bit for bit its result."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Placing = Callable[[int, int], tuple[NDArray[np.int64], NDArray[np.float32]]]

_ONE: Final = 2048
"""The weight 1: OpenCV's weights have 11 bits after the point."""


class Window(NamedTuple):
    """A part of an image, in pixels."""

    top: int
    left: int
    height: int
    width: int


class _Axis(NamedTuple):
    low: NDArray[np.intp]
    high: NDArray[np.intp]
    weights: NDArray[np.int32]
    """int32 [2, target]: of the low and the high neighbour, together 2048."""


def resize_linear(image: NDArray[np.uint8], height: int, width: int, window: Window | None = None) -> NDArray[np.uint8]:
    """Resize as ``cv2.resize(image, (width, height), interpolation=INTER_LINEAR)`` does to 8 bits.

    Parameters
    ----------
    image
        uint8 [any height, any width, channels].
    height, width
        Size of the result in pixels.
    window
        The part of the result that is wanted; by default all.

    Returns
    -------
    numpy.ndarray
        uint8 [window height, window width, channels].
    """
    return resize_between(image, height, width, window or Window(0, 0, height, width), at_centres)


def resize_between(
    image: NDArray[np.uint8], height: int, width: int, window: Window, placing: Placing
) -> NDArray[np.uint8]:
    """Resize between the neighbours that `placing` gives to each pixel of a side; see `resize_linear`."""
    rows = _rows(image.shape[0], height, window.top, window.height, placing)
    columns = _columns(image.shape[1], width, window.left, window.width, placing)
    first, last = int(rows.low.min()), int(rows.high.max()) + 1
    strip = image[first:last].astype(np.int32)
    across = strip.take(columns.low, 1) * columns.weights[0][:, None]
    across += strip.take(columns.high, 1) * columns.weights[1][:, None]
    across >>= 4
    near = across.take(rows.low - first, 0) * rows.weights[0][:, None, None]
    near >>= 16
    far = across.take(rows.high - first, 0) * rows.weights[1][:, None, None]
    far >>= 16
    near += far
    near += 2
    near >>= 2
    result: NDArray[np.uint8] = near.clip(0, 255).astype(np.uint8)
    return result


def at_centres(source: int, target: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the lower neighbour of each pixel's centre, and how far towards the next one it lies."""
    position = ((np.arange(target) + 0.5) * (1 / (target / source)) - 0.5).astype(np.float32)  # rounded as in OpenCV
    low = np.floor(position)
    return low.astype(np.int64), position - low


@lru_cache(maxsize=256)
def _columns(source: int, target: int, start: int, count: int, placing: Placing) -> _Axis:
    """Left and right neighbours; beyond the first and the last pixel, one has the whole weight."""
    low, part = placing(source, target)
    part = np.where((low < 0) | (low >= source - 1), np.float32(0), part)
    return _neighbours(low[start : start + count], part[start : start + count], source)


@lru_cache(maxsize=256)
def _rows(source: int, target: int, start: int, count: int, placing: Placing) -> _Axis:
    """Upper and lower neighbours; at the edges both are the same row, and each product is cut off for itself."""
    low, part = placing(source, target)
    return _neighbours(low[start : start + count], part[start : start + count], source)


def _neighbours(low: NDArray[np.int64], part: NDArray[np.float32], source: int) -> _Axis:
    weights = np.stack([np.rint((np.float32(1) - part) * _ONE), np.rint(part * _ONE)]).astype(np.int32)
    return _Axis(low.clip(0, source - 1).astype(np.intp), (low + 1).clip(0, source - 1).astype(np.intp), weights)
