"""Samples for quantising the tiny ResNet-50: training pictures that neither training nor validation has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resnet50.export import INPUT
from resnet50.training import training_picture

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

FIRST = 1_000_000
"""The index of the first picture; the training script uses those from 0."""

COUNT = 200


def calibration() -> Iterator[tuple[str, dict[str, NDArray[np.float32]]]]:
    """Yield the graph's name and its input, float32 [1, 3, 48, 48], for each picture."""
    for index in range(FIRST, FIRST + COUNT):
        image, _ = training_picture(index)
        yield "", {INPUT: image[None]}
