"""The tiny edition's mAP means something: the right pipeline reaches the target, each broken one does not.

How far each falls is measured here and stated in docs/retinanet.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pytest_mlperf.artifacts.store import Store
from pytest_mlperf.backends.onnxruntime import OnnxRuntime
from pytest_mlperf.benchmarks.retinanet import TINY
from pytest_mlperf.datasets.coco import read_annotations
from pytest_mlperf.datasets.data_content import data_content
from pytest_mlperf.datasets.images import load_image, preprocess_stretch
from pytest_mlperf.datasets.known_files import known_files
from pytest_mlperf.datasets.layout import ANNOTATIONS, IMAGES
from pytest_mlperf.datasets.scenes_recipe import KNOWN, ScenesRecipe
from pytest_mlperf.metrics.accuracy_log import read_records

Outputs = Sequence[NDArray[Any]]
Preprocess = Callable[[Path], NDArray[np.float32]]
SIZE = TINY.size
SCENES = 500
[LIMIT] = TINY.limits(SCENES)
assert LIMIT.reference is not None
assert LIMIT.minimum is not None
REFERENCE, TARGET = LIMIT.reference, LIMIT.minimum


@dataclass(frozen=True)
class Pipeline:
    """A way from the picture to the record, and the least that mAP must fall by, in points."""

    preprocess: Preprocess
    change: Callable[[Outputs], Outputs]
    falls: float


def right(path: Path) -> NDArray[np.float32]:
    return preprocess_stretch(path, SIZE)


def bgr(path: Path) -> NDArray[np.float32]:
    return np.ascontiguousarray(right(path)[::-1])


def antialiased(path: Path) -> NDArray[np.float32]:
    resized = Image.fromarray(load_image(path)).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    return np.ascontiguousarray((np.asarray(resized, np.float32) / 255).transpose(2, 0, 1))


def without_half_pixel(path: Path) -> NDArray[np.float32]:
    """Sample at ``target * scale`` instead of ``(target + 0.5) * scale - 0.5``."""
    picture = load_image(path).astype(np.float32)
    for axis in (0, 1):
        length = picture.shape[axis]
        position = np.arange(SIZE) * (length / SIZE)
        near = position.astype(np.intp)
        weight = np.expand_dims((position - near).astype(np.float32), (1, 2) if axis == 0 else (0, 2))
        first, second = picture.take(near, axis), picture.take(np.minimum(near + 1, length - 1), axis)
        picture = first + weight * (second - first)
    return np.ascontiguousarray((picture / 255).transpose(2, 0, 1))


def as_it_is(outputs: Outputs) -> Outputs:
    return outputs


def confident(outputs: Outputs) -> Outputs:
    kept = outputs[2] > 0.5
    return [output[kept] for output in outputs]


def swapped(outputs: Outputs) -> Outputs:
    boxes, labels, scores = outputs
    return boxes[:, [1, 0, 3, 2]], labels, scores


BROKEN = {
    "BGR for RGB": Pipeline(bgr, as_it_is, 55.0),
    "antialiased resize": Pipeline(antialiased, as_it_is, 20.0),
    "no half-pixel centres": Pipeline(without_half_pixel, as_it_is, 1.0),
    "score threshold 0.5": Pipeline(right, confident, 10.0),
    "x and y swapped": Pipeline(right, swapped, 55.0),
}


@pytest.fixture(scope="module")
def scenes(shared_cache: Path) -> Path:
    return Store(shared_cache).get(ScenesRecipe(SCENES)).path


def score(scenes: Path, pipeline: Pipeline, log: Path) -> float:
    """Return the mAP in percent of all validation scenes, through the benchmark's own records and scorer."""
    file = TINY.model_file("onnx", "fp32", "")
    assert isinstance(file.source, Path)
    session = OnnxRuntime().load(file.source, file, "cpu", threads=1, options={})
    paths = [scenes / IMAGES / image.file_name for image in read_annotations(scenes / ANNOTATIONS).images]

    def record(index: int) -> str:
        outputs = session.run({"images": pipeline.preprocess(paths[index])[None]})
        data, _ = TINY.encode(pipeline.change(outputs), [{}], [index])
        return f'{{ "seq_id" : {index}, "qsl_idx" : {index}, "data" : "{data.tobytes().hex().upper()}" }}'

    with ThreadPoolExecutor(2) as pool:
        lines = list(pool.map(record, range(len(paths))))
    log.write_text("[\n" + ",\n".join(lines) + "\n]\n")
    return TINY.metric.score(read_records(log), scenes)["mAP"]


def test_the_reference_is_hard_enough_to_mean_something() -> None:
    assert 55 <= REFERENCE <= 90


def test_the_right_pipeline_reproduces_the_recorded_reference(scenes: Path, tmp_path: Path) -> None:
    found = score(scenes, Pipeline(right, as_it_is, 0), tmp_path / "log.json")
    # PyTorch in float32 against ONNX Runtime in float32.
    assert found == pytest.approx(REFERENCE, abs=0.1)
    assert found >= TARGET


@pytest.mark.slow
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_pipeline_falls_below_the_target(name: str, scenes: Path, tmp_path: Path) -> None:
    found = score(scenes, BROKEN[name], tmp_path / "log.json")
    assert found < TARGET
    assert REFERENCE - found >= BROKEN[name].falls


def test_the_scenes_made_here_are_those_that_the_reference_is_of(scenes: Path) -> None:
    for count in (1, 8, SCENES):
        found = data_content(TINY.dataset, scenes, count)
        assert {file.name: file.sha256 for file in found.files}.items() <= dict(known_files(KNOWN)).items()
        assert found.sha256 == TINY.reference_data(count)
    assert TINY.reference_data(SCENES + 1) == ""
