"""Real inputs of the tiny editions, on which a converted model must agree with its ONNX file."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

#: Samples that are compared. One random image hides what is wrong.
COUNT = 8


def pictures(size: int, name: str) -> Mapping[str, NDArray[Any]]:
    """Return pictures of digits as a classifier's input: float32 ``[n, 3, size, size]``."""
    import numpy as np

    from pytest_mlperf.datasets.digit_pictures import generate
    from pytest_mlperf.datasets.imagenet import ImageNetSamples

    with tempfile.TemporaryDirectory() as place:
        generate(Path(place), COUNT)
        samples = ImageNetSamples(Path(place), COUNT, size, name, "")
        return {name: np.stack([samples[index][name] for index in range(COUNT)])}


def scenes(size: int) -> Mapping[str, NDArray[Any]]:
    """Return scenes of digits as a detector's input: float32 ``[n, 3, size, size]``."""
    import numpy as np

    from pytest_mlperf.datasets.digit_scenes import generate
    from pytest_mlperf.datasets.images import preprocess_stretch
    from pytest_mlperf.datasets.openimages import image_paths

    with tempfile.TemporaryDirectory() as place:
        generate(Path(place), "validation", COUNT)
        return {"images": np.stack([preprocess_stretch(path, size) for path in image_paths(Path(place), COUNT)])}
