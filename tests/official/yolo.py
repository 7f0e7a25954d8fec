"""A stand-in for official YOLO: the export's names and shapes with next to nothing inside, and a few images of COCO."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from pytest_mlperf.benchmarks.yolo import COCO_CATEGORIES, OFFICIAL_99
from pytest_mlperf.datasets.letterbox import Letterbox

if TYPE_CHECKING:
    from pathlib import Path

SIDE = OFFICIAL_99.size
CLASSES = len(COCO_CATEGORIES)
STRIDES = (8, 16, 32)
#: Width and height; also larger than the input, narrow, and odd.
SIZES = ((640, 480), (427, 640), (500, 375), (211, 97), (800, 600), (160, 640))
#: What the model finds in every image, by place among the classes: centre x, centre y, width, height in the input.
OBJECTS = {0: (320, 320, 120, 100), 11: (300, 340, 80, 60), 79: (345, 300, 60, 90)}
PERMITTED, OTHER = 4, 1
_LICENCES = [
    {"id": OTHER, "url": "http://creativecommons.org/licenses/by-nc-sa/2.0/", "name": "no commercial use"},
    {"id": PERMITTED, "url": "http://creativecommons.org/licenses/by/2.0/", "name": "attribution"},
]


def make(directory: Path) -> tuple[Path, Path]:
    """Write a model file and a data set of 6 images that MLPerf may use, among others; return their paths."""
    directory.mkdir(parents=True, exist_ok=True)
    model = directory / "yolo11l.onnx"
    model.write_bytes(model_bytes())
    return model, write_dataset(directory / "coco")


def write_dataset(directory: Path) -> Path:
    """Write COCO's layout: the images of every licence in the annotations, in another order than the names'."""
    images = directory / "val2017"
    images.mkdir(parents=True)
    for number, (width, height) in enumerate(SIZES):
        picture(number, width, height).save(images / file_name(number), "JPEG", quality=92)
    annotations = directory / "annotations" / "instances_val2017.json"
    annotations.parent.mkdir()
    annotations.write_text(json.dumps(annotation_file()))
    return directory


def file_name(number: int) -> str:
    return f"{7919 * (9 - number):012d}.jpg"


def picture(number: int, width: int, height: int) -> Image.Image:
    coarse = np.random.default_rng(number).integers(0, 256, (12, 16, 3), np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def annotation_file() -> dict[str, Any]:
    """Return the annotations of the images; the image of another licence has no file."""
    images: list[dict[str, Any]] = []
    boxes: list[dict[str, Any]] = []
    for number, (width, height) in enumerate(SIZES):
        images.append(
            {
                "id": 7919 * (9 - number),
                "file_name": file_name(number),
                "width": width,
                "height": height,
                "license": PERMITTED,
                "coco_url": f"http://images.cocodataset.org/val2017/{file_name(number)}",
            }
        )
        for place, found in OBJECTS.items():
            box = in_image(found, Letterbox(height, width, SIDE))
            boxes.append(
                {
                    "id": 10 * len(boxes) + 5,
                    "image_id": images[-1]["id"],
                    "category_id": COCO_CATEGORIES[place],
                    "bbox": box,
                    "area": box[2] * box[3],
                    "iscrowd": 0,
                    "segmentation": [],
                }
            )
    images.insert(2, {**images[0], "id": 5, "file_name": "000000000005.jpg", "license": OTHER})
    return {
        "info": {"description": "stand-in"},
        "licenses": [dict(licence) for licence in _LICENCES],
        "images": images,
        "annotations": boxes,
        "categories": [{"id": number, "name": f"class {number}"} for number in COCO_CATEGORIES],
    }


def in_image(found: tuple[int, int, int, int], box: Letterbox) -> list[float]:
    """Return left, top, width and height in the image of a box in the input."""
    x, y, width, height = found
    (top, left), gain = box.corner, box.gain
    return [(x - width / 2 - left) / gain, (y - height / 2 - top) / gain, width / gain, height / gain]


def model_bytes(seed: int = 0, batch: int | str = 1) -> bytes:
    """Return a graph that finds `OBJECTS`, and by the mean colour around each other point something else."""
    random = np.random.default_rng(seed)
    points, strides = _points()
    weights = random.normal(0, 6, (4 + CLASSES, 3, 1, 1))
    weights[:4] /= 6
    bias = np.concatenate((np.zeros(4), random.normal(-25, 1, CLASSES)))
    # Centre x, centre y, width, height: the point, some strides wide.
    start = np.concatenate((points, 3 * np.stack((strides, strides))))[None]
    reach = np.stack((strides, strides, strides, strides))[None]
    sure = np.zeros((1, CLASSES, len(strides)))
    for point, (place, box) in enumerate(OBJECTS.items()):
        start[0, :, point], reach[0, :, point] = box, 0
        bias[4 + place], sure[0, place, point] = -30, 60
    weights[[4 + place for place in OBJECTS]] = 0
    constants = {
        "weights": weights,
        "bias": bias,
        "start": start,
        "reach": reach,
        "sure": sure,
    }
    shapes = {"flat": [0, 4 + CLASSES, -1], "parts": [4, CLASSES]}
    nodes = []
    for stride in STRIDES:
        side = [stride, stride]
        nodes += [
            helper.make_node("AveragePool", ["images"], [f"mean{stride}"], kernel_shape=side, strides=side),
            helper.make_node("Conv", [f"mean{stride}", "weights", "bias"], [f"level{stride}"]),
            helper.make_node("Reshape", [f"level{stride}", "flat"], [f"flat{stride}"]),
        ]
    nodes += [
        helper.make_node("Concat", [f"flat{stride}" for stride in STRIDES], ["all"], axis=2),
        helper.make_node("Split", ["all", "parts"], ["deltas", "logits"], axis=1),
        helper.make_node("Mul", ["deltas", "reach"], ["moved"]),
        helper.make_node("Add", ["moved", "start"], ["boxes"]),
        helper.make_node("Add", ["logits", "sure"], ["all logits"]),
        helper.make_node("Sigmoid", ["all logits"], ["scores"]),
        helper.make_node("Concat", ["boxes", "scores"], ["output0"], axis=1),
    ]
    initializers = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in constants.items()]
    initializers += [numpy_helper.from_array(np.array(shape, np.int64), name) for name, shape in shapes.items()]
    inputs = [helper.make_tensor_value_info("images", TensorProto.FLOAT, [batch, 3, SIDE, SIDE])]
    outputs = [helper.make_tensor_value_info("output0", TensorProto.FLOAT, [batch, 4 + CLASSES, points.shape[1]])]
    graph = helper.make_graph(nodes, "stand-in", inputs, outputs, initializers)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(made)
    return bytes(made.SerializeToString())


def _points() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return the points, x and y, and the stride of each, level by level."""
    grids = []
    for stride in STRIDES:
        middle = (np.arange(SIDE // stride) + 0.5) * stride
        x, y = np.meshgrid(middle, middle)
        grids.append(np.stack((x.ravel(), y.ravel(), np.full(x.size, stride))))
    points = np.concatenate(grids, axis=1)
    return points[:2], points[2]
