from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

import pytest_mlperf
from pytest_mlperf.datasets.digit_painting import CATEGORIES, render

DATA = Path(pytest_mlperf.__file__).parent / "data"
MODEL = DATA / "retinanet-tiny.onnx"


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((DATA / "retinanet-tiny.json").read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="module")
def session() -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(MODEL), options, providers=["CPUExecutionProvider"])


def test_the_record_belongs_to_the_model(record: dict[str, Any]) -> None:
    assert hashlib.sha256(MODEL.read_bytes()).hexdigest() == record["sha256"]
    assert MODEL.stat().st_size < 3_000_000
    assert record["metric"] == "mAP"
    assert 0.55 <= record["reference"] <= 0.90
    assert float(record["reference_percent"]) == pytest.approx(100 * record["reference"], abs=5e-4)


def test_names_types_and_shapes_are_the_benchmarks(
    session: onnxruntime.InferenceSession, record: dict[str, Any]
) -> None:
    side = record["input_size"]
    (images,) = session.get_inputs()
    assert (images.name, images.type, images.shape) == ("images", "tensor(float)", [1, 3, side, side])
    outputs = [(output.name, output.type, len(output.shape)) for output in session.get_outputs()]
    assert outputs == [
        ("boxes", "tensor(float)", 2),
        ("scores", "tensor(float)", 1),
        ("labels", "tensor(int64)", 1),
    ]


def test_detections_obey_the_contract(session: onnxruntime.InferenceSession, record: dict[str, Any]) -> None:
    side = record["input_size"]
    most = 0
    for index in range(8):
        image = render("validation", index).image
        rows, columns = (np.arange(side) * length // side for length in image.shape[:2])
        planes = (image[rows][:, columns] / np.float32(255)).transpose(2, 0, 1)[None]
        boxes, scores, labels = session.run(["boxes", "scores", "labels"], {"images": planes})
        most = max(most, len(scores))
        assert boxes.shape == (len(scores), 4)
        assert len(scores) == len(labels) <= 300
        assert np.all(np.diff(scores) <= 0)
        assert np.all(scores > 0.05)
        assert np.all((boxes >= 0) & (boxes <= side))
        assert np.all(boxes[:, :2] < boxes[:, 2:])
        assert np.all((labels >= 0) & (labels < len(CATEGORIES)))
    assert most > 5


@pytest.mark.parametrize("value", [0.0, 1.0], ids=["black", "white"])
def test_an_image_with_nothing_in_it_is_no_error(
    session: onnxruntime.InferenceSession, record: dict[str, Any], value: float
) -> None:
    side = record["input_size"]
    _, scores, _ = session.run(
        ["boxes", "scores", "labels"], {"images": np.full((1, 3, side, side), value, np.float32)}
    )
    assert np.all(scores < 0.5)
