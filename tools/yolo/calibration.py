"""Inputs to calibrate the tiny detector's int8 form with: training scenes, so none of those that it is scored on."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlperf.datasets.digit_scenes import file_name, generate
from pytest_mlperf.datasets.letterbox import preprocess_letterbox
from yolo.config import TINY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_mlperf.backends.base import Inputs

SCENES = 128


def calibration() -> Iterator[tuple[str, Inputs]]:
    """Yield the name of the graph and its inputs, a scene a time.

    Only the convolutions are for int8: after them, boxes in pixels and scores up to 1 share a tensor.
    """
    with tempfile.TemporaryDirectory() as directory:
        scenes = Path(directory)
        generate(scenes, "train", SCENES, workers=1)
        for index in range(SCENES):
            path = scenes / "train" / "data" / file_name(index)
            yield "", {"images": preprocess_letterbox(path, TINY.input_size)[None]}
