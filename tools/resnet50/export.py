"""Writing the classifier as ONNX with the names and types of MLPerf's ResNet-50."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import onnx
import torch

from resnet50.network import SIZE

if TYPE_CHECKING:
    from pathlib import Path

    from resnet50.network import Classifier

OPSET = 11
INPUT, CLASS, SCORES = "input_tensor:0", "ArgMax:0", "softmax_tensor:0"


def export(classifier: Classifier, path: Path) -> None:
    """Write the classifier for any batch: input ``input_tensor:0``, outputs ``ArgMax:0`` and ``softmax_tensor:0``."""
    partial = path.with_suffix(".partial")
    with warnings.catch_warnings():
        # The newer exporter cannot write opset 11, which MLPerf's model has.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            classifier.eval(),
            (torch.zeros(2, 3, SIZE, SIZE),),
            str(partial),
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[CLASS, SCORES],
            dynamic_axes={name: {0: "batch"} for name in (INPUT, CLASS, SCORES)},
        )
    model = onnx.load(str(partial))
    onnx.checker.check_model(model, full_check=True)
    if model.opset_import[0].version != OPSET:
        raise SystemExit(f"the exporter wrote opset {model.opset_import[0].version}, not {OPSET}")
    partial.replace(path)
