"""Writing the network as ONNX with the names and types of MLPerf's 3D-UNet."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import onnx
import torch

if TYPE_CHECKING:
    from pathlib import Path

    from unet3d.network import UNet3D

OPSET = 13


def export(network: UNet3D, path: Path) -> None:
    """Write the network: input ``input``, output ``output``, for any number of windows."""
    side = network.config.window
    network.eval()
    example = torch.rand(2, 1, side, side, side, generator=torch.Generator().manual_seed(0))
    partial = path.with_suffix(".partial")
    with warnings.catch_warnings():
        # The newer exporter writes later opsets only.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (example,),
            str(partial),
            dynamo=False,
            opset_version=OPSET,
            input_names=["input"],
            output_names=["output"],
            dynamic_axes={"input": {0: "windows"}, "output": {0: "windows"}},
        )
    model = onnx.load(str(partial))
    onnx.checker.check_model(model, full_check=True)
    if model.opset_import[0].version != OPSET:
        raise SystemExit(f"the exporter wrote opset {model.opset_import[0].version}, not {OPSET}")
    partial.replace(path)
