"""A stand-in for official 3D-UNet: a network that reads brightness, and three small cases in KiTS19's layout."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pytest_mlperf.datasets.kits19_cases import IMAGE, INFERENCE_CASES, LABEL
from pytest_mlperf.datasets.nifti_writing import nifti_bytes
from tests.datasets.ct_volumes import volume

if TYPE_CHECKING:
    from pathlib import Path

#: Slices and pixels of each case, and the sides of its voxels in millimetres.
CASES = (
    ((40, 120, 120), (3.0, 0.9, 0.9)),
    ((60, 110, 200), (2.0, 1.1, 1.1)),
    ((26, 160, 150), (5.0, 0.78125, 0.78125)),
)
#: Of background, kidney and tumour: the network tells them apart by that alone.
HOUNSFIELD = np.array([-70, 80, 230], np.int16)


def make(directory: Path) -> tuple[Path, Path]:
    """Write both; return the model's path and the data set's."""
    directory.mkdir(parents=True, exist_ok=True)
    model, data = directory / "3dunet_kits19_128x128x128_dynbatch.onnx", directory / "kits19" / "data"
    onnx.save(network("windows"), str(model))
    for name, (shape, spacing) in zip(INFERENCE_CASES, CASES, strict=False):
        (data / name).mkdir(parents=True)
        waves, labels = volume(shape)
        image = HOUNSFIELD[labels] + waves % np.int16(40)
        for stem, values in ((IMAGE, image), (LABEL, labels)):
            content = gzip.compress(nifti_bytes(values, spacing), 1, mtime=0)
            (data / name / f"{stem}.nii.gz").write_bytes(content)
    return model, data.parent


def network(batch: str | int, side: int = 128) -> onnx.ModelProto:
    """Return a network with the official names and shapes: three scores from each voxel alone."""
    weights = np.array([-1, 0, 1], np.float32).reshape(3, 1, 1, 1, 1)
    biases = np.array([0, 1, 0], np.float32)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["input", "weights", "biases"], ["output"])],
        "stand-in",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [batch, 1, side, side, side])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [batch, 3, side, side, side])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(biases, "biases")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 12)], ir_version=8)
