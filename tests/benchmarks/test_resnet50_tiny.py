"""The tiny ResNet-50 that ships: its contract, its reference, and that broken pipelines fall below its target.

How far each falls is measured by tools/measure_resnet50_tiny.py and stated in docs/resnet50.md.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import pytest

import pytest_mlperf
from pytest_mlperf.artifacts.store import Store
from pytest_mlperf.backends.onnxruntime import OnnxRuntime
from pytest_mlperf.benchmarks.resnet50 import TINY, TINY_SIZE
from pytest_mlperf.datasets.area_resize import resize_area
from pytest_mlperf.datasets.data_content import data_content
from pytest_mlperf.datasets.digit_pictures_recipe import PicturesRecipe
from pytest_mlperf.datasets.imagenet_layout import read_images
from pytest_mlperf.datasets.imagenet_preprocessing import VGG_MEANS, resized, vgg
from pytest_mlperf.datasets.images import load_image
from pytest_mlperf.metrics.accuracy_log import Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Preprocess = Callable[[NDArray[np.uint8]], NDArray[np.float32]]

DATA = Path(pytest_mlperf.__file__).parent / "data"
MODEL = DATA / "resnet50-tiny.onnx"
PICTURES = 4000
MEANS = np.array(VGG_MEANS, np.float32)[:, None, None]
[LIMIT] = TINY.limits(PICTURES)
assert LIMIT.reference is not None
assert LIMIT.minimum is not None
REFERENCE, TARGET = LIMIT.reference, LIMIT.minimum


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((DATA / "resnet50-tiny.json").read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="module")
def session() -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(MODEL), options, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def pictures(shared_cache: Path) -> Path:
    return Store(shared_cache).get(PicturesRecipe(PICTURES)).path


def test_the_record_belongs_to_the_model(record: dict[str, Any]) -> None:
    assert hashlib.sha256(MODEL.read_bytes()).hexdigest() == record["sha256"]
    assert MODEL.stat().st_size < 2_500_000
    assert record["metric"] == "acc"
    assert 95.0 <= record["reference"] <= 99.5
    assert len(record["reference_by_count"]) == record["samples"] == PICTURES == TINY.dataset.size
    assert record["reference_by_count"][-1] == record["reference"]
    assert record["input_size"] == TINY_SIZE


def test_names_types_and_shapes_are_the_official_ones(session: onnxruntime.InferenceSession) -> None:
    (images,) = session.get_inputs()
    assert (images.name, images.type, images.shape[1:]) == ("input_tensor:0", "tensor(float)", [3, 48, 48])
    classes, scores = session.get_outputs()
    assert (classes.name, classes.type, len(classes.shape)) == ("ArgMax:0", "tensor(int64)", 1)
    assert (scores.name, scores.type, scores.shape[1:]) == ("softmax_tensor:0", "tensor(float)", [21])


@pytest.mark.parametrize("batch", [1, 2, 7, 32])
def test_any_batch_gives_the_same_classes(session: onnxruntime.InferenceSession, batch: int) -> None:
    images = np.random.default_rng(0).normal(0, 60, (32, 3, 48, 48)).astype(np.float32)
    [whole] = session.run(["ArgMax:0"], {"input_tensor:0": images})
    [part] = session.run(["ArgMax:0"], {"input_tensor:0": images[:batch]})
    assert part.shape == (batch,)
    assert np.array_equal(part, whole[:batch])


def no_crop(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Stretch the whole picture to the input."""
    return resize_area(image, TINY_SIZE, TINY_SIZE).transpose(2, 0, 1) - MEANS


def crop_at_corner(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    whole = resize_area(image, *resized(image.shape[0], image.shape[1], TINY_SIZE))
    return whole[:TINY_SIZE, :TINY_SIZE].transpose(2, 0, 1) - MEANS


def right(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    return vgg(image, TINY_SIZE)


#: The preprocessing, and the least that the accuracy must fall by, in points.
BROKEN: dict[str, tuple[Preprocess, float]] = {
    "BGR for RGB": (lambda image: vgg(image[..., ::-1], TINY_SIZE), 90.0),
    "no crop": (no_crop, 10.0),
    "crop at the corner": (crop_at_corner, 10.0),
    "0 to 1": (lambda image: (right(image) + MEANS) / np.float32(255), 80.0),
    "rows for columns": (lambda image: right(image).transpose(0, 2, 1), 60.0),
}


def score(pictures: Path, preprocess: Preprocess, count: int, offset: int = 0) -> float:
    """Return the accuracy of the first pictures in percent, through the benchmark's own records and metric."""
    file = TINY.model_file("onnx", "fp32", "")
    assert isinstance(file.source, Path)
    model = OnnxRuntime().load(file.source, file, "cpu", threads=1, options={})
    names = [image.name for image in read_images(pictures)[:count]]
    answers = []
    for start in range(0, count, 100):
        inputs = [preprocess(load_image(pictures / name)) for name in names[start : start + 100]]
        classes, *others = model.run({"image": np.ascontiguousarray(np.stack(inputs), np.float32)})
        indices = range(start, start + len(inputs))
        data, offsets = TINY.encode([classes + offset, *others], [], indices)
        answers += [Record(index, data[offsets[row] : offsets[row + 1]].tobytes()) for row, index in enumerate(indices)]
    return TINY.metric.score(answers, pictures)["acc"]


@pytest.mark.slow
def test_the_right_pipeline_reproduces_the_recorded_reference(pictures: Path, record: dict[str, Any]) -> None:
    found = score(pictures, right, PICTURES)
    # PyTorch in float32 against ONNX Runtime in float32: pictures at the edge of two classes.
    assert found == pytest.approx(REFERENCE, abs=0.05)
    assert found >= TARGET
    assert score(pictures, right, 500) == pytest.approx(record["reference_by_count"][499], abs=0.2)


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_pipeline_falls_below_the_target(name: str, pictures: Path) -> None:
    preprocess, falls = BROKEN[name]
    [limit] = TINY.limits(1000)
    assert limit.minimum is not None
    assert limit.reference is not None
    found = score(pictures, preprocess, 1000)
    assert found < limit.minimum
    assert limit.reference - found >= falls


@pytest.mark.slow
@pytest.mark.parametrize("offset", [-1, 1])
def test_a_wrong_offset_of_the_label_scores_next_to_nothing(pictures: Path, offset: int) -> None:
    assert score(pictures, right, 200, offset) < 5


@pytest.mark.slow
def test_the_pictures_made_here_are_those_that_the_reference_is_of(pictures: Path) -> None:
    for count in (1, 500, PICTURES):
        assert data_content(TINY.dataset, pictures, count).sha256 == TINY.reference_data(count)
