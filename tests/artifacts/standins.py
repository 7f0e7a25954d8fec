"""A mirror of stand-ins for the official files: small, under the official names, and right enough for a whole run."""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np
import onnx
from onnx import TensorProto, helper
from PIL import Image

from pytest_mlperf.benchmarks.retinanet import OFFICIAL, PUBLISHED
from pytest_mlperf.datasets import openimages_recipe

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlperf.artifacts.sources import RemoteFile

IMAGES = [f"{number:016x}.jpg" for number in range(7, 7 * 13, 7)]
CALIBRATION = [f"ca{number:014x}.jpg" for number in range(3)]
WIDTH, HEIGHT = 64, 48


def official_path(file: RemoteFile) -> str:
    """Return where a mirror has a file."""
    return urlsplit(file.urls[0]).path


def stand_ins() -> dict[str, bytes]:
    """Return everything by its path."""
    openimages = openimages_recipe.OFFICIAL
    images = {f"/validation/{name}": jpeg(number) for number, name in enumerate(IMAGES)}
    calibration = {f"/train/{name}": jpeg(100 + number) for number, name in enumerate(CALIBRATION)}
    return {
        official_path(PUBLISHED["onnx"]): model(),
        official_path(openimages.annotations): zipped(annotation_file()),
        official_path(openimages.calibration_list): "\n".join(CALIBRATION).encode(),
        **images,
        **calibration,
    }


def write(files: dict[str, bytes], directory: Path) -> Path:
    """Make a directory that mirrors the addresses."""
    for path, content in files.items():
        target = directory / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return directory


def jpeg(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG")
    return buffer.getvalue()


def annotation_file() -> dict[str, Any]:
    """Return annotations that have the same box in every image, in another order than the names'."""
    box = [WIDTH / 4, HEIGHT / 4, WIDTH / 2, HEIGHT / 2]
    numbered = list(enumerate(reversed(IMAGES), 1))
    shared = {"category_id": 5, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
    return {
        "images": [{"id": n, "file_name": name, "width": WIDTH, "height": HEIGHT} for n, name in numbered],
        "annotations": [{"id": n, "image_id": n, **shared} for n, _ in numbered],
        "categories": [{"id": n, "name": str(n)} for n in range(264)],
    }


def zipped(content: dict[str, Any] | bytes) -> bytes:
    """Return the archive of an annotation file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        text = content if isinstance(content, bytes) else json.dumps(content).encode()
        archive.writestr(zipfile.ZipInfo("openimages-mlperf.json"), text)
    return buffer.getvalue()


def model() -> bytes:
    """Return a model of the official contract that finds the one box of the annotations in every image."""
    [images] = OFFICIAL.models[0].graph.inputs
    side = OFFICIAL.size
    nodes = [
        helper.make_node("ReduceMin", ["images"], ["least"], keepdims=0),
        helper.make_node("Mul", ["least", "nothing"], ["zero"]),
        helper.make_node("Add", ["box", "zero"], ["boxes"]),
        helper.make_node("Identity", ["label"], ["labels"]),
        helper.make_node("Add", ["score", "zero"], ["scores"]),
    ]
    quarter, rest = side / 4, 3 * side / 4
    constants = [
        helper.make_tensor("nothing", TensorProto.FLOAT, [], [0.0]),
        helper.make_tensor("box", TensorProto.FLOAT, [1, 4], [quarter, quarter, rest, rest]),
        helper.make_tensor("label", TensorProto.INT64, [1], [5]),
        helper.make_tensor("score", TensorProto.FLOAT, [1], [0.9]),
    ]
    outputs = [
        helper.make_tensor_value_info("boxes", TensorProto.FLOAT, ["n", 4]),
        helper.make_tensor_value_info("labels", TensorProto.INT64, ["n"]),
        helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n"]),
    ]
    inputs = [helper.make_tensor_value_info("images", TensorProto.FLOAT, images.shape)]
    graph = helper.make_graph(nodes, "stand-in", inputs, outputs, constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(made)
    return bytes(made.SerializeToString())
