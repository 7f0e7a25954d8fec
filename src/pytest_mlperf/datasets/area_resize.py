"""Resizes 8-bit images by areas as OpenCV's INTER_AREA does, in numpy."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from pytest_mlperf.datasets.fixed_point_resize import Window, resize_between

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LEAST_PART: Final = 1e-3
"""A smaller part of a source pixel is left out."""

# Output rows that are computed together. With few rows, threads wait for each other between the many short operations.
_BLOCK_ROWS: Final = 112


class _Taps(NamedTuple):
    """Which source pixels make each target pixel along a side, first to last.

    Attributes
    ----------
    places
        intp [most, target]: the source pixels; any where the weight is 0.
    weights
        float32 [most, target]: the part of the target pixel that each covers, 0 for those that it does not have.
    """

    places: NDArray[np.intp]
    weights: NDArray[np.float32]


def resize_area(image: NDArray[np.uint8], height: int, width: int, window: Window | None = None) -> NDArray[np.uint8]:
    """Resize as ``cv2.resize(image, (width, height), interpolation=INTER_AREA)`` does.

    A reduced image has the mean over the area of each pixel. Weights, products and sums are single precision and in
    OpenCV's order, across first; only where it fuses a product and a sum may a value differ, by one level. An image
    that is enlarged along either side is interpolated in fixed point, bit for bit.

    Parameters
    ----------
    image
        uint8 [any height, any width, 3], or with a fourth channel that is carried along.
    height, width
        Size of the result in pixels.
    window
        The part of the result that is wanted; by default all. Only this part is computed.

    Returns
    -------
    numpy.ndarray
        uint8 [window height, window width, channels].
    """
    window = window or Window(0, 0, height, width)
    high, wide, _ = image.shape
    if (high, wide) == (height, width):
        return image[window.top : window.top + window.height, window.left : window.left + window.width].copy()
    if high < height or wide < width:
        return resize_between(image, height, width, window, _by_edges)
    if high % height == 0 and wide % width == 0:
        return _whole_pixels(image, high // height, wide // width, window)
    return _parts_of_pixels(image, height, width, window)


def _by_edges(source: int, target: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the lower neighbour of each enlarged pixel, and the part of it that lies on the next one."""
    scale = 1 / (target / source)  # in OpenCV's order of divisions: it decides where a pixel's edge is
    each = np.arange(target)
    low = np.floor(each * scale).astype(np.int64)
    part = ((each + 1) - (low + 1) * (target / source)).astype(np.float32)
    return low, np.where(part <= 0, np.float32(0), part - np.floor(part))


def _whole_pixels(image: NDArray[np.uint8], rows: int, columns: int, window: Window) -> NDArray[np.uint8]:
    """Reduce by whole factors: sums of integers, rounded up at a half for 2 × 2, else to the even one."""
    top, left = window.top * rows, window.left * columns
    part = image[top : top + window.height * rows, left : left + window.width * columns]
    sums = np.zeros((window.height, window.width, image.shape[2]), np.uint32)
    for row in range(rows):
        for column in range(columns):
            sums += part[row::rows, column::columns]
    if (rows, columns) == (2, 2):
        means = (sums + 2) >> 2
    else:
        means = np.rint(sums.astype(np.float32) * np.float32(1 / (rows * columns)))
    result: NDArray[np.uint8] = means.astype(np.uint8)
    return result


def _parts_of_pixels(image: NDArray[np.uint8], height: int, width: int, window: Window) -> NDArray[np.uint8]:
    """Reduce by any factor of at least 1."""
    down = _taps(image.shape[0], height, window.top, window.height)
    across = _taps(image.shape[1], width, window.left, window.width)
    left, right = int(across.places.min()), int(across.places.max()) + 1
    columns = _Taps(across.places - left, np.repeat(across.weights, 4, axis=1))
    result = np.empty((window.height, window.width, 4), np.uint8)
    blocks = _blocks(down)
    room = _Room(max(len(block.sources) for block in blocks), right - left, window.width)
    for block in blocks:
        room.pixels[: len(block.sources), :, : image.shape[2]] = image[block.rows_of_source, left:right]
        means = _means_across(room, len(block.sources), columns)
        sums = _means_down(room, means, block.taps)
        np.copyto(result[block.rows].reshape(sums.shape), np.rint(sums, out=sums), casting="unsafe")
    return result[..., : image.shape[2]]


