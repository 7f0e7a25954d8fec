"""Writing a BERT as ONNX with the names and types of MLPerf's."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import onnx
import torch

if TYPE_CHECKING:
    from pathlib import Path

    from bert.network import Bert

OPSET = 17
INPUTS = ("input_ids", "input_mask", "segment_ids")
OUTPUTS = ("output_start_logits", "output_end_logits")


def export(network: Bert, path: Path, length: int, *, any_length: bool = True) -> None:
    """Write the network for any batch, and for any length or only `length`."""
    network.eval()
    example = tuple(torch.ones(2, length, dtype=torch.int64) for _ in INPUTS)
    axes = {0: "batch", 1: "length"} if any_length else {0: "batch"}
    with warnings.catch_warnings():
        # The newer exporter fixes what is not declared with care; opset 17 has LayerNormalization.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            example,
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=list(INPUTS),
            output_names=list(OUTPUTS),
            dynamic_axes=dict.fromkeys((*INPUTS, *OUTPUTS), axes),
        )
    onnx.checker.check_model(str(path), full_check=True)
