"""The tiny YOLO's mAP means something: the right pipeline reaches the target, each broken one does not.

How far each falls is measured here and stated in docs/yolo.md.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

import pytest_mlperf
from pytest_mlperf.artifacts.store import Store
from pytest_mlperf.backends.onnxruntime import OnnxRuntime
from pytest_mlperf.benchmarks.yolo import SCENE_CATEGORIES, TINY_95, TINY_99, Yolo
from pytest_mlperf.datasets.data_content import data_content
from pytest_mlperf.datasets.images import load_image
from pytest_mlperf.datasets.known_files import known_files
from pytest_mlperf.datasets.letterbox import Letterbox, letterbox, planes
from pytest_mlperf.datasets.openimages import annotated_images
from pytest_mlperf.datasets.scenes_recipe import ScenesRecipe
from pytest_mlperf.metrics.accuracy_log import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

Pixels = Any
DATA = Path(pytest_mlperf.__file__).parent / "data"
SIZE = TINY_99.size
SCENES = 500
PART = 150
"""So many scenes tell a broken pipeline."""

[LIMIT] = TINY_99.limits(SCENES)
assert LIMIT.reference is not None
assert LIMIT.minimum is not None
REFERENCE, TARGET = LIMIT.reference, LIMIT.minimum


@dataclass(frozen=True)
class Pipeline:
    """A way from the picture to the record, and the least that mAP must fall by, in points."""

    falls: float
    square: Callable[[Pixels], Pixels] = lambda image: letterbox(image, SIZE)
    benchmark: Yolo = TINY_99
    change: Callable[[NDArray[np.float32]], NDArray[np.float32]] = lambda raw: raw


def antialiased(image: Pixels) -> Pixels:
    box = Letterbox(image.shape[0], image.shape[1], SIZE)
    (height, width), (top, left) = box.inner, box.corner
    square = np.full((SIZE, SIZE, 3), 114, np.uint8)
    small = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
    square[top : top + height, left : left + width] = np.asarray(small)
    return square


def stretched(image: Pixels) -> Pixels:
    return np.asarray(Image.fromarray(image).resize((SIZE, SIZE), Image.Resampling.NEAREST))


def confident(raw: NDArray[np.float32]) -> NDArray[np.float32]:
    """Keep what Ultralytics keeps by default, not what the reference asks for."""
    raw = raw.copy()
    raw[:, 4:][raw[:, 4:] <= 0.25] = 0
    return raw


def swapped(raw: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.concatenate((raw[:, [1, 0, 3, 2]], raw[:, 4:]), axis=1)


RIGHT = Pipeline(0)
BROKEN = {
    "BGR for RGB": Pipeline(50.0, square=lambda image: letterbox(image[..., ::-1], SIZE)),
    "stretched instead of letterboxed": Pipeline(40.0, square=stretched),
    "antialiased resize": Pipeline(20.0, square=antialiased),
    "confidence 0.25 instead of 0.001": Pipeline(0.7, change=confident),
    "classes as categories": Pipeline(45.0, benchmark=replace(TINY_99, category_ids=tuple(range(20)))),
    "x and y swapped": Pipeline(50.0, change=swapped),
}


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((DATA / "yolo-tiny.json").read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="module")
def scenes(shared_cache: Path) -> Path:
    return Store(shared_cache).get(ScenesRecipe(SCENES)).path


def score(scenes: Path, pipeline: Pipeline, count: int = SCENES) -> float:
    """Return the mAP in percent of the first scenes, through the benchmark's own records and metric."""
    file = TINY_99.model_file("onnx", "fp32", "")
    assert isinstance(file.source, Path)
    session = OnnxRuntime().load(file.source, file, "cpu", threads=1, options={})
    images = annotated_images(scenes, count)

    def answers() -> Iterator[Record]:
        for index, image in enumerate(images):
            assert image.size is not None
            pixels = planes(pipeline.square(load_image(image.path)))[None]
            [raw] = session.run({"images": pixels})
            sample = {"shape": np.array(image.size[::-1])}
            data, _ = pipeline.benchmark.encode([pipeline.change(raw)], [sample], [index])
            yield Record(index, data.tobytes())

    return TINY_99.metric.score(answers(), scenes)["mAP"]


def test_the_record_belongs_to_the_model(record: dict[str, Any]) -> None:
    model = DATA / "yolo-tiny.onnx"
    assert hashlib.sha256(model.read_bytes()).hexdigest() == record["sha256"]
    assert model.stat().st_size < 2_500_000
    assert (record["metric"], record["input_size"]) == ("mAP", SIZE)
    assert len(record["reference_by_count"]) == record["samples"] == SCENES
    assert record["reference_by_count"][-1] == record["reference"]
    assert 45 <= record["reference"] <= 90


def test_the_scenes_are_retinanets() -> None:
    assert known_files("yolo-tiny") == known_files("retinanet-tiny")


def test_both_editions_run_the_same_model_against_their_own_target() -> None:
    assert replace(TINY_95, official_name="yolo-99", reference=TINY_99.reference) == TINY_99


def test_raw_outputs_obey_the_contract() -> None:
    file = TINY_99.model_file("onnx", "fp32", "")
    assert isinstance(file.source, Path)
    session = OnnxRuntime().load(file.source, file, "cpu", threads=1, options={})
    assert session.max_batch is None
    random = np.random.default_rng(0)
    images = planes(random.integers(0, 256, (SIZE, 3 * SIZE, 3), np.uint8)).reshape(3, 3, SIZE, SIZE)
    [together] = session.run({"images": images})
    assert together.shape == (3, 4 + len(SCENE_CATEGORIES), 720)
    assert (together[:, 2:4] > 0).all()
    assert ((together[:, 4:] >= 0) & (together[:, 4:] <= 1)).all()
    for place in range(3):
        [alone] = session.run({"images": images[place : place + 1]})
        assert np.allclose(together[place], alone[0], atol=1e-3)


def test_a_few_scenes_have_the_recorded_reference_of_these(scenes: Path) -> None:
    [limit] = TINY_99.limits(40)
    assert limit.samples == 40
    # PyTorch in float32 against ONNX Runtime in float32.
    assert score(scenes, RIGHT, 40) == pytest.approx(limit.reference, abs=0.2)


@pytest.mark.slow
def test_the_right_pipeline_reproduces_the_recorded_reference(scenes: Path) -> None:
    found = score(scenes, RIGHT)
    assert found == pytest.approx(REFERENCE, abs=0.1)
    assert found >= TARGET


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_pipeline_falls_below_the_target(name: str, scenes: Path) -> None:
    [limit] = TINY_99.limits(PART)
    assert limit.reference is not None
    assert limit.minimum is not None
    found = score(scenes, BROKEN[name], PART)
    assert found < limit.minimum
    assert limit.reference - found >= BROKEN[name].falls


@pytest.mark.slow
def test_the_scenes_made_here_are_those_that_the_reference_is_of(scenes: Path) -> None:
    for count in (1, 8, SCENES):
        found = data_content(TINY_99.dataset, scenes, count)
        assert found.sha256 == TINY_99.reference_data(count)
    assert TINY_99.reference_data(SCENES + 1) == ""
