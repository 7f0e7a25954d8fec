"""Writing the detector as ONNX with the names and the form of Ultralytics' exports."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import onnx
import torch

if TYPE_CHECKING:
    from pathlib import Path

    from yolo.network import Detector

OPSET = 13


def export(detector: Detector, path: Path) -> None:
    """Write the detector: input ``images``, output ``output0``, both for any number of images."""
    side = detector.config.input_size
    example = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    partial = path.with_suffix(".partial")
    with warnings.catch_warnings():
        # The newer exporter cannot write opset 13, which runtimes of several years read.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            detector,
            (example,),
            str(partial),
            dynamo=False,
            opset_version=OPSET,
            input_names=["images"],
            output_names=["output0"],
            dynamic_axes={"images": {0: "batch"}, "output0": {0: "batch"}},
        )
    onnx.checker.check_model(onnx.load(str(partial)), full_check=True)
    partial.replace(path)
