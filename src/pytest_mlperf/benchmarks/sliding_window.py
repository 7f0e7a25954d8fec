"""Segments volumes of any size with a network for windows, with the arithmetic of MLPerf's reference for 3D-UNet."""

from __future__ import annotations

from functools import lru_cache
from itertools import islice, product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    #: From windows ``[n, 1, S, S, S]`` to the scores of their voxels, ``[n, classes, S, S, S]``, both float32.
    Network = Callable[[NDArray[np.float32]], NDArray[np.float32]]
    Corner = tuple[int, int, int]

CLASSES = 3
#: The deviation of the weights, as a part of the window's side.
DEVIATION = 0.125
#: Voxels that are weighted at once: as much as a core's own cache holds.
_BLOCK_VOXELS = 1 << 16


class _Task(NamedTuple):
    volume: int
    corner: Corner


def segment(
    network: Network, volumes: Sequence[NDArray[np.float32]], window: int, batch: int
) -> list[NDArray[np.uint8]]:
    """Return the class of each voxel: that with the highest mean score of all windows over the voxel.

    Windows overlap by half. Scores are weighted by a bell curve, summed in the reference's order, and divided by the
    sum of the weights, all in single precision, so that the classes are the reference's to the last voxel.

    Parameters
    ----------
    network
        Called with up to `batch` windows, which may be of several volumes. Their memory is used again for the next
        call, after the scores of this one have been added.
    volumes
        float32 ``[D, H, W]`` each, sides multiples of half a window.
    window
        The side of a window, in voxels; even.
    batch
        The most windows in a call.

    Returns
    -------
    list of ndarray
        uint8 ``[D, H, W]`` for each volume.
    """
    tasks = (_Task(place, corner) for place, volume in enumerate(volumes) for corner in corners(volume.shape, window))
    sums: dict[int, Sums] = {}
    done: list[NDArray[np.uint8]] = []
    windows = np.empty((batch, 1, window, window, window), np.float32)  # new memory costs more than what is put there
    while some := list(islice(tasks, batch)):
        scores = network(_cut(volumes, some, windows[: len(some)]))
        for task, score in zip(some, scores, strict=True):
            if task.volume not in sums:
                sums[task.volume] = Sums(volumes[task.volume].shape, window)
            sums[task.volume].add(task.corner, score)
        # A volume's sums are three times as large as itself: they go as soon as its last window is in.
        done += [sums.pop(place).classes() for place in sorted(sums) if not sums[place].waiting]
    return done


def corners(shape: tuple[int, ...], window: int) -> Iterator[Corner]:
    """Yield the first voxel of each window, the last axis fastest."""
    stride = window // 2
    d, h, w = (range(0, side - window + 1, stride) for side in shape)
    return product(d, h, w)


@lru_cache(maxsize=4)
def weights(window: int) -> NDArray[np.float32]:
    """Return the weights of a window's voxels: float32 ``[S, S, S]``, 1 in the middle."""
    places = np.arange(window) - (window - 1) / 2
    deviation = DEVIATION * window
    line = np.exp(-(places**2) / (2 * deviation * deviation))
    plane = np.outer(line, line)
    cube = np.cbrt(np.outer(plane, line).reshape(window, window, window))
    cube /= cube.max()
    return cube.astype(np.float32)


@lru_cache(maxsize=4)
def weight_sums(window: int) -> NDArray[np.float32]:
    """Return the sums of the weights over a volume of three strides a side: float32 ``[3 S/2, 3 S/2, 3 S/2]``.

    A voxel is in the first stride of a volume along an axis, and then one window covers it; or in the last; or between,
    and then two windows do. So these 27 blocks are all that a volume of any size has.
    """
    side = window + window // 2
    total = np.zeros((side, side, side), np.float32)
    for corner in corners(total.shape, window):
        total[_block(corner, window)] += weights(window)
    return total


class Sums:
    """The weighted scores of one volume; ``waiting`` is the number of windows that are still to come.

    Parameters
    ----------
    shape
        Of the volume.
    window
        The side of a window, in voxels.
    """

    def __init__(self, shape: tuple[int, ...], window: int) -> None:
        self._window = window
        self._weights = weights(window)
        self._sums = np.zeros((CLASSES, *shape), np.float32)
        self._planes = max(1, _BLOCK_VOXELS // window**2)
        self._weighted = np.empty((self._planes, window, window), np.float32)
        self.waiting = sum(1 for _ in corners(shape, window))

    def add(self, corner: Corner, scores: NDArray[np.float32]) -> None:
        """Add a window's scores: float32 ``[classes, S, S, S]``; windows come in the order of `corners`."""
        window = self._window
        for of_class, total in zip(scores, self._sums, strict=True):
            target = total[_block(corner, window)]
            for start in range(0, window, self._planes):
                planes = slice(start, min(start + self._planes, window))
                weighted = self._weighted[: planes.stop - start]
                np.multiply(of_class[planes], self._weights[planes], out=weighted)
                target[planes] += weighted
        self.waiting -= 1

    def classes(self) -> NDArray[np.uint8]:
        """Return the class of each voxel, uint8 ``[D, H, W]``: the lowest of those with the highest mean score."""
        stride, shape = self._window // 2, self._sums.shape[1:]
        found = np.empty(shape, np.uint8)
        for corner in product(*(range(0, side, stride) for side in shape)):
            first_last = zip(corner, shape, strict=True)
            kind = tuple(0 if at == 0 else 2 * stride if at + stride >= side else stride for at, side in first_last)
            here = _block(corner, stride)
            self._divide(self._sums[(slice(None), *here)], weight_sums(self._window)[_block(kind, stride)], found[here])
        return found

    def _divide(self, sums: NDArray[np.float32], by: NDArray[np.float32], found: NDArray[np.uint8]) -> None:
        """Put the classes of one block in `found`, a few planes at a time."""
        planes = max(1, _BLOCK_VOXELS // by[0].size)
        means = np.empty((CLASSES, planes, *by.shape[1:]), np.float32)
        for start in range(0, len(by), planes):
            some = slice(start, min(start + planes, len(by)))
            found[some] = highest(np.divide(sums[:, some], by[some], out=means[:, : some.stop - start]))


def highest(scores: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the class with the highest score, as argmax over the first axis does, which is several times slower."""
    best, classes = scores[0], np.zeros(scores.shape[1:], np.uint8)
    for number, of_class in enumerate(scores[1:], 1):
        higher = (of_class > best).view(np.uint8)
        np.maximum(classes, np.multiply(higher, np.uint8(number), out=higher), out=classes)
        best = np.maximum(best, of_class)
    if np.isnan(best.max()):  # the only values that a comparison and argmax take differently
        classes[...] = scores.argmax(0)
    return classes


def _cut(
    volumes: Sequence[NDArray[np.float32]], tasks: Sequence[_Task], windows: NDArray[np.float32]
) -> NDArray[np.float32]:
    for row, task in zip(windows[:, 0], tasks, strict=True):
        row[...] = volumes[task.volume][_block(task.corner, len(row))]
    return windows


def _block(corner: tuple[int, ...], side: int) -> tuple[slice, ...]:
    return tuple(slice(start, start + side) for start in corner)
