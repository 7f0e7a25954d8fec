"""A stand-in for the official ResNet-50 and ImageNet: their names, shapes and layout, with random weights.

The labels are the stand-in's own classes of the images as OpenCV preprocesses them, so that its accuracy is 100 %.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SIZES = ((375, 500), (500, 375), (333, 500), (200, 180), (256, 256), (512, 512), (100, 400), (64, 48))
"""Height and width of the images."""


def make(directory: Path) -> tuple[Path, Path]:
    """Write a model file and a data set of 8 images, and return their paths."""
    model = directory / "resnet50_v1.onnx"
    model.write_bytes(make_model().SerializeToString())
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    images = directory / "imagenet"
    images.mkdir()
    random = np.random.default_rng(0)
    lines = []
    for number, (height, width) in enumerate(SIZES, 1):
        name = f"ILSVRC2012_val_{number:08d}.JPEG"
        coarse = Image.fromarray(random.integers(0, 256, (5, 7, 3), dtype=np.uint8))
        coarse.resize((width, height), Image.Resampling.BICUBIC).save(images / name, "JPEG", quality=90)
        [classes] = session.run(["ArgMax:0"], {"input_tensor:0": by_opencv(images / name)[None]})
        lines.append(f"{name} {classes[0] - 1}\n")
    (images / "val_map.txt").write_text("".join(lines))
    return model, images


def by_opencv(path: Path) -> NDArray[np.float32]:
    """Return the input of an image as the reference makes it: float32 [3, 224, 224]."""
    image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    height, width = image.shape[:2]
    wide, high = (256, int(256 * height / width)) if height > width else (int(256 * width / height), 256)
    resized = cv2.resize(image, (wide, high), interpolation=cv2.INTER_AREA)
    top, left = int((high - 224) / 2), int((wide - 224) / 2)
    crop = np.asarray(resized[top : top + 224, left : left + 224], np.float32)
    crop -= np.array([123.68, 116.78, 103.94], np.float32)
    return np.ascontiguousarray(crop.transpose(2, 0, 1))


def make_model(size: int = 224) -> onnx.ModelProto:
    """Return a graph of one convolution: ``input_tensor:0`` to ``ArgMax:0`` and ``softmax_tensor:0``, 1001 classes."""
    random = np.random.default_rng(1)
    weights = {
        "filters": random.normal(0, 0.02, (8, 3, 32, 32)).astype(np.float32),
        "classes": random.normal(0, 1, (8, 1001)).astype(np.float32),
    }
    images = helper.make_tensor_value_info("input_tensor:0", TensorProto.FLOAT, ["batch", 3, size, size])
    outputs = [
        helper.make_tensor_value_info("ArgMax:0", TensorProto.INT64, ["batch"]),
        helper.make_tensor_value_info("softmax_tensor:0", TensorProto.FLOAT, ["batch", 1001]),
    ]
    nodes = [
        helper.make_node("Conv", ["input_tensor:0", "filters"], ["maps"], strides=[32, 32]),
        helper.make_node("Relu", ["maps"], ["bright"]),
        helper.make_node("ReduceMean", ["bright"], ["features"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["features", "classes"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["softmax_tensor:0"], axis=1),
        helper.make_node("ArgMax", ["logits"], ["ArgMax:0"], axis=1, keepdims=0),
    ]
    initializers = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "stand-in", [images], outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6)
    onnx.checker.check_model(model)
    return model
