"""A benchmark whose files have the inputs and outputs of the official .tflite files: scores, quantised, undescribed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_mlperf.benchmarks.base import ModelFile
from pytest_mlperf.benchmarks.resnet50 import TINY
from pytest_mlperf.datasets.classification import DigitPictures
from pytest_mlperf.shipped import shipped

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlperf.datasets.base import Samples


@dataclass(frozen=True)
class SamePictures(DigitPictures):
    """Pictures with the channels first for every file: these are made from one that wants them so."""

    def open(self, directory: Path, count: int, variant: str) -> Samples:
        del variant
        return super().open(directory, count, "")


#: Their graphs are not known: the file says what it has, and a sample what goes in.
SCORED = replace(
    TINY,
    dataset=SamePictures("pictures of digits", 48, size=4000),
    models=(
        ModelFile("tflite", "fp32", shipped("resnet50-tiny.tflite"), variant="NHWC-scores"),
        ModelFile("tflite", "int8", shipped("resnet50-tiny-int8.tflite"), variant="edgetpu"),
    ),
)