class _Block(NamedTuple):
    """Some rows of the result: which, the source rows that they need, and their taps among these."""

    rows: slice
    sources: range
    taps: _Taps

    @property
    def rows_of_source(self) -> slice:
        return slice(self.sources.start, self.sources.stop)


def _blocks(down: _Taps) -> list[_Block]:
    count = down.places.shape[1]
    blocks = []
    for start in range(0, count, _BLOCK_ROWS):
        rows = slice(start, min(start + _BLOCK_ROWS, count))
        places = down.places[:, rows]
        sources = range(int(places.min()), int(places.max()) + 1)
        blocks.append(_Block(rows, sources, _Taps(places - sources.start, down.weights[:, rows])))
    return blocks


class _Room:
    """Where a block is computed, once for all blocks: new memory costs page faults, especially in threads.

    A pixel is four float32, so that it can be picked as one value of 16 bytes.
    """

    def __init__(self, rows: int, source_columns: int, columns: int) -> None:
        self.pixels = np.zeros((rows, source_columns, 4), np.float32)
        self.picked = np.empty((rows, columns), np.complex128)
        self.means = np.empty((rows, 4 * columns), np.float32)
        self.sums, self.products = np.empty((2, _BLOCK_ROWS, 4 * columns), np.float32)


def _means_across(room: _Room, rows: int, taps: _Taps) -> NDArray[np.float32]:
    """Return float32 [rows, 4 * columns]: each row's weighted sums, the leftmost pixel first."""
    pixels = room.pixels[:rows].reshape(rows, -1).view(np.complex128)
    picked, means = room.picked[:rows], room.means[:rows]
    products = picked.view(np.float32)
    for tap, (places, weights) in enumerate(zip(*taps, strict=True)):
        # "wrap" writes straight into `out`, where "raise" makes a copy; every index is in range.
        np.take(pixels, places, axis=1, out=picked, mode="wrap")
        if tap == 0:
            np.multiply(products, weights, out=means)
        else:
            means += np.multiply(products, weights, out=products)
    return means


def _means_down(room: _Room, means: NDArray[np.float32], taps: _Taps) -> NDArray[np.float32]:
    """Return float32 [rows, 4 * columns]: the weighted sums of rows, the topmost first."""
    rows = taps.places.shape[1]
    sums, products = room.sums[:rows], room.products[:rows]
    for tap, (places, weights) in enumerate(zip(*taps, strict=True)):
        picked = sums if tap == 0 else products
        np.take(means, places, axis=0, out=picked, mode="wrap")
        picked *= weights[:, None]
        if tap:
            sums += products
    return sums


@lru_cache(maxsize=512)
def _taps(source: int, target: int, start: int, count: int) -> _Taps:
    """Return the taps of `count` target pixels from `start`: what each pixel's ``[begin, end)`` covers."""
    scale = 1 / (target / source)  # in OpenCV's order of divisions
    begin = np.arange(start, start + count) * scale
    end = begin + scale
    cell = np.minimum(scale, source - begin)
    last = np.minimum(np.floor(end), source - 1)
    first = np.minimum(np.ceil(begin), last)
    left = first - begin > _LEAST_PART
    right = end - last > _LEAST_PART
    taps = int((left + last - first + right).max())
    places = first - left + np.arange(taps)[:, None]
    weights = np.where(places < last, 1 / cell, 0)
    np.copyto(weights, (first - begin) / cell, where=places < first)
    np.copyto(weights, np.minimum(np.minimum(end - last, 1), cell) / cell, where=(places == last) & right)
    return _Taps(np.minimum(places, source - 1).astype(np.intp), weights.astype(np.float32))
