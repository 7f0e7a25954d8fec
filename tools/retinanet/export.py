"""Writing a detector as ONNX with the names and types of MLPerf's RetinaNet."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import onnx
import torch

if TYPE_CHECKING:
    from pathlib import Path

    from retinanet.detector import Detector

OPSET = 13


def export(detector: Detector, path: Path) -> None:
    """Write the detector: input ``images``, outputs ``boxes``, ``scores``, ``labels`` in this order."""
    side = detector.network.config.input_size
    detector.eval()
    example = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    partial = path.with_suffix(".partial")
    with warnings.catch_warnings():
        # The newer exporter cannot write opset 13, which MLPerf's model has.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            detector,
            (example,),
            str(partial),
            dynamo=False,
            opset_version=OPSET,
            input_names=["images"],
            output_names=["boxes", "scores", "labels"],
            dynamic_axes={
                "boxes": {0: "detections"},
                "scores": {0: "detections"},
                "labels": {0: "detections"},
            },
        )
    model = onnx.load(str(partial))
    onnx.checker.check_model(model, full_check=True)
    if model.opset_import[0].version != OPSET:
        raise SystemExit(f"the exporter wrote opset {model.opset_import[0].version}, not {OPSET}")
    partial.replace(path)
