"""The volumes of the golden files, by formula: nothing of them is from a patient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def volume(shape: tuple[int, int, int]) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
    """Return a CT-like int16 volume of waves, and labels: an ellipsoid (1) with a smaller one (2) inside."""
    z, y, x = np.meshgrid(*[np.arange(side) for side in shape], indexing="ij")
    values = ((z * 37 + y * 11 + x * 7 + (z * y) // 5 + (x * y) // 9) % 1500).astype(np.int16) - np.int16(700)
    labels = np.zeros(shape, np.uint8)
    middle = [side // 2 for side in shape]
    distance = sum(
        ((axis - centre) / (side * part)) ** 2
        for axis, centre, side, part in zip((z, y, x), middle, shape, (0.3, 0.25, 0.2), strict=True)
    )
    labels[distance < 1] = 1
    labels[distance < 0.15] = 2
    return values, labels


def named(both: tuple[NDArray[np.int16], NDArray[np.uint8]]) -> list[tuple[str, NDArray[Any]]]:
    """Return the names of KiTS19's files, and what belongs into them."""
    image, labels = both
    return [("imaging", image), ("segmentation", labels)]
