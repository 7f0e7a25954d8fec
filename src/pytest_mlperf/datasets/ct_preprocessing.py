"""Resamples, clips, pads and crops volumes with the arithmetic of preprocess.py of mlcommons/inference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

LOWEST, HIGHEST = -79.0, 304.0  # Hounsfield units
MEAN, DEVIATION = 101.0, 76.9
#: The normalised value around a volume that is made larger.
OUTSIDE = -2.2


class Margin(NamedTuple):
    """How much an axis gets or loses, in voxels: at its start and at its end."""

    before: int
    after: int


def preprocess_image(
    image: NDArray[np.float32], spacing: Sequence[float], target: Sequence[float], window: int
) -> NDArray[np.float32]:
    """Return a volume as the network sees it.

    Parameters
    ----------
    image
        float32 ``[D, H, W]`` in Hounsfield units.
    spacing, target
        The sides of its voxels, and those wanted, in millimetres.
    window
        The side of the sliding window, in voxels.

    Returns
    -------
    ndarray
        float32, normalised, each side a multiple of half a window and at least a window.
    """
    image = _zoom(image, spacing, target, order=1)
    image = np.clip(image, LOWEST, HIGHEST)
    image -= MEAN
    image /= DEVIATION
    return fit(image, window, OUTSIDE)


def preprocess_labels(
    labels: NDArray[np.uint8], spacing: Sequence[float], target: Sequence[float], window: int
) -> NDArray[np.uint8]:
    """Return the labels, uint8 ``[D, H, W]``, of what `preprocess_image` makes of their volume."""
    return fit(_zoom(labels, spacing, target, order=0), window, 0)


def _zoom(volume: NDArray[Any], spacing: Sequence[float], target: Sequence[float], order: int) -> NDArray[Any]:
    """Resample; 1.6 in single precision is not 1.6, so that even a volume with the spacing wanted is."""
    if list(spacing) == list(target):
        return volume
    from scipy.ndimage import zoom

    factors = np.array(spacing) / np.array(target)
    resampled: NDArray[Any] = zoom(volume, factors, order=order, mode="constant", cval=volume.min(), grid_mode=False)
    return resampled


def fit(volume: NDArray[Any], window: int, outside: float) -> NDArray[Any]:
    """Give each axis at least a window, and a multiple of half a window: by repeating edges, cropping, and padding."""
    if any(side < window for side in volume.shape):
        volume = np.pad(volume, [_halves(max(0, window - side)) for side in volume.shape], mode="edge")
    stride = window // 2
    # What exceeds a multiple by less than half a stride is cut off; more is filled up.
    cut = [_halves(side % stride if side % stride < stride // 2 else 0) for side in volume.shape]
    volume = volume[tuple(slice(m.before, side - m.after) for m, side in zip(cut, volume.shape, strict=True))]
    added = [_halves(-side % stride) for side in volume.shape]
    padded = np.pad(volume, added, mode="constant", constant_values=outside)
    return np.ascontiguousarray(padded)


def _halves(total: int) -> Margin:
    return Margin(total // 2, total - total // 2)
