"""Windows for the calibration of a quantised network; none of a volume that is measured or trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_mlperf.benchmarks.sliding_window import corners
from unet3d.network import TINY
from unet3d.training import load_volumes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

VOLUMES = 16


def calibration() -> Iterator[tuple[str, dict[str, NDArray[np.float32]]]]:
    """Yield the graph's name and a feed of one window, as the benchmark cuts them: some 150, of 16 volumes."""
    side = TINY.window
    for volume in load_volumes("calibration", VOLUMES, side):
        image = volume.image.numpy()
        for corner in corners(image.shape, side):
            window = image[tuple(slice(at, at + side) for at in corner)]
            yield "", {"input": np.ascontiguousarray(window)[None, None]}
